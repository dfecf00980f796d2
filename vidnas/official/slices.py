"""Checkpoints of version 1: tables that hold the variables, in slices, beside their names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidnas.official.messages import parse, region_of, shape_of
from vidnas.official.numbers import is_weight, to_float32
from vidnas.official.table import entries

_FIRST = b""
"""The key of the names and shapes."""


class Slices:
    """A checkpoint of version 1.

    Raises:
        Damaged: a file is damaged.
        OSError: a file cannot be read.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._tables = [_mapped(file) for file in files]
        described = [
            one
            for table in self._tables
            for one in parse("Saved", next(entries(table), (b"", b""))[1]).meta.tensors
        ]
        weights = [one for one in described if is_weight(one.dtype)]
        self._dtypes = {one.name: one.dtype for one in weights}
        self.shapes = {one.name: shape_of(one.shape) for one in weights}

    def read(self, names: Collection[str]) -> dict[str, NDArray[np.float32]]:
        """Return variables by name, put together from their slices."""
        found = {name: np.full(self.shapes[name], np.nan, np.float32) for name in names}
        for table in self._tables:
            for key, value in entries(table):
                if key == _FIRST:
                    continue
                saved = parse("Saved", value).data
                if saved.name not in found:
                    continue
                whole, values = found[saved.name], saved.values
                region = region_of(saved.slice, whole.shape)
                data, dtype = b"".join(values.floats or values.doubles), self._dtypes[saved.name]
                whole[region] = to_float32(data, dtype, whole[region].shape)
        return found


def _mapped(file: Path) -> memoryview:
    with file.open("rb") as opened:
        return memoryview(mmap(opened.fileno(), 0, access=ACCESS_READ))
