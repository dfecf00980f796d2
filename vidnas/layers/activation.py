"""Activations by the names that genes use."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Activation = Literal["relu", "hswish"]


def activate(x: Tensor, name: Activation, *, inplace: bool = False) -> Tensor:
    """ReLU, or hard swish `x * relu6(x + 3) / 6`; in place only where autograd gains from it."""
    return F.hardswish(x) if name == "hswish" else F.relu(x, inplace=inplace)
