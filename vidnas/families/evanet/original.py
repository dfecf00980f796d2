"""The original format of EvaNet's genomes, and the variables of the published code.

Both as in google-research/evanet (Apache-2.0). A genome is the base64 of a proto2 message, with the
field numbers of inception_cell_spec.proto; messages hold nothing but numbers and other messages, so
they are read and written without a library.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import count
from typing import Any, TypeAlias, TypeVar, cast

from pydantic import ValidationError
from torch import Tensor, nn

from vidnas.core import UserError
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.module import Branch, BranchKind, ConvKind, Module
from vidnas.families.evanet.network import (
    EvaNetNetwork,
    ParallelBranch,
    ResidualModule,
    SpaceTimeConvNorm,
)
from vidnas.families.original import OfficialVariable, norm_variables, permuted, vector
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.itgm import ITGMConv
from vidnas.layers.spacetime import TwoPlusOneConv

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
            modules=tuple(_read_block(block) for block in message.messages(_BLOCKS)),
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
        *((_BLOCKS, _write_block(stage)) for stage in architecture.modules),
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


_ROOT = "VidIncRes"
_Variables: TypeAlias = Iterator[tuple[str, OfficialVariable]]
_Layer: TypeAlias = ConvNorm | SpaceTimeConvNorm


def official_variables(network: EvaNetNetwork) -> dict[str, OfficialVariable]:
    """The variables of the published code by name, and where they go.

    Raises:
        UserError: the published code cannot build this architecture.
    """
    to_official(network.architecture)
    return dict(_network_variables(network))


def _network_variables(network: EvaNetNetwork) -> _Variables:
    yield from _scope(_ROOT, [("Conv2d_1a_7x7", network.stem)])
    for number, stage in enumerate(network.stages, start=2):
        for repeat, module in enumerate(cast(Iterable[ResidualModule], stage)):
            block = f"Block_{repeat}" if repeat else "BaseBlock"
            scope = f"{_ROOT}/res_block_{number}/{block}/res_block_{number}"
            if repeat == 0:
                yield from _scope(scope, [("shortcut", cast(ConvNorm, module.shortcut))])
            branches = cast(Iterable[ParallelBranch], module.branches.branches)
            for index, branch in enumerate(branches):
                yield from _scope(f"{scope}/Branch_{index}", _named(branch))
    dense = network.head.dense
    yield f"{_ROOT}/Logits/Conv/weights", _kernel(dense.weight[..., None, None, None])
    yield f"{_ROOT}/Logits/Conv/biases", vector(dense.bias)


def _named(branch: ParallelBranch) -> list[tuple[str, _Layer]]:
    """The convolutions of a branch with the names that they have in its scope."""
    if branch.pool is not None:
        return [("Conv2d_0b_1x1", branch.pointwise)]
    names = ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3")
    return list(zip(names, [branch.pointwise, *branch.convs], strict=False))


def _scope(scope: str, layers: Iterable[tuple[str, _Layer]]) -> _Variables:
    """Number the batch norms of one scope as the default names of the original code do."""
    norms = count()
    for name, layer in layers:
        yield from _conv_norm(scope, name, layer, norms)


def _conv_norm(
    scope: str, name: str, layer: _Layer, norms: Iterator[int], *, over_time: bool = False
) -> _Variables:
    conv = layer.conv
    if isinstance(conv, TwoPlusOneConv):
        temporal = cast(ConvNorm, conv.time.layer)
        yield from _conv_norm(scope, name, temporal, norms, over_time=True)
        name, conv = f"{name}s", conv.space
    yield from conv_variables(f"{scope}/{name}", conv, over_time=over_time)
    number = next(norms)
    yield from norm_variables(f"{scope}/BatchNorm{f'_{number}' if number else ''}", layer.norm)


def conv_variables(scope: str, conv: nn.Module, *, over_time: bool = False) -> _Variables:
    """Yield the variables of one convolution; `over_time` tells a `(t, 1)` kernel from `(h, w)`."""
    weight = cast(Tensor, conv.weight)
    if weight.dim() == 4:
        weight = weight[..., None] if over_time else weight[:, :, None]
    yield f"{scope}/weights", _kernel(weight)
    if isinstance(conv, ITGMConv):
        yield f"{scope}/soft-attn", _mixture(conv.mixture)
        yield f"{scope}/tgm-f/tgm-f/tgm-center", vector(conv.center)
        yield f"{scope}/tgm-f/tgm-f/tgm-gamma", vector(conv.gamma)


def _kernel(weight: Tensor) -> OfficialVariable:
    """A kernel `(out, in, t, h, w)`, which is `(t, h, w, in, out)` in the original."""
    return permuted(weight, (4, 3, 0, 1, 2))


def _mixture(weight: Tensor) -> OfficialVariable:
    """Mixing weights `(out, profiles, in)`, which are `(in * out, profiles)` in the original."""
    out, profiles, channels = weight.shape
    return OfficialVariable(
        weight,
        (channels * out, profiles),
        lambda array: array.reshape(channels, out, profiles).permute(1, 2, 0),
    )
