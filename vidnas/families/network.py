"""The base of every network: an `nn.Module` that knows the architecture it was built from."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vidnas.families.architecture import Architecture

_NOISE = 0.01
"""What moves less than this in clips between 0 and 1 is not amplified."""


class Normalization(nn.Module):
    """Normalisation inside the network, so that what is exported takes the same clip.

    By the channels' statistics over the training clips: the identity until `set_statistics` is
    called. Or, where the clip is centred, by itself: from every pixel its mean over time is
    subtracted, so that what stands still is gone, and what is left has a deviation of one.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, *, centred: bool = False) -> None:
        super().__init__()
        self.centred = centred
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Take the mean and standard deviation of each channel, `(C,)` each, in [0, 1]."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, clip: Tensor) -> Tensor:
        """`(N, C, T, H, W)` in [0, 1] to the same shape, normalised."""
        if self.centred:
            moving = clip - clip.mean(dim=2, keepdim=True)
            energy = moving.square().mean(dim=(1, 2, 3, 4), keepdim=True)
            return moving * torch.rsqrt(energy + _NOISE**2)
        shape = (1, -1, 1, 1, 1)
        scale = 1 / self.std.view(shape)
        return torch.addcmul(-self.mean.view(shape) * scale, clip, scale)  # one pass over memory


class Network(nn.Module, ABC):
    """An `nn.Module` built from an architecture, with fresh weights of torch's generator.

    `forward(*clips)` takes one tensor `(N, C, T, H, W)` per input, float in [0, 1], and returns
    logits `(N, num_classes)`. Sub-classes call `self.normalizations[i]` on input i.
    """

    def __init__(self, architecture: Architecture, num_classes: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.num_classes = num_classes
        self.normalizations = nn.ModuleList(
            Normalization(spec.channels, centred=architecture.centres_clips and spec.frames > 1)
            for spec in architecture.inputs
        )

    @property
    def carries_past(self) -> bool:
        """Whether it takes clips that are longer than its own as well, and answers of their newest
        frames what it answers in a stream: these then have a past, as far as its layers see."""
        return False

    def connection_weights(self) -> dict[str, float]:
        """Learned weights of the architecture's connections, `source->target` by the names of the
        diagram's boxes; empty where a family has none."""
        return {}

    def lineage(
        self, state: Mapping[str, Tensor], parent: Network | None = None
    ) -> dict[str, Tensor]:
        """Tensors of the network's state under the names by which children know them: the same
        wherever places do not change along a lineage. They share their memory. A tensor in which
        things that come and go lie side by side is taken apart, into views of what belongs to each.

        Args:
            state: tensors by their names in the network.
            parent: from whose names theirs are taken where places have moved since.
        """
        return dict(state)
