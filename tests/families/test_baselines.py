"""The hand-designed networks: sizes as published, zero-copy views, export."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vidnas.core import UserError
from vidnas.families import architecture_from_json, create_network, diagram_of, find_architecture
from vidnas.families.baselines import R2Plus1D
from vidnas.families.baselines.network import ResidualBlock, SplitConv
from vidnas.layers.frames import clip_to_frames


def test_parameters_and_macs_are_those_that_torchvision_publishes():
    with torch.device("meta"):
        network = create_network("r2plus1d_18", num_classes=400).eval()
        clip = torch.empty(find_architecture("r2plus1d_18").inputs[0].shape())
    assert sum(parameter.numel() for parameter in network.parameters()) == 31_505_325
    with FlopCounterMode(display=False) as counter:
        assert network(clip).shape == (1, 400)
    assert counter.get_total_flops() / 2 == pytest.approx(40.519e9, rel=1e-4)


def test_a_block_computes_what_3d_convolutions_compute():
    torch.manual_seed(0)
    block = ResidualBlock(6, 8, stride=2).eval()

    def conv3d(conv: nn.Conv2d, x: Tensor, *, over_time: bool) -> Tensor:
        if over_time:  # a kernel (3, 1) on the plane (T, H * W)
            stride, padding = (conv.stride[0], 1, 1), (1, 0, 0)
            return F.conv3d(x, conv.weight.unsqueeze(-1), None, stride, padding)
        return F.conv3d(x, conv.weight.unsqueeze(2), None, (1, *conv.stride), (0, *conv.padding))

    def space_time(part: SplitConv, x: Tensor) -> Tensor:
        conv, norm, _ = part.space
        x = torch.relu(normed(norm, conv3d(conv, x, over_time=False)))
        return normed(part.norm, conv3d(part.time.layer, x, over_time=True))

    def normed(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)

    clips = torch.randn(2, 6, 7, 10, 9)
    with torch.no_grad():
        y = space_time(block.second, torch.relu(space_time(block.first, clips)))
        conv, norm = block.shortcut
        kept = F.conv3d(clips, conv.weight.unsqueeze(2), stride=2)
        expected = torch.relu(y + normed(norm, kept))
        stacked, frames = block(clip_to_frames(clips), 7)
    assert frames == 4
    torch.testing.assert_close(stacked, expected.transpose(1, 2).flatten(0, 1))
    assert stacked.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("frames", "size_px"), [(1, 32), (5, 50), (8, 64)])
def test_genes_override_and_every_parameter_learns(frames: int, size_px: int):
    network = create_network("r2plus1d_18", 3, frames=frames, size_px=size_px, width=0.125)
    spec = network.architecture.inputs[0]
    logits = network(torch.rand(spec.shape(batch=2)))
    assert logits.shape == (2, 3)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_value_reads_back_and_digest_ignores_the_stride_of_one_frame():
    value = R2Plus1D(depth=34, width=0.5, frames=8, size_px=64)
    assert architecture_from_json(value.to_json()) == value
    still, strided = R2Plus1D(frames=1, frame_stride=1), R2Plus1D(frames=1, frame_stride=4)
    assert still.digest == strided.digest
    assert R2Plus1D(frame_stride=1).digest != R2Plus1D(frame_stride=4).digest


def test_impossible_genes_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="depth"):
        create_network("r2plus1d_18", 3, depth=19)


def test_diagram_is_a_chain_of_named_boxes():
    diagram = diagram_of(R2Plus1D())
    names = [box.name for box in diagram.boxes]
    assert len(set(names)) == len(names) == len(diagram.columns)
    assert [(edge.source, edge.target) for edge in diagram.edges] == list(pairwise(names))


def test_onnx_agrees_for_any_batch(tmp_path):
    torch.manual_seed(0)
    network = create_network("r2plus1d_18", 3, frames=4, size_px=32, width=0.125).eval()
    clips = torch.rand(3, 3, 4, 32, 32)
    path = tmp_path / "network.onnx"
    torch.onnx.export(
        network,
        (clips[:2],),
        path,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=["clip"],
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path)
    (logits,) = session.run(None, {"clip": clips.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(logits, network(clips).numpy(), rtol=1e-4, atol=1e-5)


def test_on_flow_only_the_first_convolution_differs():
    rgb, flow = (R2Plus1D(width=0.125, modality=modality) for modality in ("rgb", "flow"))
    assert flow.inputs[0].shape() == (1, 2, 16, 112, 112)
    with torch.device("meta"):
        shapes = [
            {name: tensor.shape for name, tensor in create_network(value, 5).named_parameters()}
            for value in (rgb, flow)
        ]
        assert create_network(flow, 5).eval()(torch.empty(flow.inputs[0].shape(2))).shape == (2, 5)
    differing = [name for name in shapes[0] if shapes[0][name] != shapes[1][name]]
    assert differing == ["stem.space.0.weight"]
