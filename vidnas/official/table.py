"""Sorted tables of keys and values in one file: the format of LevelDB, which TensorFlow uses.

A file is a sequence of blocks, an index of them and a footer. A block is a sequence of entries,
each with what its key does not share with the key before, then places to start from, which a reader
from front to back does without.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from vidnas.official.crc32c import crc32c, masked

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
"""The last bytes of such a file."""
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_LONGEST_NUMBER = 10


class Damaged(Exception):
    """The file is not what its format says."""


def entries(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the keys, in order, with their values.

    Raises:
        Damaged: the file is damaged, or its blocks are compressed.
    """
    footer = data[-_FOOTER_BYTES:]
    if len(data) < _FOOTER_BYTES or bytes(footer[-len(MAGIC) :]) != MAGIC:
        raise Damaged("its end is missing")
    place = 0
    for _ in range(2):  # past the block of metadata
        _, place = _number(footer, place)
    for _, handle in _entries(_block(data, *_handle(footer, place))):
        yield from _entries(_block(data, *_handle(handle, 0)))


def _handle(data: memoryview, place: int) -> tuple[int, int]:
    offset, place = _number(data, place)
    size, _ = _number(data, place)
    return offset, size


def _block(data: memoryview, offset: int, size: int) -> memoryview:
    end = offset + size
    if end + _TRAILER_BYTES > len(data):
        raise Damaged(f"a block ends at byte {end}, after its end")
    (expected,) = struct.unpack("<I", data[end + 1 : end + _TRAILER_BYTES])
    if masked(crc32c(data[offset : end + 1])) != expected:
        raise Damaged(f"the block at byte {offset} has another checksum")
    if data[end] != 0:
        raise Damaged("its blocks are compressed, as TensorFlow before 1.2 did")
    return data[offset:end]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    if len(block) < 4:
        raise Damaged("a block is empty")
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 * (restarts + 1)
    key, place = b"", 0
    while place < end:
        shared, place = _number(block, place)
        added, place = _number(block, place)
        size, place = _number(block, place)
        if shared > len(key) or place + added + size > end:
            raise Damaged("an entry ends after its block")
        key = key[:shared] + bytes(block[place : place + added])
        place += added + size
        yield key, block[place - size : place]


def _number(data: memoryview, place: int) -> tuple[int, int]:
    """Read seven bits of a number from each byte, the lowest first; return it and what follows."""
    value = 0
    for shift, byte in enumerate(data[place : place + _LONGEST_NUMBER]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, place + shift + 1
    raise Damaged("a number does not end")
