"""A multi-stream network taken apart, so that streams, nodes and edges can come and go."""

from __future__ import annotations

from typing import Any

from vidnas.families.tinystreams.architecture import Node, TinyStreams

Edge = tuple[str, str]
"""Names of its source and its target."""


class Graph:
    """What each name stands for, and the sources of each node."""

    def __init__(self, network: TinyStreams) -> None:
        names, first = network.node_names, len(network.streams)
        self.streams = dict(zip(names[:first], network.streams, strict=True))
        self.blocks = {
            name: node.block for name, node in zip(names[first:], network.nodes, strict=True)
        }
        self.sources = {
            name: {names[i] for i in node.inputs}
            for name, node in zip(names[first:], network.nodes, strict=True)
        }

    @property
    def order(self) -> list[str]:
        """Names of streams, then nodes."""
        return [*self.streams, *self.blocks]

    def spare_edges(self) -> list[Edge]:
        """Edges into nodes that have others."""
        return [
            (source, target)
            for target, sources in self.sources.items()
            for source in self.order
            if source in sources and len(sources) > 1
        ]

    def missing_edges(self) -> list[Edge]:
        """Edges that could be there."""
        order = self.order
        return [
            (source, target)
            for target, sources in self.sources.items()
            for source in order[: order.index(target)]
            if source not in sources
        ]

    def genes(self) -> dict[str, Any]:
        """The genes of the network put together again."""
        place = {name: index for index, name in enumerate(self.order)}
        streams = [
            stream.model_copy(update={"name": name}) for name, stream in self.streams.items()
        ]
        nodes = []
        for name, block in self.blocks.items():
            inputs = sorted(place[source] for source in self.sources[name])
            nodes.append(Node(block=block, inputs=tuple(inputs), name=name))
        return {"streams": tuple(streams), "nodes": tuple(nodes)}
