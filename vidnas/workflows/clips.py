"""Labelled clips for a job: read, and decoded once, with progress and remarks for a listener."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Literal

from vidnas.core import Modality
from vidnas.core.text import counted
from vidnas.data.cache import ClipCache, build_cache, build_flow
from vidnas.data.datasets import Dataset
from vidnas.data.flow import FlowMethod
from vidnas.data.headers import grid_rate, native_size_px
from vidnas.data.labelled import file_of
from vidnas.data.splits import JUDGED, SPLITS
from vidnas.workflows.listener import Listener

_SHOWN = 5
LARGEST_PX = 128
"""Short side of stored frames where nobody chose one."""


def open_clips(
    dataset: Dataset,
    listener: Listener,
    *,
    size_px: int | None,
    modalities: Iterable[Modality] = ("rgb",),
    flow_method: FlowMethod | None = None,
    flow_in_use: bool = False,
    rate_fps: float | Literal["common"] | None = "common",
    cache_bytes: int | None = None,
) -> ClipCache:
    """Open the cache of a data set; build it if that was not done before.

    Args:
        dataset: the labelled videos.
        listener: is told of the decoding and of what is odd about the videos.
        size_px: short side of the frames; None for that of the videos, and 128 at most.
        modalities: what the networks take; optical flow is computed where it is missing.
        flow_method: how flow is estimated; None for the method in use, or else DIS.
        flow_in_use: whether all who name no method take this one from now on. What a study or a
            model asks for is its own affair.
        rate_fps: the frame rate at which videos are read; None for each one's own, and "common" for
            the one that fits the data set.
        cache_bytes: what all caches may take; see `make_room`.

    Raises:
        UserError: the videos cannot be used, their cache cannot be written, or flow is asked for
            and OpenCV is not installed.
    """
    for remark in dataset.remarks:
        listener.remark(remark)
    if size_px is None:
        size_px = min(LARGEST_PX, native_size_px(dataset) or LARGEST_PX)
    if rate_fps == "common":
        common = grid_rate(dataset)
        rate_fps = common and common.rate_fps
        if common and common.remark:
            listener.remark(common.remark)
    cache = build_cache(
        dataset,
        size_px=size_px,
        rate_fps=rate_fps,
        limit_bytes=cache_bytes,
        on_reading=partial(listener.progress, "Reading"),
        on_progress=partial(listener.progress, "Decoding"),
        on_remark=listener.remark,
    )
    for path, reason in cache.skipped[:_SHOWN]:
        listener.remark(f"{path} is skipped: {reason}")
    if len(cache.skipped) > _SHOWN:
        listener.remark(
            f"{counted(len(cache.skipped) - _SHOWN, 'more video is', 'more videos are')} skipped; "
            f"`vidnas data check {dataset.source}` names them all."
        )
    counts = {split: len(cache.videos(split)) for split in SPLITS}
    sizes = ", ".join(f"{count} {split}" for split, count in counts.items() if count)
    listener.say(f"{counted(len(cache), 'video')} of {len(cache.classes)} classes: {sizes}.")
    if shared := _shared(cache):
        listener.remark(
            f"Of {counted(len(shared), 'video')} to validate or test with, the files also "
            f"train, first {shared[0]}: their accuracy is too optimistic."
        )
    if "flow" in modalities:
        computing = partial(listener.progress, "Computing flow")
        cache = build_flow(
            dataset,
            cache,
            method=flow_method,
            in_use=flow_in_use,
            limit_bytes=cache_bytes,
            on_progress=computing,
            on_remark=listener.remark,
        )
        listener.say(f"Optical flow: {cache.flow_method}.")
    return cache


def _shared(cache: ClipCache) -> list[str]:
    """Return the videos to measure on whose file, by its content, is trained on as well."""
    files = [file_of(content) for content in cache.contents]
    trained = {files[video] for video in cache.videos("train")}
    measured = (video for split in JUDGED for video in cache.videos(split))
    return [cache.paths[video] for video in measured if files[video] in trained]
