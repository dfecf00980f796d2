"""Writing a clip cache: the videos' identity, the room they need, one decoding of each, their flow.

Kept apart from the cache itself, because worker processes import this and need no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import av
import numpy as np
from filelock import FileLock

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.data.datasets import Dataset, Video
from vidnas.data.decoding import decode, in_workers
from vidnas.data.flow import FlowMethod, estimator, read_flow, resize_flow
from vidnas.data.reading import Frames, VideoError
from vidnas.data.splits import SPLITS

VERSION = 2
INDEX, PIXELS = "index.json", "frames.rgb"
FLOW_INDEX = "flow.json"
"""Of the flow in use; one that was in use before stays beside it."""
_LOCK = "frames.lock"
_HASHED_BYTES = 64 * 1024
_PROBED_VIDEOS = 64
_STATISTICS_FRAMES = 8


@dataclass(frozen=True)
class _Moments:
    """Of each channel of a video, in [0, 1]."""

    mean: tuple[float, ...]
    mean_square: tuple[float, ...]


@dataclass(frozen=True)
class _Decoded:
    """What a worker tells about the frames that it has appended to the file."""

    offset: int
    shape: tuple[int, ...]
    moments: _Moments


@dataclass(frozen=True)
class _Place:
    """Where the flow of a video goes, and how large it is there."""

    offset: int
    shape: tuple[int, int, int]
    """`(T, H, W)` of its frames."""


def flow_offset(frames_offset: int) -> int:
    """Where a video's flow lies: two bytes a pixel, laid out as the frames with their three."""
    return frames_offset // 3 * 2


def flow_pixels(folder: Path, method: FlowMethod) -> Path:
    """The file that holds the flow of all videos."""
    return folder / f"flow-{method}.uv"


def fingerprint(dataset: Dataset) -> str:
    """Hash of the videos' content, labels and splits; the same wherever the folder lies."""
    digest = hashlib.sha256(repr(dataset.classes).encode())
    for video in dataset.videos:
        record = (
            _relative(video.path, dataset),
            _content_hash(video.path),
            (video.label, video.split, video.group, video.start_s, video.end_s),
        )
        digest.update(repr(record).encode())
    return digest.hexdigest()[:16]


def _relative(path: Path, dataset: Dataset) -> str:
    inside = path.is_relative_to(dataset.folder)
    return path.relative_to(dataset.folder).as_posix() if inside else path.name


def _content_hash(path: Path) -> str:
    """Hash of the size and both ends: containers keep their tables there."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_HASHED_BYTES))
        file.seek(max(0, size - _HASHED_BYTES))
        digest.update(file.read(_HASHED_BYTES))
    return digest.hexdigest()


def check_disk(dataset: Dataset, size_px: int, root: Path) -> None:
    """Refuse, before anything is written, when the decoded clips cannot fit on the disk."""
    probed = [_frame_bytes(video, size_px) for video in _sample(dataset)]
    needed = sum(probed) / len(probed) * len(dataset.videos)
    _check_room(root, needed, "the decoded clips need about")


def _check_room(root: Path, needed: float, what: str) -> None:
    free = shutil.disk_usage(root).free
    if needed > free:
        raise UserError(
            f"{root}: {what} {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free; free some "
            "space, or name another folder in the variable VIDNAS_CACHE."
        )


def native_size_px(dataset: Dataset) -> int | None:
    """Typical short side of the videos by their headers; None if none can be read."""
    sides = [side for video in _sample(dataset) if (side := _short_side(video))]
    return int(np.median(sides)) if sides else None


def _sample(dataset: Dataset) -> tuple[Video, ...]:
    """Some videos from all over the data set."""
    return dataset.videos[:: max(1, len(dataset.videos) // _PROBED_VIDEOS)]


def _short_side(video: Video) -> int:
    try:
        with av.open(str(video.path)) as container:
            stream = container.streams.video[0]
            return int(min(stream.width, stream.height))
    except (av.FFmpegError, OSError, LookupError):
        return 0


def _frame_bytes(video: Video, size_px: int) -> float:
    """Size of the decoded video by its header; nothing when there is no readable one."""
    try:
        with av.open(str(video.path)) as container:
            stream = container.streams.video[0]
            duration_s = float(container.duration or 0) / av.time_base
            end_s = duration_s if video.end_s is None else video.end_s
            short, long = sorted((stream.width, stream.height))
            frames = (end_s - (video.start_s or 0)) * float(stream.average_rate or 0)
            return float(3 * size_px**2 * long / short * frames)
    except (av.FFmpegError, OSError, LookupError, ZeroDivisionError):
        return 0.0


def write(
    dataset: Dataset,
    identity: str,
    size_px: int,
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Decode all videos into `folder`, the index last; see `build_cache`."""
    decoded: dict[int, _Decoded] = {}
    skipped: dict[int, str] = {}
    outcomes = in_workers(partial(_append, folder=folder), dataset.videos, repeat(size_px))
    for done, (index, outcome) in enumerate(outcomes, start=1):
        if isinstance(outcome, VideoError):
            skipped[index] = outcome.reason
        else:
            decoded[index] = outcome
        if on_progress:
            on_progress(done, len(dataset.videos))
    _check_enough_left(dataset, decoded, skipped)

    training = [d.moments for i, d in decoded.items() if dataset.videos[i].split == "train"]
    index_file: dict[str, Any] = {
        "version": VERSION,
        "fingerprint": identity,
        "size_px": size_px,
        "classes": dataset.classes,
        "videos": [
            {
                "number": i,
                "path": _relative(dataset.videos[i].path, dataset),
                "label": dataset.videos[i].label,
                "split": dataset.videos[i].split,
                "offset": decoded[i].offset,
                "shape": decoded[i].shape,
            }
            for i in sorted(decoded)
        ],
        "skipped": [
            (_relative(dataset.videos[i].path, dataset), skipped[i]) for i in sorted(skipped)
        ],
        **_statistics(training),
    }
    (folder / _LOCK).unlink(missing_ok=True)
    (folder / INDEX).write_text(json.dumps(index_file), encoding="utf-8")


def _append(video: Video, size_px: int, folder: Path) -> _Decoded:
    """Decode a video and append its frames to the file; runs in a worker."""
    frames, _ = decode(video, size_px)
    with FileLock(folder / _LOCK, poll_interval=0.001), (folder / PIXELS).open("ab") as file:
        offset = file.seek(0, os.SEEK_END)
        file.write(np.ascontiguousarray(frames).data)
    return _Decoded(offset, frames.shape, _moments(frames))


def _moments(frames: Frames) -> _Moments:
    step = max(1, len(frames) // _STATISTICS_FRAMES)
    sample = frames[::step].reshape(-1, frames.shape[-1]).astype(np.float32) / 255
    return _Moments(tuple(sample.mean(axis=0).tolist()), tuple((sample**2).mean(axis=0).tolist()))


def _statistics(training: Sequence[_Moments]) -> dict[str, list[float]]:
    """Mean and standard deviation of each channel over the training videos, weighed equally."""
    mean = np.mean([video.mean for video in training], axis=0)
    variance = np.mean([video.mean_square for video in training], axis=0) - mean**2
    return {"mean": mean.tolist(), "std": np.sqrt(np.maximum(variance, 1e-6)).tolist()}


def write_flow(
    dataset: Dataset,
    folder: Path,
    method: FlowMethod,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Put the flow of all videos into the cache in `folder`, and in use; see `build_flow`."""
    index = folder / f"flow-{method}.json"
    if not index.is_file():
        statistics = _compute_flow(dataset, folder, method, on_progress)
        with replacing(index) as temporary:
            temporary.write_text(json.dumps({"method": method, **statistics}), encoding="utf-8")
    with replacing(folder / FLOW_INDEX) as temporary:
        shutil.copyfile(index, temporary)


def _compute_flow(
    dataset: Dataset,
    folder: Path,
    method: FlowMethod,
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, list[float]]:
    """Write the flow of all videos of the cache and return its statistics."""
    estimator(method)  # its complaint is better heard before the workers start
    kept = json.loads((folder / INDEX).read_text(encoding="utf-8"))["videos"]
    size = flow_offset((folder / PIXELS).stat().st_size)
    _check_room(folder, size, "the flow needs")
    places = [_Place(flow_offset(video["offset"]), tuple(video["shape"][:3])) for video in kept]
    videos = [dataset.videos[video["number"]] for video in kept]
    unfinished = folder / f"flow-{method}.partial"  # overwrites that of a builder that was killed
    try:
        with unfinished.open("wb") as file:
            file.truncate(size)
        work = partial(_place_flow, path=unfinished, method=method)
        training: list[_Moments] = []
        # No limit of time: decoding them has ended before, and TV-L1 takes a second a frame.
        outcomes = in_workers(work, videos, places, timeout_s=None)
        for done, (index, outcome) in enumerate(outcomes, start=1):
            if isinstance(outcome, VideoError):
                raise outcome
            if videos[index].split == "train":
                training.append(outcome)
            if on_progress:
                on_progress(done, len(videos))
        unfinished.replace(flow_pixels(folder, method))
    finally:
        unfinished.unlink(missing_ok=True)
    return _statistics(training)


def _place_flow(video: Video, place: _Place, path: Path, method: FlowMethod) -> _Moments:
    """Compute a video's flow and write it to its place in the file; runs in a worker."""
    flow = read_flow(video.path, method, start_s=video.start_s, end_s=video.end_s)
    count, height, width = place.shape
    if len(flow) != count:
        raise VideoError(video.path, f"has {len(flow)} frames, but had {count} when it was cached")
    flow = resize_flow(flow, height, width)
    with path.open("r+b") as file:
        file.seek(place.offset)
        file.write(np.ascontiguousarray(flow).data)
    return _moments(flow)


def _check_enough_left(
    dataset: Dataset, decoded: dict[int, _Decoded], skipped: dict[int, str]
) -> None:
    """Refuse when skipping has emptied a split, or left a class nothing to train on."""
    left = [dataset.videos[i] for i in decoded]
    for split in SPLITS:
        if not any(video.split == split for video in left):
            raise UserError(_too_little(dataset, skipped, f"no readable clip in its {split} split"))
    for label, name in enumerate(dataset.classes):
        if not any(video.split == "train" and video.label == label for video in left):
            raise UserError(
                _too_little(dataset, skipped, f"no readable clip of class '{name}' to train on")
            )


def _too_little(dataset: Dataset, skipped: dict[int, str], what: str) -> str:
    first = min(skipped)
    return (
        f"{dataset.source}: there is {what}; {len(skipped)} of {len(dataset.videos)} videos cannot "
        f"be used, the first is {dataset.videos[first].path} ({skipped[first]}). "
        "Run `vidnas data check` and replace them."
    )
