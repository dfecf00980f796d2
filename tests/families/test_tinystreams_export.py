"""Both exporters give an ONNX graph of any batch that agrees with torch."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch

from vidnas.families import create_network
from vidnas.families.tinystreams import Node, Stream, TinyStreams
from vidnas.families.tinyvideonet import Block
from vidnas.profiling.onnx import export_onnx

# Lengths and sizes that do not divide each other, widths that need a projection.
NETWORK = TinyStreams(
    streams=(
        Stream(size_px=33, frames=7),
        Stream(size_px=32, frames=5, frame_stride=2),
        Stream(modality="flow", size_px=20, frames=4),
    ),
    nodes=(
        Node(block=Block(filters=8, spatial_kernel=3, spatial_stride=3), inputs=(0, 1)),
        Node(block=Block(filters=6, temporal_kernel=2, temporal_stride=2), inputs=(1, 2)),
        Node(block=Block(filters=8, spatial_kernel=2, squeeze=0.5), inputs=(0, 2, 3, 4)),
    ),
)


def dynamo_graph(network: torch.nn.Module) -> bytes:
    batch = torch.export.Dim("N")
    clips = tuple(torch.rand(spec.shape(batch=2)) for spec in NETWORK.inputs)
    graph = io.BytesIO()
    program = torch.onnx.export(
        network,
        clips,
        dynamo=True,
        # The clips are the arguments `*clips`.
        dynamic_shapes=(tuple({0: batch} for _ in clips),),
        verbose=False,
    )
    assert program is not None
    program.save(graph)
    return graph.getvalue()


@pytest.mark.parametrize("dynamo", [False, True])
def test_onnx_agrees_with_torch(dynamo: bool) -> None:
    torch.manual_seed(0)
    network = create_network(NETWORK, 5).train()
    # Statistics of batch norm that are not the identity.
    network(*(torch.rand(spec.shape(4)) for spec in NETWORK.inputs))
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes other than the batch are meant to be constants
        graph = dynamo_graph(network) if dynamo else export_onnx(network, NETWORK.inputs)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    for size in (1, 3):
        clips = [torch.rand(spec.shape(batch=size)) for spec in NETWORK.inputs]
        with torch.inference_mode():
            expected = network(*clips).numpy()
        feed = {name: clip.numpy() for name, clip in zip(names, clips, strict=True)}
        (logits,) = session.run(None, feed)
        assert np.abs(logits - expected).max() / np.abs(expected).max() < 1e-4
