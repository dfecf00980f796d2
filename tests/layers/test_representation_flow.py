"""Representation flow: what it finds, what it depends on, and what it becomes when exported."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vidnas.core import ClipSpec
from vidnas.layers.representation_flow import RepresentationFlow
from vidnas.profiling.onnx import export_onnx


def smooth(*shape: int, seed: int = 0) -> Tensor:
    """Clips `(N, C, T, H, W)` of soft blobs that change from frame to frame."""
    clip = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool3d(clip, (1, 5, 5), 1, (0, 2, 2))


def moving(dx: int, dy: int) -> Tensor:
    """A clip of two frames, of which the second is the first moved to the right and down."""
    picture = smooth(1, 3, 1, 40, 40, seed=1)[:, :, 0]
    second = picture.roll((dy, dx), (2, 3))
    return torch.stack((picture, second), 2)[..., 4:-4, 4:-4]


@pytest.mark.parametrize("step", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_flow_points_where_the_picture_moves(step: tuple[int, int]) -> None:
    found = RepresentationFlow()(moving(*step)).mean((0, 2, 3))
    wanted = torch.tensor(step, dtype=torch.float32)
    assert torch.dot(found, wanted) > 0.2
    assert found[wanted == 0].abs() < 0.1


def test_shape_memory_and_the_last_frame() -> None:
    flow = RepresentationFlow(5)(smooth(2, 3, 4, 9, 7))
    assert flow.shape == (8, 2, 9, 7)
    assert flow.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(flow[3], flow[2])
    assert torch.equal(flow[7], flow[6])
    assert not torch.equal(flow[2], flow[1])


@pytest.mark.parametrize("size", [(1, 6), (6, 1), (1, 1), (2, 2)])
def test_any_size(size: tuple[int, int]) -> None:
    assert RepresentationFlow(3)(torch.rand(1, 3, 3, *size)).shape == (3, 2, *size)


def test_a_single_frame_has_no_flow() -> None:
    assert torch.equal(RepresentationFlow()(smooth(2, 3, 1, 8, 8)), torch.zeros(2, 2, 8, 8))


class NothingRead(TorchFunctionMode):
    """Rejects reading numbers out of tensors, for which a GPU is waited for."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        assert function is not Tensor.tolist
        return function(*args, **(kwargs or {}))


def test_kernels_are_read_once_until_they_change() -> None:
    flow, clip = RepresentationFlow(3), smooth(1, 3, 2, 8, 8)
    found = flow(clip)
    with NothingRead():
        assert torch.equal(flow(clip), found)
    flow.divergence_x *= 2
    assert not torch.equal(flow(clip), found)


@pytest.mark.parametrize("normalization", ["sample", "batch"])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_clip_has_no_flow(normalization: str, value: float) -> None:
    clip = torch.full((2, 3, 3, 8, 8), value)
    assert torch.equal(RepresentationFlow(5, normalization)(clip), torch.zeros(6, 2, 8, 8))


def test_a_clip_depends_on_its_batch_mates_only_if_asked_to() -> None:
    clip, brighter = smooth(1, 3, 3, 16, 16), 3 * smooth(1, 3, 3, 16, 16, seed=1)
    batch = torch.cat((clip, brighter))
    alone, beside = RepresentationFlow(10)(clip), RepresentationFlow(10)(batch)[:3]
    assert torch.equal(alone, beside)
    published = RepresentationFlow(10, "batch")
    assert torch.equal(published(clip), alone)
    assert (published(batch)[:3] - alone).abs().max() > 0.1


def test_many_pairs_are_those_of_few() -> None:
    # More pixels than are iterated at once.
    clip = smooth(2, 3, 6, 96, 128)
    flow = RepresentationFlow(3, "sample")(clip)
    assert torch.equal(flow[6:], RepresentationFlow(3, "sample")(clip[1:]))


def test_float32_under_autocast() -> None:
    layer, clip = RepresentationFlow(5), smooth(1, 3, 3, 12, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        flow = layer(clip)
    assert torch.equal(flow, layer(clip))


def test_nothing_is_differentiated_unless_asked_for() -> None:
    layer, clip = RepresentationFlow(5), smooth(1, 3, 3, 12, 12)
    plain = layer(clip)
    assert not plain.requires_grad
    assert not list(layer.parameters())
    differentiated = layer(clip.requires_grad_())
    assert torch.equal(differentiated, plain)
    differentiated.square().sum().backward()
    assert clip.grad is not None
    assert clip.grad.abs().max() > 0


def test_learned_constants_have_the_gradients_of_finite_differences() -> None:
    layer = RepresentationFlow(10, learned=True)
    clip, weights = smooth(1, 3, 2, 16, 16), smooth(1, 2, 2, 16, 16, seed=3)[0].transpose(0, 1)

    def loss() -> Tensor:
        return (layer(clip) * weights).sum()

    loss().backward()
    assert len(list(layer.parameters())) == 9
    step = 2e-4  # more pixels cross the threshold, where the loss has a kink, in longer steps
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None
        values, gradients = parameter.data.view(-1), parameter.grad.view(-1)
        for index in range(len(values)):
            values[index] += step
            above = loss().item()
            values[index] -= 2 * step
            numeric = (above - loss().item()) / (2 * step)
            values[index] += step
            wanted = pytest.approx(numeric, rel=0.02, abs=0.5)
            assert gradients[index].item() == wanted, (name, index)


def test_gradients_of_a_constant_clip_are_finite() -> None:
    layer = RepresentationFlow(20, learned=True)
    layer(torch.full((1, 3, 3, 8, 8), 0.3)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def test_constants_that_were_loaded_are_used() -> None:
    fixed, learned, clip = RepresentationFlow(5), RepresentationFlow(5, learned=True), moving(1, 0)
    for name in fixed.constants:
        before = fixed(clip)
        fixed.constants[name].mul_(0.8)
        assert (fixed(clip) - before).abs().max() > 1e-3, name
    learned.load_state_dict(fixed.state_dict())
    assert torch.equal(fixed(clip), learned(clip))


@pytest.mark.parametrize(
    "layer",
    [RepresentationFlow(40), RepresentationFlow(10, "batch", learned=True)],
    ids=["fixed", "learned"],
)
def test_exported_flow_agrees_at_any_batch(layer: nn.Module) -> None:
    spec = ClipSpec(modality="rgb", frames=4, frame_stride=1, size_px=20)
    content = export_onnx(layer.eval(), [spec])
    graph = onnx.load_from_string(content).graph
    assert [node.op_type for node in graph.node].count("Loop") == 1
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        clip = smooth(*spec.shape(batch))
        with torch.inference_mode():
            expected = layer(clip).numpy()
        actual = session.run(None, {"rgb": clip.numpy()})[0]
        assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_meta_device_tells_the_shape() -> None:
    with torch.device("meta"):
        flow = RepresentationFlow()(torch.empty(2, 3, 4, 8, 6))
    assert flow.shape == (8, 2, 8, 6)
