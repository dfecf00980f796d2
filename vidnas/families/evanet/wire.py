"""The original format of genomes: base64 of a proto2 message.

Messages and field numbers are those of inception_cell_spec.proto in google-research/evanet. They
hold nothing but numbers and other messages, so they are read and written without a library.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any, TypeVar

from pydantic import ValidationError

from vidnas.core import UserError
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.module import Branch, BranchKind, ConvKind, Module

T = TypeVar("T")

_KINDS: tuple[BranchKind, ...] = ("1x1", "conv", "conv2", "maxpool")
"""In the order of their numbers in the format, as the next."""
_CONVS: tuple[ConvKind, ...] = ("3d", "itgm", "2+1d")

# Field numbers of the three messages: network, block, layer.
_STEM_TIME, _STEM_DILATION, _STEM_CONV, _POOL1, _POOL3, _POOL4, _BLOCKS = range(1, 8)
_REPEATS, _NON_LOCAL, _LAYERS = range(1, 4)
_KIND, _CONV, _TIME, _DILATION, _TIME2, _DILATION2, _CONV2 = range(1, 8)


def from_official(genome: str) -> EvaNet:
    """Read a genome in the original format.

    Raises:
        UserError: it is not such a genome, or has genes that the original code ignores.
    """
    try:
        message = _Message(base64.b64decode(genome, validate=True))
        _refuse_dilation(message, _STEM_DILATION)
        pool1, pool3, pool4 = (message.number(field) for field in (_POOL1, _POOL3, _POOL4))
        return EvaNet(
            stem_time=message.number(_STEM_TIME),
            stem_conv=_choice(_CONVS, message.number(_STEM_CONV)),
            pool_times=(pool1, pool1, pool3, pool4),
            stages=tuple(_read_block(block) for block in message.messages(_BLOCKS)),
        )
    except ValueError as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise UserError(
            f"This is not an EvaNet in its original format ({reason}); pass the base64 text of a "
            "genome as released."
        ) from error


def to_official(architecture: EvaNet) -> str:
    """Write a genome in the original format.

    The format has no room for the clip and the dropout: these are arguments there.

    Raises:
        UserError: the original code would build another network.
    """
    pool1, pool2, pool3, pool4 = architecture.pool_times
    profile = architecture.canonical().profile
    _refuse(architecture.width != 1, f"width {architecture.width:g}")
    _refuse(profile != "evanet", f"the temporal profile {profile!r}")
    _refuse(pool1 != pool2, f"a second pool of length {pool2} after a first of length {pool1}")
    fields: list[tuple[int, int | bytes]] = [
        (_STEM_TIME, architecture.stem_time),
        (_STEM_DILATION, 1),
        (_STEM_CONV, _CONVS.index(architecture.stem_conv)),
        (_POOL1, pool1),
        (_POOL3, pool3),
        (_POOL4, pool4),
        *((_BLOCKS, _write_block(stage)) for stage in architecture.stages),
    ]
    return base64.b64encode(_encode(fields)).decode()


def _read_block(block: _Message) -> Module:
    _refuse(block.number(_NON_LOCAL) != 0, "a non-local block")
    layers = tuple(_read_layer(layer) for layer in block.messages(_LAYERS))
    return Module(branches=layers, repeats=block.number(_REPEATS))


def _write_block(module: Module) -> bytes:
    _refuse(module.non_local, "a non-local block")
    layers = [(_LAYERS, _write_layer(branch)) for branch in module.branches]
    return _encode([(_REPEATS, module.repeats), (_NON_LOCAL, 0), *layers])


def _read_layer(layer: _Message) -> Branch:
    genes: dict[str, Any] = {"kind": _choice(_KINDS, layer.number(_KIND))}
    if genes["kind"] != "1x1":
        genes["time"] = layer.number(_TIME)
    if genes["kind"] in ("conv", "conv2"):
        _refuse_dilation(layer, _DILATION)
        genes["conv"] = _choice(_CONVS, layer.number(_CONV))
    if genes["kind"] == "conv2":
        _refuse_dilation(layer, _DILATION2)
        genes["time2"] = layer.number(_TIME2)
        genes["conv2"] = _choice(_CONVS, layer.number(_CONV2))
    return Branch(**genes)


def _write_layer(branch: Branch) -> bytes:
    _refuse(branch.kind == "avgpool", "average pooling")
    fields = {_KIND: _KINDS.index(branch.kind)}
    if branch.kind != "1x1":
        fields[_TIME] = branch.time
    if branch.kind in ("conv", "conv2"):
        fields |= {_CONV: _CONVS.index(branch.conv), _DILATION: 1}
    if branch.kind == "conv2":
        fields |= {_TIME2: branch.time2, _DILATION2: 1, _CONV2: _CONVS.index(branch.conv2)}
    return _encode(sorted(fields.items()))


def _choice(names: Sequence[T], number: int) -> T:
    if number >= len(names):
        raise ValueError(f"type {number} is unknown, types are 0 to {len(names) - 1}")
    return names[number]


def _refuse_dilation(message: _Message, field: int) -> None:
    dilation = message.number(field)
    _refuse(dilation != 1, f"temporal dilation {dilation}")


def _refuse(refused: bool, what: str) -> None:
    if refused:
        raise UserError(
            f"This architecture has {what}, which the original code does not build; keep it as "
            "JSON (to_json) instead."
        )


class _Message:
    """The values of a decoded message by field number; the last of a repeated number counts."""

    def __init__(self, content: bytes) -> None:
        self._numbers: dict[int, int] = {}
        self._contents: dict[int, list[bytes]] = {}
        stream = BytesIO(content)
        while stream.tell() < len(content):
            field, kind = divmod(_read_varint(stream), 8)
            number = _read_varint(stream)
            if kind == 0:
                self._numbers[field] = number
            elif kind == 2:
                self._contents.setdefault(field, []).append(_read(stream, number))
            else:
                raise ValueError(f"field {field} is neither a number nor a message")

    def number(self, field: int) -> int:
        """The number in a field that has to be there."""
        if field not in self._numbers:
            raise ValueError(f"field {field} is missing")
        return self._numbers[field]

    def messages(self, field: int) -> list[_Message]:
        """All messages in a field."""
        return [_Message(content) for content in self._contents.get(field, [])]


def _encode(fields: Iterable[tuple[int, int | bytes]]) -> bytes:
    message = b""
    for field, value in fields:
        if isinstance(value, int):
            message += _varint(8 * field) + _varint(value)
        else:
            message += _varint(8 * field + 2) + _varint(len(value)) + value
    return message


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first; the highest bit says that more follow."""
    digits = b""
    while number > 127:
        digits += bytes([128 | number & 127])
        number >>= 7
    return digits + bytes([number])


def _read_varint(stream: BytesIO) -> int:
    number = shift = 0
    while True:
        byte = _read(stream, 1)[0]
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number


def _read(stream: BytesIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise ValueError("it ends too early")
    return content
