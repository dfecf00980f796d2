"""Both exporters give an ONNX graph of any batch that agrees with torch."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch

from vidnas.families import create_network
from vidnas.families.tinyvideonet import Block, TinyVideoNet

# Even kernels, odd strides, every layer kind: nothing is left to symmetric padding.
EVERYTHING = TinyVideoNet(
    size_px=33,
    frames=5,
    blocks=(
        Block(
            repeats=2, filters=8, spatial_type="std", spatial_kernel=4, spatial_stride=2,
            temporal_kernel=2, temporal_stride=2, squeeze=0.5, skip=True, spatial_act="hswish",
        ),
        Block(
            filters=6, expand=2, inverted_bottleneck=True, spatial_type="depth", spatial_kernel=3,
            spatial_stride=3, temporal_type="avgpool", temporal_kernel=2, context_gate=True,
            non_local=4, act="hswish",
        ),
        Block(
            filters=8, spatial_type="avgpool", spatial_kernel=2, temporal_type="maxpool",
            temporal_kernel=2, temporal_stride=2, skip=True,
        ),
        Block(filters=8, spatial_type="maxpool", spatial_kernel=2, spatial_stride=2),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("dynamo", "max_pool_predictions"), [(False, False), (False, True), (True, True)]
)
def test_onnx_agrees_with_torch(dynamo: bool, max_pool_predictions: bool) -> None:
    torch.manual_seed(0)
    architecture = EVERYTHING.model_copy(update={"max_pool_predictions": max_pool_predictions})
    network = create_network(architecture, 5).train()
    network(torch.rand(4, 3, 5, 33, 33))  # statistics of batch norm that are not the identity
    network.eval()
    torch.nn.init.ones_(network.units[2].non_local.project.norm.weight)  # type: ignore[index, union-attr]
    example = (torch.rand(architecture.inputs[0].shape(batch=2)),)
    graph = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes other than the batch are meant to be constants
        if dynamo:
            batch = ({0: torch.export.Dim("N")},)
            program = torch.onnx.export(
                network, example, dynamo=True, dynamic_shapes=batch, verbose=False
            )
            assert program is not None
            program.save(graph)
        else:
            torch.onnx.export(
                network,
                example,
                graph,  # type: ignore[arg-type]
                dynamo=False,
                input_names=["clip"],
                output_names=["logits"],
                dynamic_axes={"clip": {0: "N"}, "logits": {0: "N"}},
            )
    session = onnxruntime.InferenceSession(graph.getvalue(), providers=["CPUExecutionProvider"])
    for size in (1, 3):
        clip = torch.rand(architecture.inputs[0].shape(batch=size))
        with torch.inference_mode():
            expected = network(clip).numpy()
        (logits,) = session.run(None, {session.get_inputs()[0].name: clip.numpy()})
        assert np.abs(logits - expected).max() / np.abs(expected).max() < 1e-4
