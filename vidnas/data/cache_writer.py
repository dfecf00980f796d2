"""Write a clip cache: every video decoded once into one file, then its optical flow.

Kept apart from reading the cache, because worker processes import this and need no torch.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.core.quantities import format_bytes
from vidnas.data.datasets import Dataset, Video
from vidnas.data.flow import FlowMethod, estimator, read_flow, resize_flow
from vidnas.data.headers import decoded_bytes
from vidnas.data.reading import Frames, VideoError
from vidnas.data.splits import SPLITS
from vidnas.data.video_workers import in_workers

VERSION = 3
INDEX, PIXELS = "index.json", "frames.rgb"
FLOW_INDEX = "flow.json"
"""Describes the flow in use; one that was in use before stays beside it."""
_LOCK = "frames.lock"
_STATISTICS_FRAMES = 8
OnProgress = Callable[[int, int], None] | None


@dataclass(frozen=True)
class _Moments:
    """Mean and mean square of each channel of a video, in [0, 1]."""

    mean: tuple[float, ...]
    mean_square: tuple[float, ...]


@dataclass(frozen=True)
class _Decoded:
    """What a worker reports of the frames that it has appended to the file."""

    offset: int
    shape: tuple[int, ...]
    moments: _Moments


def flow_offset(frames_offset: int) -> int:
    """Return where a video's flow lies: two bytes per pixel, laid out as the frames' three."""
    return frames_offset // 3 * 2


def flow_pixels(folder: Path, method: FlowMethod) -> Path:
    """Return the file that holds the flow of all videos."""
    return folder / f"flow-{method}.uv"


def write_frames(
    dataset: Dataset, identity: str, size_px: int, folder: Path, on_progress: OnProgress
) -> None:
    """Decode all videos into the empty `folder`, the index last; see `build_cache`."""
    _check_room(folder, decoded_bytes(dataset, size_px), "the decoded clips need about")
    decoded: dict[int, _Decoded] = {}
    skipped: dict[int, str] = {}
    work = partial(_append, size_px=size_px, folder=folder)
    for index, outcome in in_workers(work, dataset.videos, on_progress=on_progress):
        if isinstance(outcome, VideoError):
            skipped[index] = outcome.reason
        else:
            decoded[index] = outcome
    _check_enough_left(dataset, decoded, skipped)

    # Clips to test on have statistics as well, which nothing is normalised by.
    normalising = [i for i in decoded if dataset.videos[i].split == "train"] or decoded
    training = [decoded[i].moments for i in normalising]
    contents = dataset.contents()
    index_file = {
        "version": VERSION,
        "fingerprint": identity,
        "size_px": size_px,
        "classes": dataset.classes,
        "multi_label": dataset.multi_label,
        "videos": [
            {
                "number": i,
                "path": dataset.relative(dataset.videos[i].path),
                "content": contents[i],
                "labels": dataset.videos[i].labels,
                "split": dataset.videos[i].split,
                "offset": decoded[i].offset,
                "shape": decoded[i].shape,
            }
            for i in sorted(decoded)
        ],
        "skipped": [
            (dataset.relative(dataset.videos[i].path), skipped[i]) for i in sorted(skipped)
        ],
        **_statistics(training),
    }
    (folder / _LOCK).unlink(missing_ok=True)
    (folder / INDEX).write_text(json.dumps(index_file), encoding="utf-8")


def _check_room(folder: Path, needed_bytes: float, what: str) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise UserError(
            f"{folder.parent}: {what} {format_bytes(needed_bytes)}, but {format_bytes(free_bytes)} "
            "are free; free some space, or name another folder in the variable VIDNAS_CACHE."
        )


def _append(video: Video, size_px: int, folder: Path) -> _Decoded:
    """Decode a video and append its frames to the file; runs in a worker."""
    frames = video.decode(size_px)
    with FileLock(folder / _LOCK, poll_interval=0.001), (folder / PIXELS).open("ab") as file:
        offset = file.seek(0, os.SEEK_END)
        file.write(np.ascontiguousarray(frames).data)
    return _Decoded(offset, frames.shape, _moments(frames))


def _moments(frames: Frames) -> _Moments:
    step = max(1, len(frames) // _STATISTICS_FRAMES)
    sample = frames[::step].reshape(-1, frames.shape[-1]).astype(np.float32) / 255
    return _Moments(tuple(sample.mean(axis=0).tolist()), tuple((sample**2).mean(axis=0).tolist()))


def _statistics(training: Sequence[_Moments]) -> dict[str, list[float]]:
    """Mean and standard deviation of each channel, every training video weighed equally."""
    mean = np.mean([video.mean for video in training], axis=0)
    variance = np.mean([video.mean_square for video in training], axis=0) - mean**2
    return {"mean": mean.tolist(), "std": np.sqrt(np.maximum(variance, 1e-6)).tolist()}


def _check_enough_left(
    dataset: Dataset, decoded: dict[int, _Decoded], skipped: dict[int, str]
) -> None:
    """Raise `UserError` if skipping has emptied a split, or left a class nothing to train on."""
    wanted = {video.split for video in dataset.videos}
    left = {(dataset.videos[i].split, label) for i in decoded for label in dataset.videos[i].labels}
    lacks = [
        f"no readable clip in its {split} split"
        for split in SPLITS
        if split in wanted and not any(present == split for present, _ in left)
    ] + [
        f"no readable clip of class '{name}' to train on"
        for label, name in enumerate(dataset.classes)
        if "train" in wanted and ("train", label) not in left
    ]
    if lacks:
        first = min(skipped)
        raise UserError(
            f"{dataset.source}: there is {lacks[0]}; {len(skipped)} of {len(dataset.videos)} "
            f"videos cannot be used, the first is {dataset.videos[first].path} "
            f"({skipped[first]}). Run `vidnas data check` and replace them."
        )


def write_flow(dataset: Dataset, folder: Path, method: FlowMethod, on_progress: OnProgress) -> None:
    """Put the flow of all videos into the cache in `folder`, and in use; see `build_flow`."""
    index = folder / f"flow-{method}.json"
    if not index.is_file():
        statistics = _compute_flow(dataset, folder, method, on_progress)
        with replacing(index) as temporary:
            temporary.write_text(json.dumps({"method": method, **statistics}), encoding="utf-8")
    with replacing(folder / FLOW_INDEX) as temporary:
        shutil.copyfile(index, temporary)


def _compute_flow(
    dataset: Dataset, folder: Path, method: FlowMethod, on_progress: OnProgress
) -> dict[str, list[float]]:
    """Write the flow of all videos of the cache and return its statistics."""
    estimator(method)  # what is missing is better said before the workers start
    kept = json.loads((folder / INDEX).read_text(encoding="utf-8"))["videos"]
    size = flow_offset((folder / PIXELS).stat().st_size)
    _check_room(folder, size, "the flow needs")
    videos = [dataset.videos[video["number"]] for video in kept]
    offsets = [flow_offset(video["offset"]) for video in kept]
    shapes = [video["shape"] for video in kept]
    unfinished = folder / f"flow-{method}.partial"  # overwrites that of a builder that was killed
    try:
        with unfinished.open("wb") as file:
            file.truncate(size)
        work = partial(_write_flow, path=unfinished, method=method)
        moments: dict[int, _Moments] = {}
        # No time limit: decoding these videos has ended before, and TV-L1 takes a second per frame.
        for index, outcome in in_workers(
            work, videos, offsets, shapes, on_progress=on_progress, timeout_s=None
        ):
            if isinstance(outcome, VideoError):
                raise outcome
            moments[index] = outcome
        unfinished.replace(flow_pixels(folder, method))
    finally:
        unfinished.unlink(missing_ok=True)
    training = [moments[i] for i in moments if videos[i].split == "train"]
    return _statistics(training or list(moments.values()))


def _write_flow(
    video: Video, offset: int, shape: Sequence[int], path: Path, method: FlowMethod
) -> _Moments:
    """Compute the flow of a video with frames `(T, H, W, C)` and write it; runs in a worker."""
    flow = read_flow(video.path, method, start_s=video.start_s, end_s=video.end_s)
    count, height, width = shape[:3]
    if len(flow) != count:
        raise VideoError(video.path, f"has {len(flow)} frames, but had {count} when it was cached")
    flow = resize_flow(flow, height, width)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(np.ascontiguousarray(flow).data)
    return _moments(flow)
