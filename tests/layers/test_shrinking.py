"""Pooling to any smaller size: exact sizes, every element seen, the same in an exported graph."""

from __future__ import annotations

import io
import warnings

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from vidnas.layers.frames import clip_to_frames, per_frame
from vidnas.layers.pooling import SamePool2d
from vidnas.layers.shrinking import shorten, shrink


@pytest.mark.parametrize("size", range(1, 14))
def test_any_size_to_any_smaller_one(size: int) -> None:
    for out in range(1, size + 1):
        # One clip an element, in which only that element is not zero.
        x = torch.eye(size)[:, None, :, None].expand(size, 2, size, 3)
        pooled = shrink(x, (out, 2))
        assert pooled.shape == (size, 2, out, 2)
        windows = pooled[:, 0, :, 0]
        assert windows.any(dim=1).all(), "an element is in no window"
        assert windows.sum(0).max() <= -(-size // out) + 1, "a window is too long"


def test_windows_lie_side_by_side_where_they_can() -> None:
    x = torch.rand(2, 3, 12, 8)
    assert torch.equal(shrink(x, (4, 4)), SamePool2d("maxpool", (3, 2), (3, 2))(x))
    assert torch.equal(shrink(x, (12, 8)), x)


@pytest.mark.parametrize("fewer", [1, 3, 4, 5, 7])
def test_clips_are_pooled_over_time_only_and_each_by_itself(fewer: int) -> None:
    clip = torch.rand(2, 3, 7, 4, 5)
    expected = torch.nn.functional.adaptive_max_pool3d(clip, (fewer, 4, 5))
    shorter = shorten(clip_to_frames(clip), 7, fewer)
    assert torch.equal(per_frame(shorter, fewer).transpose(1, 2), expected)


class Shrinking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return shrink(x, (5, 4))


@pytest.mark.parametrize("dynamo", [False, True])
def test_exported_graphs_pool_overlapping_windows(dynamo: bool) -> None:
    graph = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            example, sizes = (torch.rand(2, 3, 13, 10),), ({0: torch.export.Dim("N")},)
            program = torch.onnx.export(
                Shrinking(), example, dynamo=True, dynamic_shapes=sizes, verbose=False
            )
            assert program is not None
            program.save(graph)
        else:
            torch.onnx.export(
                Shrinking(),
                (torch.rand(2, 3, 13, 10),),
                graph,  # type: ignore[arg-type]
                dynamo=False,
                input_names=["x"],
                dynamic_axes={"x": {0: "N"}},
            )
    session = onnxruntime.InferenceSession(graph.getvalue(), providers=["CPUExecutionProvider"])
    x = torch.randn(3, 3, 13, 10)
    (pooled,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert torch.equal(torch.from_numpy(pooled), shrink(x, (5, 4)))
