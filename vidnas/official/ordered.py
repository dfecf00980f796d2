"""The keys of slices in an index: numbers and names written so that keys sort as they do."""

from __future__ import annotations

from typing import Any

_WHOLE = -1
"""The length of a slice along an axis that is not cut."""
_ESCAPED = {0x00: b"\0\xff", 0xFF: b"\xff\0"}


def slice_key(name: bytes, piece: Any) -> bytes:
    """Return the key under which a slice of a variable lies."""
    extents = b"".join(
        _signed(one.start) + _signed(one.length if one.HasField("length") else _WHOLE)
        for one in piece.extents
    )
    return _unsigned(0) + _text(name) + _unsigned(len(piece.extents)) + extents


def _text(text: bytes) -> bytes:
    return b"".join(_ESCAPED.get(byte, bytes([byte])) for byte in text) + b"\0\1"


def _unsigned(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _signed(number: int) -> bytes:
    """Write seven bits of a number to each byte; as many ones lead as there are bytes."""
    size = (number if number >= 0 else ~number).bit_length() // 7 + 1
    lead = ((1 << size) - 1) << (7 * size)  # size ones, in front of 7 * size bits
    return (lead ^ (number & ((1 << (8 * size)) - 1))).to_bytes(size, "big")
