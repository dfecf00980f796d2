"""Checkpoints of version 2: a table `X.index`, and shards such as `X.data-00000-of-00001`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidnas.official.crc32c import crc32c, masked
from vidnas.official.messages import parse, region_of, shape_of
from vidnas.official.numbers import is_weight, to_float32
from vidnas.official.ordered import slice_key
from vidnas.official.table import Damaged, entries

INDEX_SUFFIX = ".index"
_BIG_ENDIAN = 1
_SLICES = b"\0"
"""How the keys of slices of variables begin."""


class Bundle:
    """A checkpoint of version 2.

    Raises:
        Damaged: its index is damaged.
        OSError: a file is missing or cannot be read.
    """

    def __init__(self, prefix: Path) -> None:
        index = prefix.with_name(prefix.name + INDEX_SUFFIX).read_bytes()
        found = dict(entries(memoryview(index)))
        self._prefix = prefix
        self._header = parse("Header", found.pop(b"", b""))
        self._entries = {key: parse("Entry", value) for key, value in found.items()}
        self.shapes: dict[str, tuple[int, ...]] = {
            key.decode(errors="backslashreplace"): shape_of(entry.shape)
            for key, entry in self._entries.items()
            if is_weight(entry.dtype) and not key.startswith(_SLICES)
        }

    def read(self, names: Collection[str]) -> dict[str, NDArray[np.float32]]:
        """Return variables by name; one that was saved in slices is put together."""
        return {name: self._variable(name.encode()) for name in names}

    def _variable(self, key: bytes) -> NDArray[np.float32]:
        entry = self._entries[key]
        shape = shape_of(entry.shape)
        if not entry.slices:
            return self._array(entry, shape)
        whole = np.full(shape, np.nan, np.float32)
        for piece in entry.slices:
            part = self._entries.get(slice_key(key, piece))
            if part is None:
                raise Damaged(f"a slice of {key!r} is missing")
            region = region_of(piece, shape)
            whole[region] = self._array(part, whole[region].shape)
        return whole

    def _array(self, entry: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
        number, shards = entry.shard, self._header.shards
        name = f"{self._prefix.name}.data-{number:05}-of-{shards:05}"
        with self._prefix.with_name(name).open("rb") as file:
            size = file.seek(0, 2)
            if not 0 <= entry.offset <= entry.offset + entry.size <= size:
                raise Damaged(f"{name} ends before its variables do")
            file.seek(entry.offset)
            data = file.read(entry.size)
        if masked(crc32c(data)) != entry.crc:
            raise Damaged(f"a variable in {name} has another checksum")
        order = ">" if self._header.endianness == _BIG_ENDIAN else "<"
        return to_float32(data, entry.dtype, shape, order=order)
