"""The messages in a checkpoint: those fields of TensorFlow's protocol buffers that are read."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessages

from vidnas.official.table import Damaged

_FIELDS: dict[str, dict[int, str]] = {
    "Dim": {1: "size int64"},
    "Shape": {2: "dims * Dim", 3: "unknown bool"},
    "Extent": {1: "start int64", 2: "length int64"},
    "Slice": {1: "extents * Extent"},
    # Version 2: an index of what lies where in the shards.
    "Header": {1: "shards int32", 2: "endianness int32"},
    "Entry": {
        1: "dtype int32",
        2: "shape Shape",
        3: "shard int32",
        4: "offset int64",
        5: "size int64",
        6: "crc fixed32",
        7: "slices * Slice",
    },
    # Version 1: names and shapes first, then the values. Packed numbers are bytes as they lie.
    "SliceMeta": {1: "name string", 2: "shape Shape", 3: "dtype int32", 4: "slices * Slice"},
    "Meta": {1: "tensors * SliceMeta"},
    "Values": {5: "floats * bytes", 6: "doubles * bytes"},
    "SavedSlice": {1: "name string", 2: "slice Slice", 3: "values Values"},
    "Saved": {1: "meta Meta", 2: "data SavedSlice"},
}
"""Each message with its fields by number: name, `*` where there are many, and type."""


def _message_types() -> dict[str, Any]:
    file = FileDescriptorProto(name="tensorflow_checkpoint.proto", syntax="proto2")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, text in fields.items():
            field, *many, kind = text.split()
            nested = kind in _FIELDS
            message.field.add(
                name=field,
                number=number,
                label=FieldDescriptor.LABEL_REPEATED if many else FieldDescriptor.LABEL_OPTIONAL,
                type=getattr(FieldDescriptor, f"TYPE_{'MESSAGE' if nested else kind.upper()}"),
                type_name=kind if nested else None,
            )
    return dict(GetMessages([file], DescriptorPool()))


_TYPES = _message_types()


def parse(name: str, data: bytes | memoryview) -> Any:
    """Read a message.

    Raises:
        Damaged: it is not one.
    """
    try:
        return _TYPES[name].FromString(bytes(data))
    except DecodeError as error:
        raise Damaged(f"a {name.lower()} cannot be read") from error


def shape_of(shape: Any) -> tuple[int, ...]:
    """Return the shape that a message holds.

    Raises:
        Damaged: a size is negative, or not known.
    """
    sizes = tuple(dim.size for dim in shape.dims)
    if shape.unknown or any(size < 0 for size in sizes):
        raise Damaged("a variable has no shape")
    return sizes


def region_of(piece: Any, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return which part of a variable a slice is.

    Raises:
        Damaged: it lies outside the variable.
    """
    if len(piece.extents) != len(shape):
        raise Damaged("a slice has another number of axes than its variable")
    region = tuple(
        slice(one.start, one.start + one.length if one.HasField("length") else size)
        for one, size in zip(piece.extents, shape, strict=True)
    )
    if any(
        not 0 <= part.start <= part.stop <= size for part, size in zip(region, shape, strict=True)
    ):
        raise Damaged("a slice lies outside its variable")
    return region
