"""What training changes in clips, so that a network learns what matters and not the clips."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from vidnas.core import Modality
from vidnas.core.value import Value


class Augmentation(Value):
    """How much training changes in a clip, besides its start, which is always random."""

    crop_scale_min: float = Field(default=1.0, gt=0, le=1)
    """Smallest area of a random square crop as a share of the largest; 1 is the centre crop."""
    flip: bool = False
    """Mirror half of the clips. Off by default, because it turns "left" into "right"."""
    affine: float = Field(default=0.0, ge=0, lt=1)
    """Most by which an entry of a clip's affine map differs from the identity's: 0.1 shifts by a
    twentieth of the side, scales by a tenth, rotates and shears by six degrees."""
    colour: float = Field(default=0.0, ge=0, lt=1)
    """Most by which brightness, as a share of white, and contrast change."""
    time_mask: float = Field(default=0.0, ge=0, lt=1)
    """Most of a clip's frames, as a share, that one gap replaces by their mean (Ma et al.,
    arXiv 2209.01383)."""
    mixup: NonNegativeFloat = 0.0
    """Alpha of the beta distribution that weighs two clips against each other; 0 mixes none (Zhang
    et al., arXiv 1710.09412)."""


def vary(
    clips: Sequence[Tensor],
    modalities: Sequence[Modality],
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> tuple[Tensor, ...]:
    """Move, colour and mask the clips of a batch, each in its own way.

    Args:
        clips: one tensor `(N, C, T, H, W)` in [0, 1] per input; the inputs of a clip change alike.
        modalities: of the inputs; only RGB has colours.
        rng: the only source of randomness.
        augmentation: how much changes.
    """
    count = len(clips[0])
    varied = list(clips)
    if augmentation.affine:
        maps = np.eye(2, 3) + rng.uniform(-1, 1, (count, 2, 3)) * augmentation.affine
        theta = torch.from_numpy(maps).float()
        varied = [_moved(clip, theta.to(clip.device)) for clip in varied]
    if augmentation.colour:
        contrast, brightness = rng.uniform(-1, 1, (2, count, 1, 1, 1, 1)) * augmentation.colour
        gain, offset = (torch.from_numpy(one).float() for one in (1 + contrast, brightness))
        for place, modality in enumerate(modalities):
            if modality == "rgb":
                clip = varied[place]
                varied[place] = torch.addcmul(
                    offset.to(clip.device), clip, gain.to(clip.device)
                ).clamp_(0, 1)
    if augmentation.time_mask:
        gaps = rng.random((count, 2)) * (augmentation.time_mask, 1)
        varied = [_masked(clip, gaps) for clip in varied]
    return tuple(varied)


def mix(
    clips: Sequence[Tensor], targets: Tensor, rng: np.random.Generator, alpha: float
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Mix every clip of a batch with another one, and their targets `(N, num_classes)` likewise."""
    share = float(rng.beta(alpha, alpha))
    others = torch.from_numpy(rng.permutation(len(targets))).to(targets.device)
    mixed = tuple(torch.lerp(clip[others.to(clip.device)], clip, share) for clip in clips)
    return mixed, torch.lerp(targets[others], targets, share)


def _moved(clip: Tensor, theta: Tensor) -> Tensor:
    """Apply one affine map `(N, 2, 3)` to all frames of each clip; the border is continued."""
    count, channels, times, height, width = clip.shape
    frames = clip.transpose(1, 2).reshape(-1, channels, height, width)
    grid = F.affine_grid(theta, [count, channels, height, width], align_corners=False)
    grid = grid.repeat_interleave(times, dim=0)
    moved = F.grid_sample(frames, grid, padding_mode="border", align_corners=False)
    return moved.view(count, times, channels, height, width).transpose(1, 2)


def _masked(clip: Tensor, gaps: np.ndarray) -> Tensor:
    """Replace a gap of each clip by the mean of its frames; `gaps` are lengths and places `(N, 2)`
    as shares of the clip and of where a gap of that length can begin."""
    masked = clip.clone()
    times = clip.shape[2]
    for row, (length, place) in enumerate(gaps):
        gap = math.floor(length * times + 0.5)
        if gap:
            start = math.floor(place * (times - gap + 1))
            masked[row, :, start : start + gap] = clip[row].mean(dim=1, keepdim=True)
    return masked
