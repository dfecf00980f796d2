"""Labelled clips for a command: read, decoded once with progress, remarks printed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vidnas.cli.console import counting, messages
from vidnas.core import Modality
from vidnas.data.cache import ClipCache, build_cache, build_flow
from vidnas.data.datasets import load_dataset
from vidnas.data.flow import FlowMethod
from vidnas.data.headers import native_size_px

_SHOWN = 5
_LARGEST_PX = 128


def open_clips(
    source: Path,
    *,
    size_px: int | None,
    seed: int,
    modalities: Iterable[Modality] = ("rgb",),
    flow_method: FlowMethod | None = None,
) -> ClipCache:
    """Open the cache of a data set, building it where that was not done before.

    Args:
        source: folder of class folders, or CSV.
        size_px: short side of the frames; None for that of the videos, and 128 at most.
        seed: of splits that are not given.
        modalities: what the networks take; optical flow is computed where it is missing.
        flow_method: how flow is estimated; None for what the cache has, or else DIS.

    Raises:
        UserError: the data set cannot be used, its cache cannot be written, or flow is asked for
            and OpenCV is not installed.
    """
    dataset = load_dataset(source, seed=seed)
    for remark in dataset.remarks:
        messages.print(f"[yellow]Note:[/] {remark}")
    if size_px is None:
        size_px = min(_LARGEST_PX, native_size_px(dataset) or _LARGEST_PX)
    with counting("Decoding") as progress:
        cache = build_cache(dataset, size_px=size_px, on_progress=progress)
    for path, reason in cache.skipped[:_SHOWN]:
        messages.print(f"[yellow]Skipped:[/] {path}: {reason}")
    if len(cache.skipped) > _SHOWN:
        messages.print(
            f"[yellow]Skipped:[/] {len(cache.skipped) - _SHOWN} more; `vidnas data check {source}` "
            "names them all."
        )
    sizes = ", ".join(f"{len(cache.videos(split))} {split}" for split in ("train", "val", "test"))
    messages.print(f"{len(cache)} videos of {len(cache.classes)} classes: {sizes}.")
    if "flow" in modalities:
        with counting("Computing flow") as progress:
            cache = build_flow(dataset, cache, method=flow_method, on_progress=progress)
        messages.print(f"Optical flow: {cache.flow_method}.")
    return cache
