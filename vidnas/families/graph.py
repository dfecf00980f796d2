"""The graph of a genome taken apart, so that nodes and edges can come and go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

Edge = tuple[str, str]
"""Names of its source and its target."""


class Graph:
    """What each node takes, by name, in topological order; entries take a clip and no node."""

    def __init__(self, names: Sequence[str], inputs: Sequence[Sequence[int]]) -> None:
        """Take the names of entries, then nodes, and the places of each node's inputs in these."""
        first = len(names) - len(inputs)
        self.entries = list(names[:first])
        self.sources = {
            name: {names[i] for i in taken}
            for name, taken in zip(names[first:], inputs, strict=True)
        }

    @property
    def order(self) -> list[str]:
        """Names of entries, then nodes."""
        return [*self.entries, *self.sources]

    def inputs(self, name: str) -> tuple[int, ...]:
        """The places of a node's sources, in ascending order."""
        return tuple(i for i, other in enumerate(self.order) if other in self.sources[name])

    @property
    def edges(self) -> dict[str, Edge]:
        """All edges by name, as `Network.connection_weights` has them."""
        order = self.order
        return {
            edge_name(source, target): (source, target)
            for target, sources in self.sources.items()
            for source in order
            if source in sources
        }

    def leading_to(self, ends: Iterable[str]) -> set[str]:
        """The ends, and all from which one of them can be reached."""
        reached = set(ends)
        for name in reversed(self.sources):
            if name in reached:
                reached |= self.sources[name]
        return reached

    def keep(self, names: Iterable[str]) -> None:
        """Drop all entries and nodes but these, of which none takes one that is dropped."""
        kept = set(names)
        self.entries = [name for name in self.entries if name in kept]
        self.sources = {name: s for name, s in self.sources.items() if name in kept}

    def add(self, name: str, sources: Iterable[str], place: int) -> None:
        """Insert a node before the one at this place among the nodes."""
        nodes = list(self.sources.items())
        self.sources = dict([*nodes[:place], (name, set(sources)), *nodes[place:]])

    def remove(self, name: str, heirs: Iterable[str]) -> None:
        """Remove a node; the nodes that took it take its heirs instead."""
        del self.sources[name]
        for sources in self.sources.values():
            if name in sources:
                sources.remove(name)
                sources.update(heirs)


def edge_name(source: str, target: str) -> str:
    """What an edge is called wherever it is named."""
    return f"{source}->{target}"


def named_state(
    state: Mapping[str, Tensor],
    nodes: Sequence[str],
    sources: Sequence[Sequence[str]],
    groups: Sequence[Mapping[int, Sequence[int]]],
) -> dict[str, Tensor]:
    """Tensors of a network by the names of nodes and edges, which stay when others come and go.

    Args:
        state: by the names of modules; `nodes.3.fusion.logits` has a weight for each source of the
            fourth node.
        nodes: the names of `nodes.0`, `nodes.1`, ...
        sources: the names of what each takes; of stems, nothing.
        groups: the places of each one's sources by their width, as `WeightedFusion.groups`.
    """
    found = {}
    for key, tensor in state.items():
        if not key.startswith("nodes."):
            found[key] = tensor
            continue
        place, _, rest = key.removeprefix("nodes.").partition(".")
        node = nodes[int(place)]
        edges = [edge_name(source, node) for source in sources[int(place)]]
        if rest == "fusion.logits":
            for index, edge in enumerate(edges):
                found[edge] = tensor[index : index + 1]
        elif rest.startswith("fusion.projections."):
            width, _, rest = rest.removeprefix("fusion.projections.").partition(".")
            # It belongs to all sources of its width, the first before the others, and stays as long
            # as one of them does, whatever becomes of their width.
            for index in reversed(groups[int(place)][int(width)]):
                found[f"projection {edges[index]} {rest}"] = tensor
        else:
            found[f"nodes.{node}.{rest}"] = tensor
    return found
