"""Scores that are said to rank untrained networks: one batch of clips instead of a training."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vidnas.training.metrics import to_input
from vidnas.training.score import training_free_score

CPU = torch.device("cpu")


def activation_codes(network: Any, clips: tuple[Tensor, ...], labels: Tensor) -> float:
    """The score of the pre-filter."""
    return training_free_score(network, clips)


def gradient_norm(network: Any, clips: tuple[Tensor, ...], labels: Tensor) -> float:
    """Norm of the loss's gradient (Abdelfattah et al., ICLR 2021, section 3.2.1)."""
    inputs = (to_input(clip, CPU) for clip in clips)
    F.cross_entropy(network(*inputs), labels).backward()
    grads = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return torch.stack([grad.norm() for grad in grads]).norm().item()


def synflow(network: Any, clips: tuple[Tensor, ...], labels: Tensor) -> float:
    """Logarithm of the flow through all weights, made positive (Tanaka et al., NeurIPS 2020).

    Batch normalisation does nothing, as in Abdelfattah et al., section 3.2.2.
    """
    network = network.eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    network(*(torch.ones_like(clip[:1], dtype=torch.float64) for clip in clips)).sum().backward()
    flow = [(p.detach() * p.grad).abs().sum() for p in network.parameters() if p.grad is not None]
    score = torch.stack(flow).sum().log().item()
    return score if math.isfinite(score) else math.inf  # it overflowed


SCORES = {"activation codes": activation_codes, "gradient norm": gradient_norm, "synflow": synflow}
