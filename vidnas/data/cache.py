"""The clip cache: every video decoded once, into one memory-mapped file that all workers share."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from vidnas.core import Modality, UserError
from vidnas.core.text import cause_of
from vidnas.core.value import Value
from vidnas.core.workers import require_main_guard
from vidnas.data.cache_writer import (
    FLOW_INDEX,
    INDEX,
    PIXELS,
    VERSION,
    OnProgress,
    flow_offset,
    flow_pixels,
    write_flow,
    write_frames,
)
from vidnas.data.datasets import Dataset
from vidnas.data.flow import DEFAULT_METHOD, FlowMethod
from vidnas.data.reading import Frames, reject_objects
from vidnas.data.splits import Split


class ClipSettings(Value):
    """What clips depend on besides the videos that they are cut from."""

    size_px: int
    """Short side of the frames in the cache."""
    flow_method: FlowMethod | None = None
    """How the optical flow was computed; None for clips without any."""


class ClipCache:
    """A finished cache: the frames of all videos, memory-mapped; it is pickled as its path.

    It may hold their optical flow too: as many frames, each the motion until the next one.
    """

    def __init__(self, directory: Path | str) -> None:
        """Open the cache in `directory`.

        Raises:
            UserError: there is no cache, or one of another version.
        """
        directory = Path(directory)
        try:
            index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{directory}: there is no clip cache; build it from the videos again."
            ) from error
        if index.get("version") != VERSION:
            raise UserError(
                f"{directory}: the clip cache has version {index.get('version')}, but this program "
                f"reads version {VERSION}; build it from the videos again."
            )
        self.directory = directory
        self.fingerprint: str = index["fingerprint"]
        """Identifies the videos' content, labels and splits, wherever they lie."""
        self.classes: tuple[str, ...] = tuple(index["classes"])
        self.size_px: int = index["size_px"]
        self.skipped: tuple[tuple[str, str], ...] = tuple(map(tuple, index["skipped"]))
        """Path and reason of each video that could not be used."""
        videos = index["videos"]
        self.paths: tuple[str, ...] = tuple(video["path"] for video in videos)
        self.contents: tuple[str, ...] = tuple(video["content"] for video in videos)
        """What identifies each video, wherever its file lies; see `Dataset.contents`."""
        self.multi_label: bool = index["multi_label"]
        """Whether a video may show any number of classes, instead of exactly one."""
        self.targets = _targets([v["labels"] for v in videos], len(self.classes), self.multi_label)
        """The class of each video, `(N,)`; if a video may show several, which: `(N, num_classes)`,
        0 or 1."""
        self._splits = np.array([video["split"] for video in videos])
        self._offsets: list[int] = [video["offset"] for video in videos]
        self._shapes: list[tuple[int, ...]] = [tuple(video["shape"]) for video in videos]
        self._statistics = {"rgb": (index["mean"], index["std"])}
        self._pixels = _map(directory / PIXELS)
        self.flow_method: FlowMethod | None = None
        """How the flow in use was computed; None if there is none."""
        if (directory / FLOW_INDEX).is_file():
            flow = json.loads((directory / FLOW_INDEX).read_text(encoding="utf-8"))
            self.flow_method = method = flow["method"]
            self._statistics["flow"] = flow["mean"], flow["std"]
            self._flow = _map(flow_pixels(directory, method))

    def __reduce__(self) -> tuple[type[ClipCache], tuple[Path]]:
        return ClipCache, (self.directory,)

    def __len__(self) -> int:
        return len(self.paths)

    def videos(self, split: Split) -> NDArray[np.int64]:
        """Return the indices of the videos of a split."""
        return np.flatnonzero(self._splits == split)

    def frames(self, video: int, modality: Modality = "rgb") -> Frames:
        """Return the frames of a video, `(T, H, W, C)`: a read-only view of the file.

        Raises:
            UserError: the cache has no clips of this modality.
        """
        self._require(modality)
        pixels, shape, offset = self._pixels, self._shapes[video], self._offsets[video]
        if modality == "flow":
            pixels, shape, offset = self._flow, (*shape[:3], 2), flow_offset(offset)
        return pixels[offset : offset + int(np.prod(shape))].reshape(shape)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that make it up, without a flow that was in use before."""
        files = [self.directory / INDEX, self.directory / PIXELS]
        if self.flow_method is not None:
            files += [self.directory / FLOW_INDEX, flow_pixels(self.directory, self.flow_method)]
        return tuple(files)

    @property
    def typical_frames(self) -> int:
        """Median number of frames per video."""
        return int(np.median([shape[0] for shape in self._shapes]))

    @property
    def longest_frames(self) -> int:
        """Number of frames that nine of ten videos do not exceed."""
        return int(np.quantile([shape[0] for shape in self._shapes], 0.9))

    def statistics(self, modality: Modality = "rgb") -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation per channel of the training split, `(C,)`, in [0, 1].

        Raises:
            UserError: the cache has no clips of this modality.
        """
        self._require(modality)
        mean, std = self._statistics[modality]
        return torch.tensor(mean), torch.tensor(std)

    def settings(self, modalities: Iterable[Modality]) -> ClipSettings:
        """Return what clips of these modalities depend on besides the videos."""
        method = self.flow_method if "flow" in modalities else None
        return ClipSettings(size_px=self.size_px, flow_method=method)

    def _require(self, modality: Modality) -> None:
        reject_objects([modality])
        if modality == "flow" and self.flow_method is None:
            raise UserError(
                f"{self.directory}: this clip cache has no optical flow; compute it with "
                "`vidnas data flow CLIPS`."
            )


def _targets(
    labels: Sequence[Sequence[int]], classes: int, multi_label: bool
) -> NDArray[np.int64] | NDArray[np.float32]:
    if not multi_label:
        return np.array([label for (label,) in labels], dtype=np.int64)
    shown = np.zeros((len(labels), classes), dtype=np.float32)
    for row, own in zip(shown, labels, strict=True):
        row[list(own)] = 1
    return shown


def _map(path: Path) -> NDArray[np.uint8]:
    # A plain view: slicing np.memmap itself costs microseconds for its Python class.
    return np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))


def default_directory() -> Path:
    """Return where caches lie by default: $VIDNAS_CACHE, or the user's cache folder.

    Raises:
        UserError: the user has no home folder.
    """
    if "VIDNAS_CACHE" in os.environ:
        return Path(os.environ["VIDNAS_CACHE"])
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vidnas"
    except RuntimeError as error:
        raise UserError(
            "There is no home folder to keep decoded clips in; name a folder for them in the "
            "variable VIDNAS_CACHE."
        ) from error


def _make_root(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{root}, the folder for decoded clips, cannot be made ({cause_of(error)}); name "
            "another one in the variable VIDNAS_CACHE."
        ) from error


def build_cache(
    dataset: Dataset,
    *,
    size_px: int,
    directory: Path | str | None = None,
    on_progress: OnProgress = None,
) -> ClipCache:
    """Decode every video once, in worker processes; a finished cache of the same data is reused.

    Videos that cannot be decoded are skipped and listed in the cache. Scripts must call this under
    `if __name__ == "__main__"`, because the workers import the main module.

    Args:
        dataset: labelled videos.
        size_px: short side of the frames kept.
        directory: folder that holds caches, each in its own sub-folder; None for the default.
        on_progress: called with the numbers of videos finished and in all.

    Raises:
        UserError: too little disk space, or too few readable videos.
    """
    root = Path(directory) if directory else default_directory()
    _make_root(root)
    identity = dataset.fingerprint()
    target = root / f"{dataset.source.resolve().stem}-{identity}-{size_px}px-v{VERSION}"
    if not (target / INDEX).is_file():
        require_main_guard()  # before the lock, which the process that started this one holds
    with FileLock(f"{target}.lock"):  # a second builder waits, and then finds it finished
        if not (target / INDEX).is_file():
            partial_folder = target.with_name(target.name + ".partial")
            shutil.rmtree(partial_folder, ignore_errors=True)  # left by a builder that was killed
            partial_folder.mkdir()
            try:
                write_frames(dataset, identity, size_px, partial_folder, on_progress)
                partial_folder.replace(target)
            finally:
                shutil.rmtree(partial_folder, ignore_errors=True)
    return ClipCache(target)


def build_flow(
    dataset: Dataset,
    cache: ClipCache,
    *,
    method: FlowMethod | None = None,
    on_progress: OnProgress = None,
) -> ClipCache:
    """Compute the optical flow of every video once, into its cache, and open the cache anew.

    If the flow of a method was computed before, it is used again. Scripts must call this
    under `if __name__ == "__main__"`, because the workers import the main module.

    Args:
        dataset: labelled videos.
        cache: what `build_cache` made of them.
        method: how it is estimated; None for the method in use, or DIS.
        on_progress: called with the numbers of videos finished and in all.

    Raises:
        UserError: OpenCV, or the method in it, is not installed; or too little disk space.
        VideoError: a video was changed meanwhile, or crashed its worker.
    """
    method = method or cache.flow_method or DEFAULT_METHOD
    if method == cache.flow_method:
        return cache
    require_main_guard()
    with FileLock(f"{cache.directory}.lock"):
        write_flow(dataset, cache.directory, method, on_progress)
    return ClipCache(cache.directory)
