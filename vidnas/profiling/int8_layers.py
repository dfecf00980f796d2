"""Which layers of a quantised graph compute in int8, and which were kept in float."""

from __future__ import annotations

from typing import Any

import onnx

from vidnas.core.value import Value

_OF_ONNX = ("Conv", "Gemm", "MatMul")
_OF_OPENVINO = ("Convolution", "GroupConvolution", "MatMul")
_SCALING = ("Convert", "Multiply", "Subtract", "Reshape", "Transpose")
"""What stands between quantised weights and the layer that they are of."""


class Int8Layers(Value):
    """How many convolutions and products a quantised network has."""

    count: int
    in_float: int
    """Those that stayed in float32, because int8 cost too much there."""

    def __str__(self) -> str:
        return f"{self.in_float} of {self.count} layers kept in float32"


def int8_layers(graph: Any) -> Int8Layers:
    """Count the layers of an `onnx.ModelProto` or an `openvino.Model`."""
    found = _in_onnx(graph) if isinstance(graph, onnx.ModelProto) else _in_openvino(graph)
    return Int8Layers(count=len(found), in_float=found.count(False))


def _in_onnx(model: onnx.ModelProto) -> list[bool]:
    """Return whether the second operand of each layer is quantised."""
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    return [
        made.get(node.input[1]) == "DequantizeLinear"
        for node in model.graph.node
        if node.op_type in _OF_ONNX
    ]


def _in_openvino(model: Any) -> list[bool]:
    layers = [node for node in model.get_ops() if node.get_type_name() in _OF_OPENVINO]
    return [_is_quantized(layer.input_value(1).get_node()) for layer in layers]


def _is_quantized(node: Any) -> bool:
    while node.get_type_name() in _SCALING:
        node = node.input_value(0).get_node()
    kind = str(node.get_type_name())
    return kind == "FakeQuantize" or (kind == "Constant" and node.get_element_type().size == 1)
