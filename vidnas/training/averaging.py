"""The average of the weights that a training run goes through, which is what is judged and kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

_Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of the network that averages its weights over the steps; its batch statistics
    are those of the network until they are settled.

    The first steps count little: the decay rises as `(1 + n) / (10 + n)` up to its value, so that
    the average is useful at any moment.
    """

    def average(averages: _Tensors, values: _Tensors, steps: Tensor | int) -> None:
        count = float(steps)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        torch._foreach_lerp_(averages, values, weight)

    return AveragedModel(network, multi_avg_fn=average)


def settle(network: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Set the batch statistics of averaged weights to what these weights make of some clips.

    What training gathered are statistics of the weights that it went through, and the average is
    none of those. While weights still change much, every layer of a deep network gets other values
    than it expects, and a network that has learned much may be worse than chance (Izmailov et al.,
    arXiv 1803.05407, section 3.2).

    Args:
        network: with the averaged weights.
        batches: at least one, of clips as the network takes them, in float.
    """
    update_bn(((clips,) for clips in batches), _Unpacked(network))


class _Unpacked(nn.Module):
    """A network whose inputs come as one tuple, as `update_bn` passes them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.training = network.training

    def forward(self, clips: tuple[Tensor, ...]) -> Any:
        return self.network(*clips)
