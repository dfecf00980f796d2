"""The optimizer of a training run, and the average of the weights that it goes through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from vidnas.training.muon import Muon
from vidnas.training.settings import TrainingSettings

_Tensors = tuple[Tensor, ...] | list[Tensor]


def build_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Make Muon, AdamW, or SGD with Nesterov momentum; kernels decay, biases, gates and norms do
    not."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    rate, momentum = settings.learning_rate, settings.momentum
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0)
    adamw: dict[str, Any] = {"lr": rate, "betas": (momentum, 0.999), "fused": True}
    if settings.optimizer == "muon":
        return Muon(groups, kernel_step=settings.kernel_step, **adamw)
    return torch.optim.AdamW(groups, **adamw)


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of the network that averages its weights and batch statistics over the steps.

    The first steps count little: the decay rises as `(1 + n) / (10 + n)` up to its value, so that
    the average is useful at any moment.
    """

    def average(averages: _Tensors, values: _Tensors, steps: Tensor | int) -> None:
        if not averages[0].is_floating_point():  # how many batches were counted
            for one, value in zip(averages, values, strict=True):
                one.copy_(value)
            return
        count = float(steps)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        torch._foreach_lerp_(averages, values, weight)

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
