"""AssembleNet networks as modules, in the formulation of frames as a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, nn

from vidnas.families.assemblenet.architecture import LEVEL_WIDTHS, AssembleNet, StemKind
from vidnas.families.assemblenet.attention import PeerAttention, SelfAttention
from vidnas.families.assemblenet.inverted import InvertedBottleneck, SpaceThenTime
from vidnas.families.assemblenet.modules import Bottleneck, ClipStem, ObjectStem
from vidnas.families.graph import edge_name, named_state
from vidnas.families.network import Network
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.frames import clip_to_frames, mean_over_space, use_channels_last
from vidnas.layers.fusion import WeightedFusion, max_pool_to, smallest_size
from vidnas.layers.head import ClassifierHead
from vidnas.layers.representation_flow import RepresentationFlow

_LITE_HEAD_WIDTHS = (432, 2048)


class Features:
    """The output of each node in one forward pass, pooled and averaged once."""

    def __init__(self) -> None:
        self.maps: dict[int, Tensor] = {}
        self._pooled: dict[tuple[int, tuple[int, int]], Tensor] = {}
        self._means: dict[int, Tensor] = {}

    def pooled(self, nodes: Sequence[int]) -> list[Tensor]:
        """Maps of these nodes, `(N * T, C_i, H, W)`, max-pooled to the size of the smallest."""
        size = smallest_size([self.maps[node] for node in nodes])
        for node in nodes:
            if (node, size) not in self._pooled:
                self._pooled[node, size] = max_pool_to(self.maps[node], size)
        return [self._pooled[node, size] for node in nodes]

    def means(self, nodes: Sequence[int]) -> list[Tensor]:
        """Means over space of these nodes, `(N * T, C_i)`."""
        for node in nodes:
            if node not in self._means:
                self._means[node] = mean_over_space(self.maps[node])
        return [self._means[node] for node in nodes]


class FusedBlock(nn.Module):
    """A node that fuses its inputs and runs its modules."""

    def __init__(self, architecture: AssembleNet, node: int) -> None:
        super().__init__()
        block = architecture.block(node)
        self.inputs = block.inputs
        channels = [architecture.channels(i) for i in self.inputs]
        fused = architecture.fused_channels(node)
        self.fusion = WeightedFusion(channels, fused, weights=block.edge_weights)
        self.peers = _peers(architecture, block.level)
        peers = [architecture.channels(peer) for peer in self.peers]
        self.attention: PeerAttention | SelfAttention | None = None
        if architecture.attention == "peer":
            self.attention = PeerAttention(peers, channels)
        elif architecture.attention == "self":
            unused = peers if architecture.rules == "published" else []
            self.attention = SelfAttention(channels, unused)
        self.steps = nn.ModuleList(_modules(architecture, node, fused))

    def forward(self, features: Features, frames: int) -> Tensor:
        """The features so far to `(N * T, C, H, W)`."""
        inputs = features.pooled(self.inputs)
        x: Tensor = self.fusion(inputs, self._gates(inputs, features))
        for step in self.steps:
            x = step(x, frames)
        return x

    def named_attention(
        self, key: str, tensor: Tensor, name: str, names: Sequence[str]
    ) -> dict[str, Tensor]:
        """A tensor of the attention by the connections and the nodes that its parts belong to.

        Args:
            key: `gates.k.*`, `values.k.*` or `mixture`.
            tensor: the tensor.
            name: of this node.
            names: of all nodes.
        """
        edges = [edge_name(names[source], name) for source in self.inputs]
        peers = [edge_name(names[peer], name) for peer in self.peers]
        part, _, rest = key.partition(".")
        if part == "mixture":
            return {
                f"{part} {edge} {peer}": tensor[row : row + 1, column : column + 1]
                for row, edge in enumerate(edges)
                for column, peer in enumerate(peers)
            }
        place, _, rest = rest.partition(".")
        owner = (edges if part == "gates" else peers)[int(place)]
        return {f"{part} {owner} {rest}": tensor}

    def _gates(self, inputs: Sequence[Tensor], features: Features) -> list[Tensor] | None:
        if isinstance(self.attention, PeerAttention):
            gates: list[Tensor] = self.attention(features.means(self.peers))
            return gates
        if isinstance(self.attention, SelfAttention):
            weights = self.fusion.edge_weights.unbind()
            pairs = zip(inputs, weights, strict=True)
            gates = self.attention([mean_over_space(x) * weight for x, weight in pairs])
            return gates
        return None


class MeanHead(nn.Module):
    """Classifier of the mean of the nodes' features."""

    def __init__(self, architecture: AssembleNet, num_classes: int) -> None:
        super().__init__()
        channels = architecture.channels(architecture.heads[0])
        self.convs = nn.Sequential()
        if architecture.module == "inverted":
            widths = [channels, *(architecture.scaled(width) for width in _LITE_HEAD_WIDTHS)]
            self.convs.extend(ConvNorm(*pair, act="relu") for pair in pairwise(widths))
            channels = widths[-1]
        self.classifier = ClassifierHead(
            channels,
            num_classes,
            dropout=architecture.dropout,
            max_pool_predictions=architecture.max_pool_predictions,
        )

    def forward(self, maps: Sequence[Tensor], frames: int) -> Tensor:
        """Maps `(N * T, C, H_i, W_i)` to logits `(N, num_classes)`."""
        means = [mean_over_space(self.convs(x)) for x in maps]
        mean = reduce(torch.add, means) / len(means)
        logits: Tensor = self.classifier(mean[:, :, None, None], frames)
        return logits


class AssembleNetwork(Network):
    """Stems, blocks that fuse what lower levels gave, and a classifier."""

    architecture: AssembleNet

    def __init__(self, architecture: AssembleNet, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        stems = len(architecture.stems)
        self.nodes = nn.ModuleList(
            _stem(architecture, node) if node < stems else FusedBlock(architecture, node)
            for node in architecture.built
        )
        self.flow: RepresentationFlow | None = None
        if "flow" in self._stem_kinds:
            self.flow = RepresentationFlow(
                architecture.flow_iterations, architecture.flow_normalization
            )
        self.head = MeanHead(architecture, num_classes)
        use_channels_last(self)

    def forward(self, *clips: Tensor) -> Tensor:
        """One `(N, C, T, H, W)` in [0, 1] per input to `(N, num_classes)`, for any N, T, H, W."""
        streams, frames = self._streams(clips), int(clips[0].shape[2])
        features = Features()
        for node, module in zip(self.architecture.built, self.nodes, strict=True):
            if isinstance(module, FusedBlock):
                features.maps[node] = module(features, frames)
            else:
                kind = self.architecture.stems[node].kind
                features.maps[node] = module(streams[kind], frames)
        maps = [features.maps[node] for node in self.architecture.heads]
        logits: Tensor = self.head(maps, frames)
        return logits

    def connection_weights(self) -> dict[str, float]:
        """What each input of each block is scaled by; one where it is the only input."""
        names = self.architecture.node_names
        weights = {}
        for node, block in self.blocks():
            values = block.fusion.edge_weights.tolist()
            for source, value in zip(block.inputs, values, strict=True):
                weights[edge_name(names[source], names[node])] = float(value)
        return weights

    def lineage(
        self, state: Mapping[str, Tensor], parent: Network | None = None
    ) -> dict[str, Tensor]:
        """Tensors by the names of blocks and connections."""
        names, built = self.architecture.node_names, self.architecture.built
        blocks = dict(self.blocks())
        others = dict(state)
        found: dict[str, Tensor] = {}
        for place, node in enumerate(built):
            prefix = f"nodes.{place}.attention."
            for key in [key for key in others if key.startswith(prefix)]:
                rest, tensor = key.removeprefix(prefix), others.pop(key)
                found |= blocks[node].named_attention(rest, tensor, names[node], names)
        taken = {node: [names[source] for source in block.inputs] for node, block in blocks.items()}
        groups = {node: block.fusion.groups for node, block in blocks.items()}
        named = named_state(
            others,
            [names[node] for node in built],
            [taken.get(node, []) for node in built],
            [groups.get(node, {}) for node in built],
        )
        return named | found

    def blocks(self) -> Iterator[tuple[int, FusedBlock]]:
        """Built blocks by their nodes."""
        for node, module in zip(self.architecture.built, self.nodes, strict=True):
            if isinstance(module, FusedBlock):
                yield node, module

    @property
    def _stem_kinds(self) -> set[StemKind]:
        stems = self.architecture.stems
        return {stems[node].kind for node in self.architecture.built if node < len(stems)}

    def _streams(self, clips: Sequence[Tensor]) -> dict[StemKind, Tensor]:
        """The frames `(N * T, C, H, W)` that each kind of stem sees."""
        streams: dict[StemKind, Tensor] = {}
        inputs = self.architecture.inputs
        for spec, clip, normalize in zip(inputs, clips, self.normalizations, strict=True):
            kind: StemKind = "precomputed_flow" if spec.modality == "flow" else spec.modality
            streams[kind] = clip_to_frames(normalize(clip))
            if spec.modality == "rgb" and self.flow is not None:
                streams["flow"] = self.flow(clip)
        return streams


def _stem(architecture: AssembleNet, node: int) -> nn.Module:
    stem, channels = architecture.stems[node], architecture.channels(node)
    inverted = architecture.module == "inverted"
    if stem.kind == "objects":
        return ObjectStem(stride=2 if inverted else 4)
    in_channels = 3 if stem.kind == "rgb" else 2
    if inverted:
        return SpaceThenTime(in_channels, channels, stride=2, dilation=stem.dilation)
    published_flow = stem.kind != "rgb" and architecture.rules == "published"
    return ClipStem(
        in_channels,
        channels,
        dilation=None if published_flow else stem.dilation,
        pool=3 if stem.kind == "rgb" else 2,
    )


def _peers(architecture: AssembleNet, level: int) -> list[int]:
    """Nodes of lower levels in the order of the published code: objects, flow, RGB, blocks."""
    order: tuple[StemKind, ...] = ("objects", "precomputed_flow", "flow", "rgb")

    def rank(node: int) -> tuple[int, int]:
        stem = node < len(architecture.stems)
        return architecture.level(node), order.index(architecture.stems[node].kind) if stem else 0

    return sorted((n for n in architecture.built if architecture.level(n) < level), key=rank)


def _modules(architecture: AssembleNet, node: int, channels: int) -> Iterator[nn.Module]:
    """The modules of a block whose fused inputs have so many channels."""
    block = architecture.block(node)
    for index in range(architecture.repeats[block.level]):
        stride, projected = (block.stride, True) if index == 0 else (1, False)
        if isinstance(block.filters, tuple):
            first, middle, last = (architecture.scaled(filters) for filters in block.filters)
            yield InvertedBottleneck(
                channels,
                (first, middle, last),
                stride=stride,
                dilation=block.dilation,
                projected=projected,
            )
        else:
            first, last = architecture.scaled(block.filters), architecture.channels(node)
            yield Bottleneck(
                channels,
                (first, architecture.scaled(LEVEL_WIDTHS[block.level]), last),
                stride=stride,
                dilation=block.dilation if index % 2 else None,
                projected=projected,
            )
        channels = architecture.channels(node)
