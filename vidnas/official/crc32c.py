"""The checksum of TensorFlow's files, CRC-32C, over megabytes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Words = NDArray[np.uint32]

_POLYNOMIAL = 0x82F63B78
_LANE_BYTES = 64
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C of the bytes.

    A checksum is linear once its first and last inversion are left out: zeros in front change
    nothing, and that of two parts follows from theirs. So equal parts are taken side by side.
    """
    size = len(data)
    lanes = 1 << max(-(-size // _LANE_BYTES) - 1, 0).bit_length()
    parts = np.zeros(lanes * _LANE_BYTES, np.uint8)
    start = len(parts) - size
    parts[start:] = np.frombuffer(data, np.uint8)
    parts[start : start + 4] ^= 0xFF  # the first inversion
    states = np.zeros(lanes, np.uint32)
    for column in np.ascontiguousarray(parts.reshape(lanes, _LANE_BYTES).T):
        states = _TABLE[(states ^ column) & 0xFF] ^ (states >> 8)
    zeros = _LANE_ZEROS
    while len(states) > 1:
        states = _apply(zeros, states[::2]) ^ states[1::2]
        zeros = _apply(zeros, zeros)  # twice as many
    unfinished = _ONES >> (8 * size) if size < 4 else 0  # of the first inversion
    return int(states[0]) ^ _ONES ^ unfinished


def masked(checksum: int) -> int:
    """Return a checksum as it is stored beside what it is of."""
    return (((checksum >> 15) | (checksum << 17)) + _MASK_DELTA) & _ONES


def _apply(zeros: _Words, states: _Words) -> _Words:
    """Append zeros to states; `zeros` `(4, 256)` says what becomes of each byte of a state."""
    changed: _Words = zeros[0][states & 0xFF]
    for byte in (1, 2, 3):
        changed = changed ^ zeros[byte][(states >> (8 * byte)) & 0xFF]
    return changed


def _byte_table() -> _Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table.astype(np.uint32)


def _lane_of_zeros() -> _Words:
    states = np.arange(256, dtype=np.uint32) << np.arange(0, 32, 8, dtype=np.uint32)[:, None]
    zeros: _Words = _TABLE[states & 0xFF] ^ (states >> 8)
    for _ in range(_LANE_BYTES.bit_length() - 1):
        zeros = _apply(zeros, zeros)
    return zeros


_TABLE = _byte_table()
_LANE_ZEROS = _lane_of_zeros()
