"""Videos in the memory of a GPU, where clips are cut, so that no pixel travels to it twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vidnas.core import ClipSpec, Modality
from vidnas.data.cache import ClipCache
from vidnas.data.sampling import Cut, View, cut_from_file, frame_numbers
from vidnas.data.splits import Split

_SHARE = 1 / 8  # of the free memory: other workers hold the same clips, and networks need the most


def cutter(cache: ClipCache, split: Split, specs: Sequence[ClipSpec], device: torch.device) -> Cut:
    """Return how to cut a split's clips for a network on that device.

    On a CUDA device with room for the split they are cut there; its frames are copied to it once
    per process. Otherwise they are cut on the CPU.
    """
    if device.type != "cuda":
        return cut_from_file
    modalities = {spec.modality for spec in specs}
    held = {modality: _held(cache, split, modality, device) for modality in modalities}
    fitting = {modality: clips for modality, clips in held.items() if clips is not None}
    return partial(cut_resident, fitting) if len(fitting) == len(held) else cut_from_file


def cut_resident(
    held: dict[Modality, ResidentClips],
    _: ClipCache,
    specs: Sequence[ClipSpec],
    videos: NDArray[np.int64],
    views: Sequence[View],
) -> list[Tensor]:
    """Cut clips where the frames of each modality lie."""
    return [held[spec.modality].cut(spec, videos, views) for spec in specs]


class ResidentClips:
    """The frames of a split in the memory of a device, as one tensor of pixels."""

    def __init__(
        self, cache: ClipCache, split: Split, modality: Modality, device: torch.device
    ) -> None:
        videos = cache.videos(split).tolist()
        shapes = [cache.shape(video, modality) for video in videos]
        sizes = [int(np.prod(shape[:3])) for shape in shapes]
        self.shapes = {video: shape[:3] for video, shape in zip(videos, shapes, strict=True)}
        self.places = dict(zip(videos, np.cumsum([0, *sizes]).tolist(), strict=False))
        """The first pixel of each video."""
        channels = shapes[0][3]
        self.pixels = torch.empty((sum(sizes), channels), dtype=torch.uint8, device=device)
        for video, size in zip(videos, sizes, strict=True):
            own = self.pixels[self.places[video] : self.places[video] + size]
            frames = cache.frames(video, modality).reshape(size, channels)
            own.copy_(torch.from_numpy(frames.copy()))

    def cut(self, spec: ClipSpec, videos: NDArray[np.int64], views: Sequence[View]) -> Tensor:
        """Cut one view out of each video, `(N, T, H, W, C)`, as `cut_from_file` does.

        If clips are resized, a pixel may differ by one grey level.
        """
        shape = (len(videos), spec.frames, spec.size_px, spec.size_px, spec.channels)
        clips = torch.empty(shape, dtype=torch.uint8, device=self.pixels.device)
        sides = np.array([view.side for view in views])
        for side in np.unique(sides).tolist():  # one round if all crops have the same size
            rows = np.flatnonzero(sides == side).tolist()
            chosen = [views[row] for row in rows]
            clip = self.pixels[self._index(spec, videos[rows].tolist(), chosen)]
            clips[rows] = clip if side == spec.size_px else _resized(clip, spec.size_px)
        mirrored = [row for row, view in enumerate(views) if view.flip]
        if mirrored and spec.modality == "flow":
            clips[mirrored, ..., 0] = clips[mirrored, ..., 0].neg()  # as `cut_from_file` does
        return clips

    def _index(self, spec: ClipSpec, videos: Sequence[int], views: Sequence[View]) -> Tensor:
        """Return the pixels of the squares, mirrored where asked: `(N, T, side, side)`."""
        corners, widths = [], []
        for video, view in zip(videos, views, strict=True):
            count, height, width = self.shapes[video]
            times = frame_numbers(view.moment, spec, count)
            corners.append(self.places[video] + (times * height + view.top) * width + view.left)
            widths.append(width)
        device, side = self.pixels.device, views[0].side
        along = torch.arange(side, device=device)
        flip = torch.tensor([[view.flip] for view in views], device=device)
        columns = torch.where(flip, side - 1 - along, along)  # (N, side)
        down = torch.tensor(widths, device=device)[:, None] * along  # (N, side)
        corner = torch.from_numpy(np.stack(corners)).to(device)  # (N, T)
        return corner[:, :, None, None] + down[:, None, :, None] + columns[:, None, None, :]


@lru_cache(maxsize=4)  # training and validation, of frames and flow
def _held(
    cache: ClipCache, split: Split, modality: Modality, device: torch.device
) -> ResidentClips | None:
    size = sum(int(np.prod(cache.shape(video, modality))) for video in cache.videos(split))
    if size > _SHARE * torch.cuda.mem_get_info(device)[0]:
        return None
    return ResidentClips(cache, split, modality, device)


def _resized(clip: Tensor, size_px: int) -> Tensor:
    """Resize to `(N, T, size_px, size_px, C)`; CUDA cannot resize uint8."""
    frames = clip.flatten(0, 1).permute(0, 3, 1, 2).float()
    resized = F.interpolate(frames, size=(size_px, size_px), mode="bilinear", antialias=True)
    whole = resized.round_().to(torch.uint8).permute(0, 2, 3, 1)
    return whole.reshape(*clip.shape[:2], *whole.shape[1:])
