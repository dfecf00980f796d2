"""The clip cache: every video decoded once, into memory-mapped files that all workers share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from torch import Tensor

from vidnas.core import Modality, UserError, bounds
from vidnas.core.value import Value
from vidnas.core.workers import require_main_guard
from vidnas.data.cache_folder import (
    ABOUT,
    CacheEntry,
    OnRemark,
    building,
    default_directory,
    hold,
    plain_cache_errors,
)
from vidnas.data.cache_writer import (
    INDEX,
    VERSION,
    OnProgress,
    flow_in_use,
    flow_index,
    open_flow,
    write_clips,
    write_flow,
)
from vidnas.data.datasets import Dataset
from vidnas.data.flow import DEFAULT_METHOD, FlowMethod
from vidnas.data.frame_table import FrameTable, read_index
from vidnas.data.reading import Frames, reject_objects
from vidnas.data.splits import SPLITS, Split
from vidnas.data.stored_frames import CacheDamaged

_NAME_LENGTH = 40  # of up to four bytes; the rest of a folder's name needs room, too


class ClipSettings(Value):
    """What clips depend on besides the videos that they are cut from."""

    size_px: Annotated[int, Field(ge=1, le=bounds.SIZE_PX)]
    """Short side of the frames in the cache."""
    flow_method: FlowMethod | None = None
    """How the optical flow was computed; None for clips without any."""
    rate_fps: PositiveFloat | None = None
    """The frame rate at which videos are read; None for each one's own."""


class ClipCache:
    """A finished cache: the frames of all videos, memory-mapped; it is pickled as its path and the
    method of its flow.

    It may hold their optical flow too: as many frames, each the motion until the next one. As long
    as it is open, it is not removed to make room for another.
    """

    def __init__(self, directory: Path | str, flow_method: FlowMethod | None = None) -> None:
        """Open a cache.

        Args:
            directory: its folder.
            flow_method: which flow to open; None for the one in use, if there is any. Others may
                change what is in use at any time: whoever opens the clips of a study again names
                the method.

        Raises:
            UserError: there is no cache, or one of another version.
            CacheDamaged: it is not what was written.
        """
        self.directory = directory = Path(directory)
        hold(directory, self)
        try:
            head, arrays = read_index(directory / INDEX)
        except FileNotFoundError as error:
            raise UserError(
                f"{directory}: there is no clip cache; build it from the videos again."
            ) from error
        if head["version"] != VERSION:
            raise UserError(
                f"{directory}: the clip cache has version {head['version']}, but this program "
                f"reads version {VERSION}; build it from the videos again."
            )
        self.fingerprint: str = head["fingerprint"]
        """Identifies the videos' content, labels and splits, wherever they lie."""
        self.classes: tuple[str, ...] = tuple(head["classes"])
        self.size_px: int = head["size_px"]
        self.rate_fps: float | None = head["rate_fps"]
        """The frame rate at which the videos were read; None for each one's own."""
        self.skipped: tuple[tuple[str, str], ...] = tuple(map(tuple, head["skipped"]))
        """Path and reason of each video that could not be used."""
        self._is_complete: bool = head.get("complete", False)  # earlier programs did not say
        self.paths: tuple[str, ...] = tuple(head["paths"])
        self.contents: tuple[str, ...] = tuple(head["contents"])
        """What identifies each video, wherever its file lies; see `Dataset.contents`."""
        self.multi_label: bool = head["multi_label"]
        """Whether a video may show any number of classes, instead of exactly one."""
        self.targets = _targets(arrays["labels"], len(self), len(self.classes), self.multi_label)
        """The class of each video, `(N,)`; if a video may show several, which: `(N, num_classes)`,
        0 or 1."""
        self.flow_method: FlowMethod | None = flow_method or flow_in_use(directory)
        """How its flow was computed; None if there is none."""
        self._splits = arrays["splits"]
        self._tables = {"rgb": FrameTable(directory, "rgb", arrays)}
        self._statistics = {"rgb": (head["mean"], head["std"])}

    def __reduce__(self) -> tuple[type[ClipCache], tuple[Path, FlowMethod | None]]:
        return ClipCache, (self.directory, self.flow_method)

    def __len__(self) -> int:
        return len(self.paths)

    def videos(self, split: Split) -> NDArray[np.int64]:
        """Return the indices of the videos of a split."""
        return np.flatnonzero(self._splits == SPLITS.index(split))

    def frames(
        self, video: int, modality: Modality = "rgb", used: NDArray[np.int64] | None = None
    ) -> Frames:
        """Return the frames of a video, `(T, H, W, C)`: a read-only view of the file.

        Args:
            video: its index.
            modality: frames or flow.
            used: numbers of the frames that will be looked at; None for all. Only these are
                compared with their checksums, once per process.

        Raises:
            UserError: the cache has no clips of this modality.
            CacheDamaged: the frames are not what was written.
        """
        table = self._table(modality)
        table.check(video, used)
        return table.view(video)

    def shape(self, video: int, modality: Modality = "rgb") -> tuple[int, int, int, int]:
        """Return the shape of the frames of a video, `(T, H, W, C)`.

        Raises:
            UserError: the cache has no clips of this modality.
        """
        return self._table(modality).shape(video)

    def require_whole(self, modality: Modality = "rgb", on_progress: OnProgress = None) -> None:
        """Compare all frames with their checksums, unless no file has changed since that was done.

        Args:
            modality: frames or flow.
            on_progress: called with the numbers of videos compared and in all, if any must be.

        Raises:
            UserError: the cache has no clips of this modality.
            CacheDamaged: some are not what was written.
        """
        self._table(modality).require_whole(on_progress)

    @property
    def is_complete(self) -> bool:
        """Whether no video was left out that could be decoded now."""
        return self._is_complete

    def files(self, *, with_flow: bool) -> tuple[Path, ...]:
        """Return the files that make it up: all that frames take, and what its flow takes besides.

        Raises:
            UserError: it has no flow.
        """
        files = [self.directory / ABOUT, self.directory / INDEX]
        files += self._tables["rgb"].paths.values()
        if with_flow:
            files += self._table("flow").paths.values()
            assert self.flow_method is not None  # or there were no table
            files.append(flow_index(self.directory, self.flow_method))
        return tuple(files)

    @property
    def typical_frames(self) -> int:
        """Median number of frames per video."""
        return int(np.median(self._tables["rgb"].shapes[:, 0]))

    @property
    def longest_frames(self) -> int:
        """Number of frames that nine of ten videos do not exceed."""
        return int(np.quantile(self._tables["rgb"].shapes[:, 0], 0.9))

    def statistics(self, modality: Modality = "rgb") -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation per channel of the training split, `(C,)`, in [0, 1].

        Raises:
            UserError: the cache has no clips of this modality.
        """
        self._table(modality)
        mean, std = self._statistics[modality]
        return torch.tensor(mean), torch.tensor(std)

    def settings(self, modalities: Iterable[Modality]) -> ClipSettings:
        """Return what clips of these modalities depend on besides the videos."""
        method = self.flow_method if "flow" in modalities else None
        return ClipSettings(size_px=self.size_px, flow_method=method, rate_fps=self.rate_fps)

    def _table(self, modality: Modality) -> FrameTable:
        table = self._tables.get(modality)
        return self._open_flow(modality) if table is None else table

    def _open_flow(self, modality: Modality) -> FrameTable:
        reject_objects([modality])
        if self.flow_method is None:
            raise UserError(
                f"{self.directory}: this clip cache has no optical flow; compute it with "
                "`vidnas data flow CLIPS`."
            )
        head, table = open_flow(self.directory, self.flow_method, self.contents)
        self._statistics["flow"] = head["mean"], head["std"]
        self._tables["flow"] = table
        return table


def _targets(
    labels: NDArray[np.int64], videos: int, classes: int, multi_label: bool
) -> NDArray[np.int64] | NDArray[np.float32]:
    """Return the targets of pairs of a video and a class, `(P, 2)`."""
    labels = labels.reshape(-1, 2)  # earlier programs wrote none as `(0,)`
    if not multi_label:
        return labels[:, 1]
    shown = np.zeros((videos, classes), dtype=np.float32)
    shown[labels[:, 0], labels[:, 1]] = 1
    return shown


def build_cache(
    dataset: Dataset,
    *,
    size_px: int,
    rate_fps: float | None = None,
    directory: Path | str | None = None,
    limit_bytes: int | None = None,
    on_reading: OnProgress = None,
    on_progress: OnProgress = None,
    on_remark: OnRemark = None,
) -> ClipCache:
    """Decode every video once, in worker processes; a finished cache of the same data is reused.

    A cache that was not finished goes on, and one that is damaged is repaired: only what is missing
    or not what was written is decoded. Videos that cannot be decoded are skipped and listed in the
    cache. Scripts must call this under `if __name__ == "__main__"`, because the workers import the
    main module.

    Args:
        dataset: labelled videos.
        size_px: short side of the frames kept.
        rate_fps: the frame rate at which videos are read, see `stream_video`; None for each one's
            own.
        directory: folder that holds caches, each in its own sub-folder; None for the default.
        limit_bytes: what all caches there may take, see `make_room`.
        on_reading: called with the numbers of files hashed, or videos of a finished cache compared
            with their checksums, and in all, where any must be.
        on_progress: called with the numbers of videos finished and in all.
        on_remark: is told what was found unfinished or damaged, and what was removed to make room.

    Raises:
        UserError: too little disk space, too few readable videos, or a folder that cannot be
            written.
    """
    root = Path(directory) if directory else default_directory()
    with plain_cache_errors(root):
        files = dataset.files(root, on_reading)
        identity = dataset.fingerprint(files)
        name = dataset.source.resolve().stem[:_NAME_LENGTH]
        rate = "" if rate_fps is None else f"-{rate_fps:.3f}fps"
        target = root / f"{name}-{identity}-{size_px}px{rate}-v{VERSION}"
        cache = _open_whole(target, on_reading)
        if cache is None:
            require_main_guard()  # before the lock, which the process that started this one holds
            with building(target):  # a second builder waits, and then finds it finished
                cache = _open_whole(target, on_reading)
                if cache is None:
                    write_clips(
                        dataset,
                        files,
                        size_px,
                        target,
                        rate_fps=rate_fps,
                        limit_bytes=limit_bytes,
                        on_progress=on_progress,
                        on_remark=on_remark,
                    )
                    cache = ClipCache(target)
        with suppress(OSError):
            os.utime(target / ABOUT)  # when it was last used
    return cache


def _open_whole(folder: Path, on_reading: OnProgress) -> ClipCache | None:
    """Open a cache that is finished and whole, or return None."""
    try:
        cache = ClipCache(folder)
        cache.require_whole(on_progress=on_reading)
    except UserError:
        return None
    return cache if cache.is_complete else None


def state_of(entry: CacheEntry) -> str:
    """Return how a cache stands, in a word or two."""
    is_finished = (entry.directory / INDEX).is_file()
    if entry.in_use:
        return "in use" if is_finished else "being built"
    if not is_finished:
        return "unfinished" if f"-v{VERSION}" in entry.directory.name else "of another version"
    try:
        ClipCache(entry.directory)
    except UserError:
        return "damaged"
    return "ready"


def build_flow(
    dataset: Dataset,
    cache: ClipCache,
    *,
    method: FlowMethod | None = None,
    in_use: bool = True,
    limit_bytes: int | None = None,
    on_progress: OnProgress = None,
    on_remark: OnRemark = None,
) -> ClipCache:
    """Compute the optical flow of every video once, into its cache, and open the cache anew.

    If the flow of a method was computed before, it is used again; what is missing or damaged is
    computed. Scripts must call this under `if __name__ == "__main__"`, because the workers import
    the main module.

    Args:
        dataset: labelled videos.
        cache: what `build_cache` made of them.
        method: how it is estimated; None for the method of `cache`, or DIS.
        in_use: whether all who name no method take this one from now on; the first one of a cache
            is taken in any case.
        limit_bytes: what all caches may take, see `make_room`.
        on_progress: called with the numbers of videos finished and in all.
        on_remark: is told what was found unfinished or damaged, and what was removed to make room.

    Raises:
        UserError: OpenCV, or the method in it, is not installed; or too little disk space.
        VideoError: a video was changed meanwhile, or crashed its worker.
    """
    method = method or cache.flow_method or DEFAULT_METHOD
    if method == cache.flow_method:
        with suppress(CacheDamaged):
            cache.require_whole("flow")
            return cache
    require_main_guard()
    with plain_cache_errors(cache.directory.parent), building(cache.directory):
        write_flow(
            dataset,
            cache.directory,
            method,
            in_use=in_use,
            limit_bytes=limit_bytes,
            on_progress=on_progress,
            on_remark=on_remark,
        )
    return ClipCache(cache.directory, method)
