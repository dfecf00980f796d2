"""The original format of EvaNet's genomes, and the variables of the published code.

Both as in google-research/evanet (Apache-2.0). A genome is the base64 of a proto2 message, with the
field numbers of inception_cell_spec.proto.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, TypeAlias, TypeVar, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessages
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
"""Kinds, and below convolutions, in the order of their numbers in the format."""
_CONVS: tuple[ConvKind, ...] = ("3d", "itgm", "2+1d")

_FIELDS = {
    "Layer": ("kind", "conv", "time", "dilation", "time2", "dilation2", "conv2"),
    "Block": ("repeats", "non_local", "layers:Layer"),
    "Genome": (
        "stem_time",
        "stem_dilation",
        "stem_conv",
        "pool1",
        "pool3",
        "pool4",
        "blocks:Block",
    ),
}
"""The fields of each message, numbered from 1: numbers, or lists of the message that a colon
names."""


def _message_types() -> dict[str, type[Message]]:
    file = FileDescriptorProto(name="inception_cell_spec.proto", syntax="proto2")
    optional, repeated = FieldDescriptor.LABEL_OPTIONAL, FieldDescriptor.LABEL_REPEATED
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, text in enumerate(fields, 1):
            field, _, kind = text.partition(":")
            message.field.add(
                name=field,
                number=number,
                label=repeated if kind else optional,
                type=FieldDescriptor.TYPE_MESSAGE if kind else FieldDescriptor.TYPE_UINT32,
                type_name=kind or None,
            )
    return dict(GetMessages([file], DescriptorPool()))


_TYPES = _message_types()


def from_official(genome: str) -> EvaNet:
    """Read a genome in the original format.

    Raises:
        UserError: it is not such a genome, or has genes that the original code ignores.
    """
    try:
        message = _TYPES["Genome"].FromString(base64.b64decode(genome, validate=True))
        _reject_dilation(message, "stem_dilation")
        pool1, pool3, pool4 = (_number(message, pool) for pool in ("pool1", "pool3", "pool4"))
        return EvaNet(
            stem_time=_number(message, "stem_time"),
            stem_conv=_choice(_CONVS, _number(message, "stem_conv")),
            pool_times=(pool1, pool1, pool3, pool4),
            modules=tuple(_read_block(block) for block in message.blocks),
        )
    except (ValueError, DecodeError) as error:
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
    _reject(architecture.width != 1, f"width {architecture.width:g}")
    _reject(architecture.centres_clips, "clips that are normalised by themselves")
    _reject(profile != "evanet", f"the temporal profile {profile!r}")
    _reject(pool1 != pool2, f"a second pool of length {pool2} after a first of length {pool1}")
    message = _TYPES["Genome"](
        stem_time=architecture.stem_time,
        stem_dilation=1,
        stem_conv=_CONVS.index(architecture.stem_conv),
        pool1=pool1,
        pool3=pool3,
        pool4=pool4,
        blocks=[_write_block(stage) for stage in architecture.modules],
    )
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def _read_block(block: Message) -> Module:
    _reject(_number(block, "non_local") != 0, "a non-local block")
    layers = tuple(_read_layer(layer) for layer in block.layers)
    return Module(branches=layers, repeats=_number(block, "repeats"))


def _write_block(module: Module) -> dict[str, Any]:
    _reject(module.non_local, "a non-local block")
    layers = [_write_layer(branch) for branch in module.branches]
    return {"repeats": module.repeats, "non_local": 0, "layers": layers}


def _read_layer(layer: Message) -> Branch:
    genes: dict[str, Any] = {"kind": _choice(_KINDS, _number(layer, "kind"))}
    if genes["kind"] != "1x1":
        genes["time"] = _number(layer, "time")
    if genes["kind"] in ("conv", "conv2"):
        _reject_dilation(layer, "dilation")
        genes["conv"] = _choice(_CONVS, _number(layer, "conv"))
    if genes["kind"] == "conv2":
        _reject_dilation(layer, "dilation2")
        genes["time2"] = _number(layer, "time2")
        genes["conv2"] = _choice(_CONVS, _number(layer, "conv2"))
    return Branch(**genes)


def _write_layer(branch: Branch) -> dict[str, int]:
    _reject(branch.kind == "avgpool", "average pooling")
    fields = {"kind": _KINDS.index(branch.kind)}
    if branch.kind != "1x1":
        fields["time"] = branch.time
    if branch.kind in ("conv", "conv2"):
        fields |= {"conv": _CONVS.index(branch.conv), "dilation": 1}
    if branch.kind == "conv2":
        fields |= {"time2": branch.time2, "dilation2": 1, "conv2": _CONVS.index(branch.conv2)}
    return fields


def _number(message: Message, field: str) -> int:
    if not message.HasField(field):
        raise ValueError(f"{field} is missing")
    return int(getattr(message, field))


def _choice(names: Sequence[T], number: int) -> T:
    if number >= len(names):
        raise ValueError(f"type {number} is unknown, types are 0 to {len(names) - 1}")
    return names[number]


def _reject_dilation(message: Message, field: str) -> None:
    dilation = _number(message, field)
    _reject(dilation != 1, f"temporal dilation {dilation}")


def _reject(rejected: bool, what: str) -> None:
    if rejected:
        raise UserError(
            f"This architecture has {what}, which the original code does not build; keep it as "
            "JSON (to_json) instead."
        )


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
    kernel = _kernel(dense.weight[..., None, None, None])
    for name, variable in (("weights", kernel), ("biases", vector(dense.bias))):
        saved_as = f"{_ROOT}/Logits/Conv3d/{name}"
        yield f"{_ROOT}/Logits/Conv/{name}", replace(variable, saved_as=saved_as)


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
