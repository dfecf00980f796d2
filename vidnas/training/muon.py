"""Muon: a kernel's step is equally long in all directions of its matrix."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.optimizer import ParamsT

_MOMENTUM = 0.95
_POLYNOMIAL = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_BLOCK = 64
"""Rows of a matrix that are made orthogonal together: with all of them at once, AssembleNet's first
design spent 121 ms of a training step on it instead of 47, and EvaNet's 37 instead of 21."""


class Muon(torch.optim.AdamW):
    """Muon for kernels of convolutions, AdamW for all else: biases, norms, gates, depthwise
    kernels, mixtures, the classifier.

    torch's own Muon takes matrices alone, one at a time, and computes in bfloat16, which many
    processors emulate.

    Args:
        parameters: what AdamW takes.
        kernel_step: root mean square of a kernel's step, by learning rate.
        settings: those of AdamW.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; Liu et al. 2025,
    arXiv 2502.16982.
    """

    def __init__(self, parameters: ParamsT, *, kernel_step: float, **settings: Any) -> None:
        super().__init__(parameters, **settings)
        self.kernel_step = kernel_step

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; the gradients of kernels are used up."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None and _mixes_channels(parameter):
                    by_shape[parameter.shape].append(parameter)
            for kernels in by_shape.values():
                self._step_kernels(kernels, group)
        super().step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state. What it holds of the mixtures of iTGM layers as of kernels, which
        they were taken for until 0.5.6, is forgotten."""
        super().load_state_dict(state_dict)
        for parameter, state in self.state.items():
            if "momentum" in state and not _mixes_channels(parameter):
                state.clear()

    def _step_kernels(self, kernels: list[Tensor], group: dict[str, Any]) -> None:
        """Update kernels `(out, in, ...)` of one shape, together."""
        rate = self.kernel_step * group["lr"]
        gradients, momenta = [], []
        for kernel in kernels:
            state = self.state[kernel]
            if not state:
                # AdamW reads "step" of every state that it restores.
                state["step"] = torch.zeros((), device=kernel.device)
                state["momentum"] = torch.zeros_like(kernel)
            assert kernel.grad is not None
            gradients.append(kernel.grad)
            momenta.append(state["momentum"])
            kernel.grad = None  # AdamW leaves it out
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, _MOMENTUM)  # Nesterov's
        matrices = torch.stack([one.flatten(1) for one in ahead])
        steps = orthogonalized(matrices) * max(matrices.shape[1:]) ** 0.5
        torch._foreach_mul_(kernels, 1 - group["lr"] * group["weight_decay"])
        for kernel, step in zip(kernels, steps, strict=True):
            kernel.sub_(step.view(kernel.shape), alpha=rate)


def orthogonalized(matrices: Tensor) -> Tensor:
    """Return matrices `(B, M, N)` whose singular values are moved towards 1 by Newton-Schulz
    iterations: all but the smallest come to about 0.7 to 1.2. Where the shorter side is long, it is
    divided into blocks, and each is made orthogonal for itself."""
    a, b, c = _POLYNOMIAL
    wide = matrices.size(1) <= matrices.size(2)
    blocks = matrices if wide else matrices.mT
    count, short, long = blocks.shape
    cuts = math.ceil(short / _BLOCK)
    rows = math.ceil(short / cuts)
    x = functional.pad(blocks, (0, 0, 0, cuts * rows - short)).reshape(count * cuts, rows, long)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    found = x.reshape(count, cuts * rows, long)[:, :short]
    return found if wide else found.mT


def _mixes_channels(parameter: Tensor) -> bool:
    """Return whether a parameter is a kernel with several filters, each of several channels. What
    has three axes is none: the mixtures of iTGM layers."""
    return parameter.dim() > 3 and parameter.size(0) > 1 and parameter.size(1) > 1
