"""Padding in ONNX graphs, folded into the layers that it is for.

SAME padding can differ on two sides, which layers of torch cannot express: it is exported as a node
of its own. Layers of ONNX can, and runtimes that quantise or compute in bfloat16 fail on such a
node, or copy the features for it.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import numpy_helper

_FILL = {"Conv": 0.0, "AveragePool": 0.0, "MaxPool": -np.inf}
"""What each layer takes its own padding for."""


def fold_pads(model: onnx.ModelProto) -> None:
    """Remove `Pad` nodes whose only consumer can pad by itself, in place."""
    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(value.name for value in graph.output)
    pads = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    for layer in graph.node:
        pad = pads.get(layer.input[0]) if layer.op_type in _FILL else None
        if pad is None or uses[pad.output[0]] > 1:
            continue
        sides = _spatial_sides(pad, constants, _FILL[layer.op_type])
        if sides is None or not _take(layer, sides):
            continue
        layer.input[0] = pad.input[0]
        graph.node.remove(pad)


def _spatial_sides(
    pad: onnx.NodeProto, constants: dict[str, onnx.TensorProto], fill: float
) -> list[int] | None:
    """Return what is padded before and after each axis but the first two, or None if it cannot be
    a layer's own."""
    mode = next((a.s for a in pad.attribute if a.name == "mode"), b"constant")
    if mode != b"constant" or len(pad.input) > 3 or pad.input[1] not in constants:
        return None
    value = 0.0
    if len(pad.input) == 3 and pad.input[2]:
        if pad.input[2] not in constants:
            return None
        value = float(numpy_helper.to_array(constants[pad.input[2]]))
    sides = numpy_helper.to_array(constants[pad.input[1]]).tolist()
    axes = len(sides) // 2
    before, after = sides[:axes], sides[axes:]
    if value != fill or any((*before[:2], *after[:2])) or min(sides) < 0:
        return None
    return [*before[2:], *after[2:]]


def _take(layer: onnx.NodeProto, sides: list[int]) -> bool:
    """Give a layer more padding; return whether it can have it."""
    attributes = {attribute.name: attribute for attribute in layer.attribute}
    for name, wanted in (("auto_pad", b"NOTSET"), ("ceil_mode", 0)):
        found = attributes.get(name)
        if found is not None and onnx.helper.get_attribute_value(found) != wanted:
            return False
    own = attributes.get("pads")
    total = np.add(sides, own.ints if own is not None else 0).tolist()
    if layer.op_type == "AveragePool":
        # What was padded before counted, so all must, and what the layer padded must not differ.
        counted = attributes.get("count_include_pad")
        if own is not None and any(own.ints) and (counted is None or not counted.i):
            return False
        _set(layer, "count_include_pad", 1)
    _set(layer, "pads", total)
    return True


def _set(layer: onnx.NodeProto, name: str, value: int | list[int]) -> None:
    kept = [attribute for attribute in layer.attribute if attribute.name != name]
    del layer.attribute[:]
    layer.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
