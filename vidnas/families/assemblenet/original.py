"""The original format of AssembleNet, nested lists, and the variables of the published code.

Both as in google-research/assemblenet (Apache-2.0). A stem is `[kind, dilation]`, a block
`[level, [inputs], filters, dilation, stride, 0]`; the weights of a node are `[]` (learned) or
`[[w1, w2, ...]]`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from pydantic import ValidationError
from torch import nn

from vidnas.core import UserError
from vidnas.families.assemblenet.architecture import DEPTHS, AssembleNet, Block, Stem, StemKind
from vidnas.families.assemblenet.attention import PeerAttention, SelfAttention
from vidnas.families.assemblenet.inverted import InvertedBottleneck
from vidnas.families.assemblenet.modules import Bottleneck
from vidnas.families.assemblenet.network import AssembleNetwork, FusedBlock
from vidnas.families.original import OfficialVariable, norm_variables, permuted, vector
from vidnas.layers.spacetime import SpaceTimeConv
from vidnas.layers.temporal import TimeConv

_Variables: TypeAlias = Iterator[tuple[str, OfficialVariable]]

_STEMS: dict[int, StemKind] = {-1: "rgb", -2: "flow", -3: "objects"}
_STEM_NUMBERS = {kind: number for number, kind in _STEMS.items()}
_LITE_REPEATS = (3, 5, 11, 7)


def from_official(
    structure: Sequence[Any],
    edge_weights: Sequence[Any] = (),
    *,
    repeats: tuple[int, int, int, int] | None = None,
    **genes: Any,
) -> AssembleNet:
    """Read a structure and the weights of its connections; no weights are learned ones.

    Args:
        structure: one list a node.
        edge_weights: one list a node, or none at all.
        repeats: modules of a block on each level, see `DEPTHS`; by default those of depth 50, and
            of ++lite where blocks have three numbers of filters.
        genes: of the architecture that the format has no room for, such as `attention`.

    Raises:
        UserError: these are not such lists, or genes that no network can have.
    """
    try:
        if edge_weights and len(edge_weights) != len(structure):
            raise ValueError(f"{len(edge_weights)} lists of weights for {len(structure)} nodes")
        weights = edge_weights or [[]] * len(structure)
        stems = [node for node in structure if len(node) == 2]
        blocks = list(zip(structure, weights, strict=True))[len(stems) :]
        lite = isinstance(structure[-1][2], (list, tuple))
        fixed: dict[str, Any] = {"module": "inverted", "flow_iterations": 20} if lite else {}
        return AssembleNet(
            stems=tuple(Stem(kind=_STEMS[kind], dilation=dilation) for kind, dilation in stems),
            blocks=tuple(_read_block(*block) for block in blocks),
            repeats=repeats or (_LITE_REPEATS if lite else DEPTHS[50]),
            **{"rules": "published", **fixed, **genes},
        )
    except (ValueError, TypeError, KeyError, IndexError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
        raise UserError(
            f"This is not an AssembleNet in its original format ({reason}); pass stems "
            "[kind, dilation], then blocks [level, [inputs], filters, dilation, stride, 0]."
        ) from error


def to_official(architecture: AssembleNet) -> tuple[list[Any], list[Any]]:
    """Write the structure and the weights of the connections.

    The format has no room for names, for what `from_official` takes as genes, and for the fused
    widths of ++lite, which the published code takes from the width of the picture.

    Raises:
        UserError: the published code would build another network.
    """
    _reject_others(architecture)
    stems = [[_STEM_NUMBERS[stem.kind], stem.dilation] for stem in architecture.stems]
    blocks = [_write_block(block) for block in architecture.blocks]
    weights = [[list(b.edge_weights)] if b.edge_weights else [] for b in architecture.blocks]
    learned = not any(weights)
    return [*stems, *blocks], [] if learned else [*([] for _ in stems), *weights]


def _read_block(node: Sequence[Any], weights: Sequence[Any]) -> Block:
    level, inputs, filters, dilation, stride, _ = node
    return Block(
        level=level,
        inputs=tuple(inputs),
        filters=tuple(filters) if isinstance(filters, list) else filters,
        dilation=dilation,
        stride=stride,
        edge_weights=tuple(weights[0]) if weights else None,
    )


def _write_block(block: Block) -> list[Any]:
    filters = list(block.filters) if isinstance(block.filters, tuple) else block.filters
    return [block.level, list(block.inputs), filters, block.dilation, block.stride, 0]


def _reject_others(architecture: AssembleNet) -> None:
    """Reject what the published code builds otherwise or not at all."""
    bottleneck = architecture.module == "bottleneck"
    kinds = {stem.kind for stem in architecture.stems}
    published = architecture.model_copy(update={"rules": "published"})
    if "precomputed_flow" in kinds:
        _reject("a stem of precomputed flow")
    if "objects" in kinds and not bottleneck:
        _reject("a stem of objects before inverted modules")
    if architecture.centres_clips:
        _reject("clips that are normalised by themselves")
    if architecture.width != 1:
        _reject(f"width {architecture.width:g}")
    fused = [b.fused for b in architecture.canonical().blocks if b.fused is not None]
    if bottleneck and fused:
        _reject(f"inputs fused to {fused[0]} channels")
    if architecture.rules == "corrected":
        if published.built != architecture.built:
            _reject("blocks that reach no head and are left out")
        if published.heads != architecture.heads:
            _reject(f"a head on {len(architecture.heads)} blocks")
        if bottleneck and "flow" in kinds:
            _reject("convolutions over time in stems of flow")
        if architecture.attention == "self":
            _reject("self attention without the layers of peer attention")


def _reject(what: str) -> None:
    raise UserError(
        f"This architecture has {what}, which the published code does not build; keep it as JSON "
        "(to_json) instead."
    )


def official_variables(network: AssembleNetwork) -> dict[str, OfficialVariable]:
    """The variables of the published code by name, in the order in which it creates them.

    Raises:
        UserError: the published code cannot build this architecture.
    """
    to_official(network.architecture)
    return dict(_network_variables(network))


def _network_variables(network: AssembleNetwork) -> _Variables:
    flat = network.architecture.module == "bottleneck"
    if network.flow is not None:
        for name, constant in network.flow.constants.items():
            order = (3, 2, 0, 1) if constant.dim() else ()
            yield f"rep_flow/{name}", permuted(constant, order)
    for node, module in zip(network.architecture.built, network.nodes, strict=True):
        yield from _Scope(f"Node_{node}/", flat=flat).variables(module)
    yield from _Scope("", flat=flat).variables(network.head)


class _Scope:
    """Numbers the layers of one scope as the default names of the published code do."""

    def __init__(self, prefix: str, *, flat: bool) -> None:
        self.prefix, self.flat = prefix, flat
        self._counts = Counter[str]()

    def variables(self, module: nn.Module) -> _Variables:
        """Yield the variables of a module and of all that it holds."""
        if isinstance(module, FusedBlock):
            yield from self._block(module)
        elif isinstance(module, (Bottleneck, InvertedBottleneck)):
            yield from self.variables(module.shortcut)
            for name, child in module.named_children():
                if name != "shortcut":
                    yield from self.variables(child)
        elif isinstance(module, nn.BatchNorm2d):
            yield from norm_variables(self._name("batch_normalization"), module)
        elif isinstance(module, nn.Linear):
            yield from _dense(self._name("dense"), module)
        elif isinstance(module, (nn.Conv2d, TimeConv, SpaceTimeConv)):
            yield self._kernel(module)
        else:
            for child in module.children():
                yield from self.variables(child)

    def _block(self, block: FusedBlock) -> _Variables:
        if block.attention is not None:
            yield from self.variables(block.attention.values)
        if block.fusion.logits is not None:
            yield f"{self.prefix}agg_weights", vector(block.fusion.logits)
        if block.attention is not None:
            yield from self._connections(block, block.attention)
        yield from self.variables(block.fusion.projections)
        yield from self.variables(block.steps)

    def _connections(
        self, block: FusedBlock, attention: PeerAttention | SelfAttention
    ) -> _Variables:
        """The gate of a single input belongs to the node, those of several have a scope each."""
        for channels, members in block.fusion.groups.items():
            for number, index in enumerate(members):
                scope = self
                if len(block.inputs) > 1:
                    prefix = f"{self.prefix}Connection_{channels}_{number}/"
                    scope = _Scope(prefix, flat=self.flat)
                if isinstance(attention, PeerAttention):
                    yield f"{scope.prefix}peer_attention_weights", vector(attention.mixture[index])
                yield from scope.variables(attention.gates[index])

    def _kernel(self, conv: nn.Conv2d | TimeConv | SpaceTimeConv) -> tuple[str, OfficialVariable]:
        """A kernel `(out, in, [t,] h, w)` is `([t,] h, w, in, out)` in the published code."""
        over_time = isinstance(conv, TimeConv)
        weight = conv.weight
        if not self.flat and weight.dim() == 4:
            weight = weight[..., None] if over_time else weight[:, :, None]
        order = (3, 2, 0, 1) if self.flat else (4, 3, 0, 1, 2)
        if isinstance(conv, TimeConv) and conv.dilation > 1:
            return self._name("Variable"), permuted(weight, order)
        return f"{self._name('conv2d' if self.flat else 'conv3d')}/kernel", permuted(weight, order)

    def _name(self, kind: str) -> str:
        number = self._counts[kind]
        self._counts[kind] += 1
        return f"{self.prefix}{kind}{f'_{number}' if number else ''}"


def _dense(name: str, layer: nn.Linear) -> _Variables:
    shape = (layer.in_features, layer.out_features)
    yield f"{name}/kernel", OfficialVariable(layer.weight, shape, lambda array: array.T)
    yield f"{name}/bias", vector(layer.bias)
