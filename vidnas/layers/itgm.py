"""iTGM: space-time kernels whose temporal part is a mixture of few profiles."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from typing_extensions import Self

from vidnas.layers.convolution import he_normal_
from vidnas.layers.spacetime import Profile, Size, convolve


class ITGMConv(nn.Module):
    """Inflated temporal Gaussian mixture: a spatial kernel times a mixture of temporal profiles.

    Each pair of an input and an output channel mixes the same few profiles with its own softmax
    weights, so a kernel of any length has `h w + profiles` weights a pair (Piergiovanni et al.,
    EvaNet, ICCV 2019; published code, tgm_layer.py). In evaluation mode the kernel is built once
    and kept: what is exported and timed is a plain convolution.
    """

    folded: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Size,
        stride: Size,
        *,
        profile: Profile = "evanet",
        profiles: int = 4,
    ) -> None:
        super().__init__()
        self.length, self.stride, self.profile = kernel[0], stride, profile
        weight = torch.empty(out_channels, in_channels, *kernel[1:])
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.mixture = nn.Parameter(torch.empty(out_channels, profiles, in_channels))
        self.center = nn.Parameter(torch.empty(profiles))
        self.gamma = nn.Parameter(torch.empty(profiles))
        self.register_buffer("folded", None, persistent=False)
        self._folded_from: list[tuple[int, int]] = []
        he_normal_(self.weight)
        nn.init.trunc_normal_(self.mixture)
        nn.init.normal_(self.center, std=0.5)
        nn.init.normal_(self.gamma, std=0.1)

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H', W')` and `T' = ceil(T / s)`."""
        return convolve(x, frames, self._current_kernel(), self.stride)

    def kernel(self) -> Tensor:
        """The weights of the 3D convolution that this layer is, `(C', C, t, h, w)`."""
        shares = torch.softmax(self.mixture, dim=1)
        over_time = self.profiles().T @ shares  # (C', t, C)
        over_space = self.weight.permute(0, 2, 3, 1)  # (C', h, w, C)
        kernel = over_time[:, :, None, None, :] * over_space[:, None]
        return kernel.permute(0, 4, 1, 2, 3)

    def profiles(self) -> Tensor:
        """The temporal profiles, `(profiles, t)`, each with the sum one."""
        time = torch.arange(self.length, device=self.center.device)
        center = (self.length - 1) * (torch.tanh(self.center) + 1) / 2
        distance = time - center[:, None]
        gamma = torch.exp(1.5 - 2 * torch.tanh(self.gamma).abs())[:, None]
        if self.profile == "gaussian":
            shape = torch.exp(-(distance**2) / (2 * torch.exp(self.gamma)[:, None]))
        elif self.profile == "cauchy":
            shape = 1 / (math.pi * gamma * ((distance / gamma) ** 2 + 1))
        else:
            shape = 1 / (math.pi * gamma * (distance / gamma) ** 2 + 1)
        return shape / (shape.sum(1, keepdim=True) + 1e-6)

    def train(self, mode: bool = True) -> Self:
        """Forget the folded kernel, or build it for evaluation."""
        super().train(mode)
        self.folded = None
        if not mode:
            self._fold()
        return self

    def _current_kernel(self) -> Tensor:
        exporting = torch.onnx.is_in_onnx_export()
        if self.training or (torch.is_grad_enabled() and not exporting):
            return self.kernel()
        # Weights may be loaded in evaluation mode; a compiler's stand-ins for them have no history.
        changed = not torch.compiler.is_compiling() and self._folded_from != self._versions()
        return self._fold() if self.folded is None or changed else self.folded

    def _fold(self) -> Tensor:
        with torch.no_grad():
            self.folded = self.kernel()
        self._folded_from = self._versions()
        return self.folded

    def _versions(self) -> list[tuple[int, int]]:
        return [(id(weight), weight._version) for weight in self.parameters()]
