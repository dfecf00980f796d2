"""The optimizer of a training run."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from vidnas.training.muon import Muon
from vidnas.training.settings import TrainingSettings


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
