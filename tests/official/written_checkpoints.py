"""Checkpoints as TensorFlow writes them, without TensorFlow: one block per table, one shard."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vidnas.official.crc32c import crc32c, masked
from vidnas.official.messages import _TYPES
from vidnas.official.table import MAGIC

TENSORFLOW = os.environ.get("VIDNAS_TENSORFLOW_PYTHON", "")
"""A Python that has TensorFlow, whose own Saver then writes."""
CLASSES = 3
GENOME = {
    "image_size": 16,
    "num_frames": 2,
    "frame_stride": 1,
    "blocks": [
        {
            "filters": 8,
            "spatial_type": "std",
            "spatial_kernel": 3,
            "spatial_stride": 2,
            "temporal_type": "1d",
            "temporal_kernel": 2,
            "temporal_stride": 1,
            "repeats": 1,
            "skip": 1,
        }
    ],
}
DTYPES = {np.dtype(np.float32): 1, np.dtype(np.float64): 2, np.dtype(np.int64): 9}


def write_bundle(prefix: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Version 2: an index, and the numbers beside it."""
    entries = {b"": _message("Header", shards=1)}
    data = b""
    for name, array in sorted(arrays.items()):
        own = array.tobytes()
        entry = _TYPES["Entry"](
            dtype=DTYPES[array.dtype], offset=len(data), size=len(own), crc=masked(crc32c(own))
        )
        for size in array.shape:
            entry.shape.dims.add(size=size)
        entries[name.encode()] = entry.SerializeToString()
        data += own
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    prefix.with_name(f"{prefix.name}.index").write_bytes(_table(entries))


def write_slices(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Version 1: everything in one table."""
    saved = _TYPES["Saved"]()
    entries = {}
    for name, array in sorted(arrays.items()):
        described = saved.meta.tensors.add(name=name, dtype=DTYPES[array.dtype])
        own = _TYPES["Saved"]()
        own.data.name = name
        for size in array.shape:
            described.shape.dims.add(size=size)
            own.data.slice.extents.add()
        kind = own.data.values.doubles if array.dtype == np.float64 else own.data.values.floats
        kind.append(array.tobytes())
        entries[b"\0" + name.encode()] = own.SerializeToString()
    path.write_bytes(_table({b"": saved.SerializeToString(), **entries}))


def _message(name: str, **values: Any) -> bytes:
    return bytes(_TYPES[name](**values).SerializeToString())


def _table(entries: Mapping[bytes, bytes]) -> bytes:
    """Keys share what they have in common with the one before, as in TensorFlow's own."""
    block, before = b"", b""
    for key, value in entries.items():
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, key, strict=False)) if a != b),
            min(len(before), len(key)),
        )
        sizes = (shared, len(key) - shared, len(value))
        block += b"".join(map(_number, sizes)) + key[shared:] + value
        before = key
    first = _block(block)
    handle = _number(0) + _number(len(first) - 5)
    index = _block(b"\0" + _number(1) + _number(len(handle)) + b"\x7f" + handle)
    place = _number(len(first)) + _number(len(index) - 5)
    footer = _number(0) + _number(0) + place
    return first + index + footer.ljust(40, b"\0") + MAGIC


def _block(entries: bytes) -> bytes:
    block = entries + struct.pack("<II", 0, 1) + b"\0"
    return block + struct.pack("<I", masked(crc32c(block)))


def _number(value: int) -> bytes:
    digits = b""
    while value >= 0x80:
        digits += bytes([value & 0x7F | 0x80])
        value >>= 7
    return digits + bytes([value])
