"""Optical flow of textures whose motion is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vidnas.core import ClipSpec, UserError
from vidnas.data import sampling
from vidnas.data.flow import STEP_PX, ZERO, FlowMethod, compute_flow, read_flow, resize_flow
from vidnas.data.reading import Frames, VideoError
from vidnas.data.sampling import clips_of

cv2 = pytest.importorskip("cv2")

METHODS: tuple[FlowMethod, ...] = ("dis", "farneback")
MARGIN = 12


def moving_texture(motion_px: tuple[float, float], frames: int = 3, size: int = 96) -> Frames:
    """A smooth random texture that moves by so much to the right and downwards a frame."""
    noise = np.random.default_rng(0).random((2 * size, 2 * size), dtype=np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 0, 255, cv2.NORM_MINMAX)
    views = []
    for index in range(frames):
        across, down = index * motion_px[0] - size / 2, index * motion_px[1] - size / 2
        shift = np.array([[1, 0, across], [0, 1, down]], dtype=np.float32)
        view = cv2.warpAffine(smooth, shift, (size, size), flags=cv2.INTER_CUBIC)
        views.append(np.repeat(view[..., None], 3, axis=-1))
    return np.clip(np.rint(np.stack(views)), 0, 255).astype(np.uint8)


def in_px(levels: Frames) -> NDArray[np.float64]:
    return (levels.astype(np.float64) - ZERO) * STEP_PX


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("motion_px", [(1.5, -0.5), (-4.0, 2.25), (0.0, 7.0)])
def test_the_motion_of_a_texture(method: FlowMethod, motion_px: tuple[float, float]) -> None:
    flow = compute_flow(moving_texture(motion_px), method)
    assert flow.shape == (3, 96, 96, 2)
    assert flow.dtype == np.uint8
    inside = in_px(flow)[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    np.testing.assert_allclose(np.median(inside, axis=(0, 1, 2)), motion_px, atol=0.15)
    near = np.abs(inside - motion_px).max(axis=-1) < 0.5
    assert near.mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_no_motion_is_128_and_the_last_flow_is_repeated(method: FlowMethod) -> None:
    texture = moving_texture((0, 0))
    assert (compute_flow(texture, method) == ZERO).mean() > 0.999
    flow = compute_flow(moving_texture((3, 0), frames=4), method)
    np.testing.assert_array_equal(flow[3], flow[2])
    assert (compute_flow(texture[:1], method) == ZERO).all()


def test_levels_are_clipped_at_20_px(monkeypatch: pytest.MonkeyPatch) -> None:
    estimated = np.array([[[-90.0, 20.0], [0.07, -0.07], [10.0, -10.0], [19.93, 0.08]]])
    monkeypatch.setattr("vidnas.data.flow.estimator", lambda _: lambda now, after: estimated)
    flow = compute_flow(np.zeros((2, 1, 4, 3), dtype=np.uint8))
    assert flow[0].tolist() == [[[1, 255], [128, 128], [192, 64], [255, 129]]]


def test_a_mirrored_clip_is_the_flow_of_the_mirrored_video() -> None:
    flow = np.random.default_rng(0).integers(1, 256, (2, 16, 16, 2), dtype=np.uint8)
    specs = [ClipSpec(modality="flow", frames=2, frame_stride=1, size_px=16)]
    batch = sampling._batch(1, specs)
    view = sampling.View(moment=0.0, top=0, left=0, side=16, flip=True)
    sampling._fill(batch, 0, [flow], specs, view)
    mirrored = batch[0][0].numpy()
    np.testing.assert_array_equal(in_px(mirrored)[..., 0], -in_px(flow[:, :, ::-1])[..., 0])
    np.testing.assert_array_equal(mirrored[..., 1], flow[:, :, ::-1, 1])
    sampling._fill(batch, 0, [mirrored], specs, view)
    np.testing.assert_array_equal(batch[0][0].numpy(), flow)


def test_a_network_with_two_inputs_sees_the_same_moment_and_square() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (9, 24, 32, 3), dtype=np.uint8)
    both = [
        ClipSpec(frames=2, frame_stride=3, size_px=24),
        ClipSpec(modality="flow", frames=2, frame_stride=3, size_px=24),
    ]
    rgb, flow = clips_of(frames, both, 3, flow=frames[..., :2])
    assert rgb.shape == (3, 3, 2, 24, 24)
    assert torch.equal(flow, rgb[:, :2])


def test_resizing_keeps_the_displacements() -> None:
    flow = compute_flow(moving_texture((2.0, 1.0)))
    for side in (32, 150):
        resized = resize_flow(flow, side, side)
        assert resized.shape == (3, side, side, 2)
        np.testing.assert_allclose(np.median(in_px(resized), axis=(0, 1, 2)), (2, 1), atol=0.16)
    assert resize_flow(flow, 96, 96) is flow


def test_flow_of_a_video_is_computed_at_its_own_size(demo_folder: Path) -> None:
    flow = read_flow(next((demo_folder / "right").iterdir()))
    assert flow.shape == (16, 48, 48, 2)
    moving = in_px(flow)[..., 0]
    assert moving[np.abs(moving) > 0.5].mean() > 0.5


def test_flow_that_does_not_fit_into_memory_names_the_video(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("vidnas.data.flow.stream_flow", too_large)
    with pytest.raises(VideoError, match=r"a\.mp4: needs more memory"):
        read_flow(tmp_path / "a.mp4")


def test_without_opencv_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match="pip install opencv-python-headless"):
        compute_flow(np.zeros((2, 16, 16, 3), dtype=np.uint8))


@pytest.mark.skipif(hasattr(cv2, "optflow"), reason="this build has TV-L1")
def test_without_the_contributed_modules_there_is_no_tvl1() -> None:
    with pytest.raises(UserError, match="pip install opencv-contrib-python-headless"):
        compute_flow(np.zeros((2, 16, 16, 3), dtype=np.uint8), "tvl1")


@pytest.mark.skipif(not hasattr(cv2, "optflow"), reason="needs opencv-contrib-python-headless")
def test_tvl1() -> None:
    flow = in_px(compute_flow(moving_texture((1.5, -0.5)), "tvl1"))
    np.testing.assert_allclose(np.median(flow, axis=(0, 1, 2)), (1.5, -0.5), atol=0.2)
