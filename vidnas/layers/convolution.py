"""Convolutions with SAME padding, batch norm and an activation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.activation import Activation, activate
from vidnas.layers.padding import pad_same


def he_normal_(weight: Tensor) -> None:
    """Fill with a normal of variance `1.3 * 2 / fan_in`, truncated at two deviations.

    The factor 1.3 restores the variance lost by truncation, as in TensorFlow-Slim's variance
    scaling (He et al., ICCV 2015).
    """
    if weight.is_meta:
        return
    # The inverse of the cumulative distribution: ten times faster than torch's `trunc_normal_`.
    bound = math.erf(2 / math.sqrt(2))
    with torch.no_grad():
        weight.uniform_(-bound, bound).erfinv_().mul_(math.sqrt(2 * 1.3 * 2 / weight[0].numel()))


def subsample(x: Tensor, stride: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """What a 1x1 convolution of this stride sees of `(N, C, H, W)`, and the stride left to do.

    oneDNN 3.12 corrupts the heap in the backward pass of strided 1x1 convolutions on channels-last
    tensors with more than one thread (odd batches, few channels), so none is ever asked of it.
    """
    if x.requires_grad:  # channels moved last, as they lie in memory: so the gradient's do too
        return x.permute(0, 2, 3, 1)[:, :: stride[0], :: stride[1]].permute(0, 3, 1, 2), (1, 1)
    return x[:, :, :: stride[0], :: stride[1]], (1, 1)


class SameConv2d(nn.Conv2d):
    """`(N, C, H, W)` to `(N, C', ceil(H / s), ceil(W / s))`, without a bias."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
        *,
        padded: bool = True,
    ) -> None:
        """Pad as SAME asks for, unless the input is padded already."""
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        self._kernel, self._stride, self._padded = kernel, stride, padded

    @property
    def same_window(self) -> tuple[int, int]:
        """Length and stride of the kernel along the first axis, where SAME padding is."""
        return self._kernel[0], self._stride[0]

    def reset_parameters(self) -> None:
        """Draw He-normal weights."""
        he_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with as much zero padding as SAME asks for."""
        x, stride = subsample(x, self._stride) if self._kernel == (1, 1) else (x, self._stride)
        x, padding = pad_same(x, self._kernel, stride) if self._padded else (x, (0, 0))

        if self.groups > 1 and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # The backward pass of strided depthwise convolutions is 6 to 9 times slower in bfloat16
            # than in float32 (oneDNN 3.12).
            with torch.autocast("cpu", enabled=False):
                x = x.float()
                return F.conv2d(x, self.weight, None, stride, padding, 1, self.groups)
        return F.conv2d(x, self.weight, None, stride, padding, 1, self.groups)


class ConvNorm(nn.Module):
    """Convolution with SAME padding, batch norm and an optional activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        *,
        depthwise: bool = False,
        act: Activation | None = None,
        padded: bool = True,
    ) -> None:
        """Pad as SAME asks for, unless the input is padded already."""
        super().__init__()
        groups = in_channels if depthwise else 1
        self.conv = SameConv2d(in_channels, out_channels, kernel, stride, groups, padded=padded)
        self.depthwise = depthwise
        self.norm = nn.BatchNorm2d(out_channels)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, C', ceil(H / s), ceil(W / s))`."""
        x = self.norm(self.conv(x))
        # Batch norm does not need its output again, so the activation may overwrite it.
        return x if self.act is None else activate(x, self.act, inplace=True)


def linear(in_features: int, out_features: int) -> nn.Linear:
    """A 1x1 convolution on pooled features: He-normal weights, zero bias."""
    layer = nn.Linear(in_features, out_features)
    he_normal_(layer.weight)
    with torch.no_grad():
        layer.bias.zero_()
    return layer
