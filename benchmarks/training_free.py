"""Scores that are said to rank untrained networks: one batch of clips instead of a training."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_ACTIVATIONS = {
    torch.ops.aten.relu.default,
    torch.ops.aten.relu_.default,
    torch.ops.aten.hardswish.default,
    torch.ops.aten.hardswish_.default,
}


class _Codes(TorchDispatchMode):
    """Counts for each two clips how many units are active for both or for neither."""

    def __init__(self, clips: int) -> None:
        super().__init__()
        self.agreements = torch.zeros(clips, clips, dtype=torch.float64)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in _ACTIVATIONS:
            code = (args[0] > 0).reshape(len(self.agreements), -1).float()
            self.agreements += code @ code.T + (1 - code) @ (1 - code).T
        return func(*args, **(kwargs or {}))


def activation_codes(network: Any, clips: tuple[Tensor, ...], labels: Tensor) -> float:
    """NASWOT: how differently clips switch the units on (Mellor et al., ICML 2021, section 3)."""
    with torch.no_grad(), _Codes(len(labels)) as codes:
        network(*clips)
    return float(torch.linalg.slogdet(codes.agreements + torch.eye(len(labels))).logabsdet)


def gradient_norm(network: Any, clips: tuple[Tensor, ...], labels: Tensor) -> float:
    """Norm of the loss's gradient (Abdelfattah et al., ICLR 2021, section 3.2.1)."""
    F.cross_entropy(network(*clips), labels).backward()
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
    return torch.stack(flow).sum().log().item()


SCORES = {"activation codes": activation_codes, "gradient norm": gradient_norm, "synflow": synflow}
