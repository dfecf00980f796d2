"""The variables of the published code (google-research/assemblenet), and where they go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from torch import nn

from vidnas.families.assemblenet.attention import PeerAttention, SelfAttention
from vidnas.families.assemblenet.inverted import InvertedBottleneck
from vidnas.families.assemblenet.modules import Bottleneck
from vidnas.families.assemblenet.network import AssembleNetwork, FusedBlock
from vidnas.families.assemblenet.published import to_official
from vidnas.families.base import OfficialVariable
from vidnas.families.variables import norm_variables, permuted, vector
from vidnas.layers.spacetime import SpaceTimeConv
from vidnas.layers.temporal import TimeConv

_Variables: TypeAlias = Iterator[tuple[str, OfficialVariable]]


def network_variables(network: AssembleNetwork) -> _Variables:
    """Yield all variables by name, in the order in which the published code creates them.

    Raises:
        UserError: the published code cannot build this architecture.
    """
    to_official(network.architecture)
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
