"""Write a clip cache: every video decoded once, then its optical flow.

Building, going on after a kill and repairing are one thing: whatever is known and whole is kept,
the rest is made. Kept apart from reading the cache, because worker processes import this and need
no torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.core.text import counted
from vidnas.data.cache_folder import ABOUT, OnRemark, delete_files, make_room
from vidnas.data.cache_store import Kept, Store
from vidnas.data.contents import Stamp, stamp_or_none
from vidnas.data.datasets import Dataset, Files, Video
from vidnas.data.flow import FlowMethod, estimator, resize_flow, stream_flow
from vidnas.data.frame_table import Arrays, FrameTable, read_index
from vidnas.data.headers import decoded_bytes
from vidnas.data.leftover import Readable, lacks, lost_remark
from vidnas.data.reading import Frames, VideoError
from vidnas.data.splits import SPLITS
from vidnas.data.stored_frames import CacheDamaged, Record, append_frames, is_whole
from vidnas.data.video_workers import in_workers

VERSION = 4
INDEX = "rgb.npz"
FLOW_IN_USE = "flow.json"
"""Names the method of the flow in use: the one that is taken where none is named."""
OnProgress = Callable[[int, int], None] | None
_CHANGED = "was changed while it was decoded"


def flow_kind(method: FlowMethod) -> str:
    """Return what the files of a flow are named after."""
    return f"flow-{method}"


def flow_index(folder: Path, method: FlowMethod) -> Path:
    """Return the file that says where the flow of all videos lies."""
    return folder / f"{flow_kind(method)}.npz"


def flow_in_use(folder: Path) -> FlowMethod | None:
    """Return the method of the flow in use: where that is not known, of the only one there is."""
    there = [one for one in get_args(FlowMethod) if flow_index(folder, one).is_file()]
    try:
        text = (folder / FLOW_IN_USE).read_text(encoding="utf-8")
        used = [one for one in there if one == json.loads(text)["method"]]
    except (OSError, ValueError, LookupError, TypeError):
        used = there
    return used[0] if len(used) == 1 else None


def open_flow(
    folder: Path, method: FlowMethod, contents: Sequence[str]
) -> tuple[dict[str, Any], FrameTable]:
    """Return what is known of the flow of some videos, and the flow.

    Raises:
        CacheDamaged: it is missing, not what was written, or of other videos.
    """
    path = flow_index(folder, method)
    try:
        head, arrays = read_index(path)
    except FileNotFoundError as error:
        raise CacheDamaged(folder, f"{path.name} is missing") from error
    if head["contents"] != list(contents):
        raise CacheDamaged(folder, "its optical flow is of other videos")
    return head, FrameTable(folder, flow_kind(method), arrays)


def write_clips(
    dataset: Dataset,
    files: Files,
    size_px: int,
    folder: Path,
    *,
    rate_fps: float | None,
    limit_bytes: int | None,
    on_progress: OnProgress,
    on_remark: OnRemark,
) -> None:
    """Decode the videos that the folder does not hold, the index last; see `build_cache`."""
    videos, contents = dataset.videos, dataset.contents(files)
    store = Store(folder, "rgb", folder / INDEX, contents)
    if None in store.known:
        needed = max(decoded_bytes(dataset, size_px, rate_fps) - store.known_bytes, 0)
        what = "the decoded clips need about"
        make_room(folder, needed, what, limit_bytes=limit_bytes, on_remark=on_remark)
    _write_about(dataset, folder)
    store.tell_what_is_there(on_remark)

    work = partial(_keep_or_decode, size_px=size_px, rate_fps=rate_fps, folder=folder)
    stamps = [files[video.path].stamp for video in videos]
    skipped: dict[int, VideoError] = {}
    damaged: list[Video] = []
    readable = Readable(dataset)
    outcomes = in_workers(work, videos, stamps, store.known, on_progress=on_progress)
    with closing(outcomes):
        for index, outcome in outcomes:
            if not isinstance(outcome, VideoError):
                store.add(index, outcome)
                damaged += [videos[index]] if outcome.damaged else []
                continue
            skipped[index] = outcome
            if not outcome.transient and readable.runs_out(videos[index]):
                break  # whatever the other videos are like, and decoding them may take hours
    kept = [video for index, video in enumerate(videos) if index not in skipped]
    errors = [skipped[index] for index in sorted(skipped)]
    transient = [error for error in errors if error.transient]
    try:
        _require_enough(dataset, kept, errors, read=len(store.found) + len(skipped))
    except UserError:
        if not transient:  # or else the next command goes on from here
            delete_files(folder)
        raise
    store.tell_what_was_lost(on_remark)
    if damaged and on_remark:
        on_remark(
            f"Of {counted(len(damaged), 'video')}, some frames cannot be decoded and are left "
            f"out, first of {dataset.relative(damaged[0].path)}; `vidnas data check` names all."
        )
    if transient and on_remark:
        of = f"of {len(videos)} videos"
        on_remark(
            f"{counted(len(transient), f'{of} is', f'{of} are')} skipped for what may not "
            f"last, first {dataset.relative(transient[0].path)} ({transient[0].reason}); the "
            "next command tries them again."
        )
    if on_remark and (lost := lost_remark(dataset, kept)):
        on_remark(lost)
    head = {
        "version": VERSION,
        "fingerprint": dataset.fingerprint(files),
        "size_px": size_px,
        "rate_fps": rate_fps,
        "classes": dataset.classes,
        "multi_label": dataset.multi_label,
        "numbers": sorted(store.found),
        "paths": [dataset.relative(video.path) for video in kept],
        "skipped": [(dataset.relative(error.path), error.reason) for error in errors],
        "complete": not transient,
    }
    labels = [(row, label) for row, video in enumerate(kept) for label in video.labels]
    arrays: Arrays = {
        "labels": np.array(labels, np.int64).reshape(-1, 2),  # also where there are none
        "splits": np.array([SPLITS.index(video.split) for video in kept], np.int8),
    }
    store.finish(head, arrays, [row for row, video in enumerate(kept) if video.split == "train"])


def write_flow(
    dataset: Dataset,
    folder: Path,
    method: FlowMethod,
    *,
    in_use: bool,
    limit_bytes: int | None,
    on_progress: OnProgress,
    on_remark: OnRemark,
) -> None:
    """Put the flow of all videos into the cache in `folder`; see `build_flow`."""
    before = flow_in_use(folder)
    head, arrays = read_index(folder / INDEX)
    if not _has_flow(folder, method, head["contents"]):
        estimator(method)  # what is missing is better said before the workers start
        files = dataset.files(folder.parent)
        videos = _unchanged(dataset, files, head)
        store = Store(folder, flow_kind(method), flow_index(folder, method), head["contents"])
        shapes = arrays["shape"].tolist()
        if None in store.known:
            needed = sum(2 * int(np.prod(shape[:3])) for shape in shapes) - store.known_bytes
            what = "the flow needs"
            make_room(folder, needed, what, limit_bytes=limit_bytes, on_remark=on_remark)
        store.tell_what_is_there(on_remark)
        work = partial(_keep_or_estimate, method=method, rate_fps=head["rate_fps"], folder=folder)
        stamps = [files[video.path].stamp for video in videos]
        # Without bounds: decoding these videos has ended before, and TV-L1 takes seconds.
        for index, outcome in in_workers(
            work, videos, stamps, store.known, shapes, on_progress=on_progress, bounded=False
        ):
            if isinstance(outcome, VideoError):
                raise outcome
            store.add(index, outcome)
        store.tell_what_was_lost(on_remark)
        training = [row for row, video in enumerate(videos) if video.split == "train"]
        store.finish({"method": method}, {}, training)
    used = method if in_use or before is None else before
    with replacing(folder / FLOW_IN_USE) as temporary:
        temporary.write_text(json.dumps({"method": used}), encoding="utf-8")


def _has_flow(folder: Path, method: FlowMethod, contents: Sequence[str]) -> bool:
    try:
        open_flow(folder, method, contents)[1].require_whole()
    except CacheDamaged:
        return False
    return True


def _unchanged(dataset: Dataset, files: Files, head: Mapping[str, Any]) -> list[Video]:
    """Return the videos of a cache.

    Raises:
        VideoError: one has changed since.
    """
    videos = [dataset.videos[number] for number in head["numbers"]]
    contents = dataset.contents(files)
    for video, number, content in zip(videos, head["numbers"], head["contents"], strict=True):
        if contents[number] != content:
            raise VideoError(video.path, "has changed since its frames were cached")
    return videos


def _write_about(dataset: Dataset, folder: Path) -> None:
    """Say whose cache this is, also as long as it is not finished."""
    if not (folder / ABOUT).exists():
        with replacing(folder / ABOUT) as temporary:
            about = {"source": str(dataset.source.resolve())}
            temporary.write_text(json.dumps(about), encoding="utf-8")


def _keep_or_decode(
    video: Video,
    stamp: Stamp,
    known: Record | None,
    *,
    size_px: int,
    rate_fps: float | None,
    folder: Path,
) -> Kept:
    """Decode a video, unless its frames are there and whole; runs in a worker."""
    if known is not None and is_whole(folder, "rgb", known):
        return Kept(known, made=False)
    try:
        with video.stream(size_px, rate_fps) as stream:
            record = _append(video, stamp, stream, folder, "rgb")
            return Kept(record, made=True, damaged=stream.damaged > 0)
    except VideoError as error:
        if not stamp:  # it could not even be hashed; when it can be, this is another cache
            raise VideoError(video.path, error.reason) from error
        if stamp_or_none(video.path) != stamp:
            raise VideoError(video.path, _CHANGED, transient=True) from error
        raise


def _keep_or_estimate(
    video: Video,
    stamp: Stamp,
    known: Record | None,
    shape: Sequence[int],
    *,
    method: FlowMethod,
    rate_fps: float | None,
    folder: Path,
) -> Kept:
    """Compute the flow of a video with frames `(T, H, W, C)`, unless it is there and whole."""
    kind, (length, height, width) = flow_kind(method), shape[:3]
    if known is not None and is_whole(folder, kind, known):
        return Kept(known, made=False)

    def levels() -> Iterator[Frames]:
        flow = stream_flow(
            video.path,
            method,
            rate_fps=rate_fps,
            start_s=video.start_s,
            end_s=video.end_s,
            images_fps=video.images_fps,
        )
        count = 0
        for level in flow:
            count += 1
            yield resize_flow(level[None], height, width)[0]
        if count != length:
            raise VideoError(video.path, f"has {count} frames, but had {length} when it was cached")

    return Kept(_append(video, stamp, levels(), folder, kind), made=True)


def _append(
    video: Video, stamp: Stamp, frames: Iterable[Frames], folder: Path, kind: str
) -> Record:
    """Append what is read of a video, which must be what it was when it was hashed.

    Raises:
        VideoError: it cannot be read, or was changed; nothing is appended then.
        UserError: the cache cannot be written.
    """

    def checked() -> Iterator[Frames]:
        yield from frames
        if stamp_or_none(video.path) != stamp:
            raise VideoError(video.path, _CHANGED, transient=True)

    try:
        return append_frames(checked(), folder, kind)
    except ValueError as error:
        raise VideoError(video.path, f"cannot be used ({error})") from error
    except OSError as error:
        raise VideoError(video.path, f"cannot be read ({error.strerror})", True) from error


def _require_enough(
    dataset: Dataset, usable: Sequence[Video], skipped: Sequence[VideoError], *, read: int
) -> None:
    """Raise `UserError` if too little to train on is left of the videos that were read."""
    if missing := lacks(dataset, usable):
        first = min(skipped, key=lambda error: not error.transient)
        cure = "Run `vidnas data check` and replace them."
        if first.transient:
            cure = "Run the same command again, which decodes what can be read by then."
        raise UserError(
            f"{dataset.source}: there is {missing[0]}; {len(skipped)} of {read} videos that "
            f"were read cannot be used, such as {first.path} ({first.reason}). {cure}"
        )
