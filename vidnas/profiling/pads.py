"""Padding in ONNX graphs, folded into the layers that it is for.

SAME padding can differ on two sides, which layers of torch cannot express: it is exported as a node
of its own. Layers of ONNX can, and runtimes that quantise or compute in bfloat16 fail on such a
node, or copy the features for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

_FILL = {"Conv": 0.0, "AveragePool": 0.0, "MaxPool": -np.inf}
"""What each layer takes its own padding for."""


def fold_pads(model: onnx.ModelProto) -> None:
    """Remove `Pad` nodes whose only consumer can pad by itself, in place."""
    graph = model.graph
    uses = _uses(graph)
    pads = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    constants = _Constants(model)
    folded = False
    for layer in graph.node:
        pad = pads.get(layer.input[0]) if layer.op_type in _FILL else None
        if pad is None or uses[pad.output[0]] > 1:
            continue
        sides = _spatial_sides(pad, constants, _FILL[layer.op_type])
        if sides is not None and _take(layer, sides):
            layer.input[0] = pad.input[0]
            folded = True
    if folded:
        _remove_unused(graph)


class _Constants:
    """The values in a graph that depend on no input."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._opsets = model.opset_import
        self._stored = {one.name: one for one in model.graph.initializer}
        self._makers = {name: node for node in model.graph.node for name in node.output}

    def value(self, name: str) -> NDArray[Any] | None:
        """Return a value, or None if it depends on an input."""
        if name in self._stored:
            return np.asarray(numpy_helper.to_array(self._stored[name]))
        nodes = self._ancestors(name)
        if nodes is None:
            return None
        needed = {source for node in nodes for source in node.input if source in self._stored}
        output = onnx.helper.make_empty_tensor_value_info(name)
        graph = onnx.helper.make_graph(
            nodes, "constant", [], [output], [self._stored[one] for one in needed]
        )
        part = onnx.helper.make_model(graph, opset_imports=self._opsets)
        values: Any = ReferenceEvaluator(part).run(None, {})
        return np.asarray(values[0])

    def _ancestors(self, name: str) -> list[onnx.NodeProto] | None:
        maker = self._makers.get(name)
        if maker is None:
            return None
        found: list[onnx.NodeProto] = []
        for source in filter(None, maker.input):
            if source not in self._stored:
                earlier = self._ancestors(source)
                if earlier is None:
                    return None
                found += [node for node in earlier if node not in found]
        return [*found, maker]


def _spatial_sides(pad: onnx.NodeProto, constants: _Constants, fill: float) -> list[int] | None:
    """Return what is padded before and after each axis but the first two, or None if it cannot be
    a layer's own."""
    mode = next((a.s for a in pad.attribute if a.name == "mode"), b"constant")
    if mode != b"constant" or any(pad.input[3:]):
        return None
    found, value = constants.value(pad.input[1]), 0.0
    if len(pad.input) > 2 and pad.input[2]:
        filled = constants.value(pad.input[2])
        value = np.nan if filled is None else float(filled)
    if found is None or value != fill:
        return None
    sides = found.tolist()
    axes = len(sides) // 2
    before, after = sides[:axes], sides[axes:]
    if any((*before[:2], *after[:2])) or min(sides) < 0:
        return None
    return [*before[2:], *after[2:]]


def _take(layer: onnx.NodeProto, sides: list[int]) -> bool:
    """Give a layer more padding; return whether it can have it."""
    own = {one.name: onnx.helper.get_attribute_value(one) for one in layer.attribute}
    if own.get("auto_pad", b"NOTSET") != b"NOTSET" or own.get("ceil_mode", 0):
        return False
    before = own.get("pads", [0] * len(sides))
    if layer.op_type == "AveragePool":
        # What the node padded counted, so that what the layer padded by itself must count, too.
        if any(before) and not own.get("count_include_pad", 0):
            return False
        own["count_include_pad"] = 1
    own["pads"] = np.add(sides, before).tolist()
    del layer.attribute[:]
    layer.attribute.extend(onnx.helper.make_attribute(*item) for item in own.items())
    return True


def _uses(graph: onnx.GraphProto) -> Counter[str]:
    return Counter([*_used(graph), *(value.name for value in graph.output)])


def _used(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield what nodes take, those in the bodies of loops and branches included."""
    for node in graph.node:
        yield from _taken(node)


def _taken(node: onnx.NodeProto) -> Iterator[str]:
    yield from node.input
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            yield from _used(body)
            yield from (value.name for value in body.output)


def _remove_unused(graph: onnx.GraphProto) -> None:
    uses = _uses(graph)
    for node in reversed([*graph.node]):  # after all that use it
        if not any(uses[name] for name in node.output):
            graph.node.remove(node)
            uses.subtract(_taken(node))
