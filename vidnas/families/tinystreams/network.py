"""Multi-stream Tiny Video Networks as modules, in the formulation of frames as a batch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from vidnas.families.graph import edge_name, named_state
from vidnas.families.network import Network
from vidnas.families.tinystreams.architecture import TinyStreams
from vidnas.families.tinyvideonet.network import TinyVideoUnit
from vidnas.families.tinyvideonet.unit import Unit
from vidnas.layers.frames import clip_to_frames, use_channels_last
from vidnas.layers.fusion import WeightedFusion
from vidnas.layers.head import ClassifierHead
from vidnas.layers.shrinking import shorten

_BEHIND_REPEATS = re.compile(r"(nodes\.\d+\.)units\.\d+\.(non_local\.)")

Features = tuple[Tensor, int]
"""Frames `(N * T, C, H, W)`, and T."""


class TinyNode(nn.Module):
    """Fuses its inputs and runs the repeats of its block."""

    def __init__(self, channels: Sequence[int], units: Sequence[Unit]) -> None:
        super().__init__()
        self.fusion = WeightedFusion(channels)
        self.units = nn.ModuleList(TinyVideoUnit(unit) for unit in units)

    def forward(self, inputs: Sequence[Features]) -> Features:
        """Features of any sizes and lengths to features; the shortest decide the length."""
        frames = min(count for _, count in inputs)
        x = self.fusion([shorten(x, count, frames) for x, count in inputs])
        for unit in self.units:
            x, frames = unit(x, frames)
        return x, frames


class TinyStreamsNetwork(Network):
    """The streams and nodes that lead to the classifier."""

    def __init__(self, architecture: TinyStreams, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        self.built = architecture.pruned()
        channels = [stream.spec.channels for stream in self.built.streams]
        self.nodes = nn.ModuleList()
        for node, units in zip(self.built.nodes, self.built.units, strict=True):
            self.nodes.append(TinyNode([channels[i] for i in node.inputs], units))
            channels.append(units[-1].exit.channels)
        self.head = ClassifierHead(
            channels[-1],
            num_classes,
            dropout=architecture.dropout,
            max_pool_predictions=architecture.max_pool_predictions,
        )
        use_channels_last(self)

    def forward(self, *clips: Tensor) -> Tensor:
        """`(N, C, T, H, W)` in [0, 1] per input to logits `(N, num_classes)`, for any sizes."""
        entering = {
            spec: (clip_to_frames(normalize(clip)), int(clip.shape[2]))
            for spec, normalize, clip in zip(
                self.built.inputs, self.normalizations, clips, strict=True
            )
        }
        features: list[Features] = [entering[stream.spec] for stream in self.built.streams]
        for node, module in zip(self.built.nodes, self.nodes, strict=True):
            features.append(module([features[i] for i in node.inputs]))
        logits: Tensor = self.head(*features[-1])
        return logits

    def connection_weights(self) -> dict[str, float]:
        """What each connection is scaled by, as `source->target`; one where there is no other."""
        names, weights = self.built.node_names, {}
        modules = cast(Iterable[TinyNode], self.nodes)
        for node, module in zip(self.built.nodes, modules, strict=True):
            learned = module.fusion.edge_weights.tolist()
            for source, weight in zip(node.inputs, learned, strict=True):
                weights[edge_name(names[source], node.name)] = weight
        return weights

    def lineage(
        self, state: Mapping[str, Tensor], parent: Network | None = None
    ) -> dict[str, Tensor]:
        """Tensors by the names of nodes and connections. The non-local block of a node is behind
        its last repeat, whichever that is."""
        names, nodes = self.built.node_names, self.built.nodes
        return named_state(
            {_BEHIND_REPEATS.sub(r"\1\2", key): tensor for key, tensor in state.items()},
            [node.name for node in nodes],
            [[names[source] for source in node.inputs] for node in nodes],
            [module.fusion.groups for module in cast(Iterable[TinyNode], self.nodes)],
        )
