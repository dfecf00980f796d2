from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.core import ClipSpec
from vidnas.layers.convolution import SameConv2d
from vidnas.layers.padding import pad_same
from vidnas.layers.pooling import SamePool2d
from vidnas.profiling.onnx import export_onnx

INPUTS = (ClipSpec(frames=1, frame_stride=1, size_px=10),)


class OnFrames(nn.Module):
    """A layer on the single frame of each clip."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, clip: Tensor) -> Tensor:
        return self.layer(clip.flatten(1, 2))


class PaddedTwice(nn.Module):
    """What is padded is also used without its padding's layer."""

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (0, 1, 0, 1))
        return F.max_pool2d(padded, 2).mean() + padded


def exported(layer: nn.Module) -> tuple[Counter[str], float]:
    """Return the nodes of the graph, and how far it is from torch."""
    network = OnFrames(layer).eval()
    graph = export_onnx(network, INPUTS)
    onnx.checker.check_model(onnx.load_from_string(graph))
    clip = torch.randn(INPUTS[0].shape(2), generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {"rgb": clip.numpy()})[0]
    with torch.inference_mode():
        expected = network(clip).numpy()
    nodes = Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)
    return nodes, float(np.abs(found - expected).max())


@pytest.mark.parametrize(
    "layer",
    [
        SameConv2d(3, 4, (3, 3), (2, 2)),
        SameConv2d(3, 4, (2, 5), (1, 3)),
        SamePool2d("maxpool", (3, 3), (2, 2)),
        SamePool2d("maxpool", (2, 2), (1, 1)),
        SamePool2d("avgpool", (3, 3), (2, 2)),
        SamePool2d("avgpool", (4, 2), (1, 3)),
        SamePool2d("maxpool", (25, 1), (12, 1)),  # alone on its axis, and longer than it
        SamePool2d("avgpool", (25, 3), (12, 1)),
    ],
    ids=str,
)
def test_uneven_padding_becomes_a_part_of_its_layer(layer: nn.Module) -> None:
    nodes, difference = exported(layer)
    assert nodes["Pad"] == 0
    assert difference < 1e-5


class Replicated(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 3)


class FilledOtherwise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(pad_same(x, (2, 2), (1, 1), value=2.0)[0], 3)


class Cut(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, (0, -1, 0, -1)), 3)


class Looped(nn.Module):
    """What the body of a loop takes from around it is used by no other node."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = SameConv2d(3, 3, (3, 3), (2, 2))
        self.loop = torch.jit.script(_loop)

    def forward(self, x: Tensor) -> Tensor:
        return self.loop(self.layer(x), x.mean())


def _loop(x: Tensor, level: Tensor) -> Tensor:
    for _ in range(x.shape[2]):
        x = x * level
    return x


OTHERS = [PaddedTwice(), Replicated(), FilledOtherwise(), Cut(), Looped()]


@pytest.mark.parametrize("layer", OTHERS, ids=lambda layer: type(layer).__name__)
def test_other_padding_stays_what_it_is(layer: nn.Module) -> None:
    _, difference = exported(layer)
    assert difference < 1e-5
