from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import torch

from vidnas.families import create_network
from vidnas.profiling.onnx import export_onnx, input_names


def differences(network, inputs) -> tuple[float, float]:
    session = onnxruntime.InferenceSession(
        export_onnx(network, inputs), providers=["CPUExecutionProvider"]
    )
    assert [node.name for node in session.get_inputs()] == list(input_names(inputs))
    assert [node.name for node in session.get_outputs()] == ["logits"]
    largest = scale = 0.0
    for batch in (1, 3):
        clips = [torch.rand(spec.shape(batch)) for spec in inputs]
        feed = {name: clip.numpy() for name, clip in zip(input_names(inputs), clips, strict=True)}
        with torch.inference_mode():
            expected = network(*clips).numpy()
        actual = session.run(None, feed)[0]
        assert actual.shape == expected.shape == (batch, network.num_classes)
        largest = max(largest, float(np.abs(actual - expected).max()))
        scale = max(scale, float(np.abs(expected).max()))
    return largest, scale


def test_graph_agrees_with_torch_at_any_batch(network) -> None:
    network.norm.running_mean.normal_()
    network.normalizations[0].set_statistics(torch.tensor([0.4, 0.5, 0.6]), torch.full((3,), 0.2))
    largest, scale = differences(network, network.architecture.inputs)
    assert largest <= 1e-5 * scale


def test_several_inputs_keep_their_order_and_names(two_streams) -> None:
    network = create_network(two_streams, 3).eval()
    assert input_names(two_streams.inputs) == ("rgb_0", "rgb_1")
    largest, scale = differences(network, two_streams.inputs)
    assert largest <= 1e-5 * scale


def test_batch_norms_are_folded_and_the_batch_is_dynamic(network) -> None:
    graph = onnx.load_from_string(export_onnx(network, network.architecture.inputs)).graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "N"


def test_means_over_space_are_pools() -> None:
    """ONNX Runtime takes 1.9 times as long for TVN-1 in int8, where they are means over axes."""
    gated = create_network("tvn1", num_classes=4, size_px=32).eval()
    kinds = [
        node.op_type
        for node in onnx.load_from_string(export_onnx(gated, gated.architecture.inputs)).graph.node
    ]
    assert kinds.count("GlobalAveragePool") == 10  # of nine gates and the head
    # What remains are means over time.
    assert kinds.count("ReduceMean") == 10


def test_exporting_in_training_mode_exports_inference(network) -> None:
    evaluated = export_onnx(network, network.architecture.inputs)
    network.train()
    trained = export_onnx(network, network.architecture.inputs)
    assert network.training
    clip = np.random.default_rng(0).random((2, 3, 2, 8, 8), dtype=np.float32)
    first, second = (
        onnxruntime.InferenceSession(graph).run(None, {"rgb": clip})[0]
        for graph in (evaluated, trained)
    )
    assert np.array_equal(first, second)
