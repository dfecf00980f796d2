"""The numbers of a variable, from the bytes of a checkpoint to float32."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vidnas.official.table import Damaged

_BFLOAT16 = 14
_DTYPES = {1: "f4", 2: "f8", 19: "f2", _BFLOAT16: "u2"}
"""The types of weights by their numbers in TensorFlow; bfloat16 by its bits."""


def is_weight(dtype: int) -> bool:
    """Return whether a variable of this type may be a weight: a count of steps is none."""
    return dtype in _DTYPES


def to_float32(
    data: bytes | memoryview, dtype: int, shape: tuple[int, ...], *, order: str = "<"
) -> NDArray[np.float32]:
    """Return bytes as an array of this shape.

    Raises:
        Damaged: there are more bytes or less.
    """
    kind = np.dtype(order + _DTYPES[dtype])
    if len(data) != math.prod(shape) * kind.itemsize:
        raise Damaged(f"a variable of shape {shape} has {len(data)} bytes")
    array = np.frombuffer(data, kind)
    if dtype == _BFLOAT16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32).reshape(shape)
