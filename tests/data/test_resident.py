"""Clips cut on a device are those cut on the CPU; here the device is the CPU as well."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from vidnas.core import ClipSpec
from vidnas.data import resident, sampling
from vidnas.data.augmentation import Augmentation
from vidnas.data.cache import ClipCache, build_cache, build_flow
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import render_clip
from vidnas.data.resident import ResidentClips, cut_resident, cutter
from vidnas.data.sampling import Cut, cut_from_file, train_batches

CPU = torch.device("cpu")
WHOLE = ClipSpec(frames=5, frame_stride=2, size_px=32)
SMALL = ClipSpec(frames=3, frame_stride=4, size_px=20)
FLOW = ClipSpec(frames=8, frame_stride=3, size_px=32, modality="flow")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    """Frames and flow of upright, wide and square videos of several lengths."""
    pytest.importorskip("cv2")
    folder = tmp_path_factory.mktemp("mixed")
    write_mixed(folder / "clips")
    dataset = load_dataset(folder / "clips")
    return build_flow(dataset, build_cache(dataset, size_px=32, directory=folder / "cache"))


def write_mixed(folder: Path) -> None:
    import av

    rng = np.random.default_rng(0)
    sizes = [(48, 36, 16), (36, 64, 9), (40, 40, 12)] * 4
    for motion in ("left", "growing"):
        (folder / motion).mkdir(parents=True)
        for number, (height, width, count) in enumerate(sizes):
            with av.open(str(folder / motion / f"{number}.mp4"), "w") as container:
                stream = container.add_stream("mpeg4", rate=16)
                stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
                for image in render_clip(motion, rng, 64)[:count, :height, :width]:
                    whole = np.ascontiguousarray(image)
                    picture = av.VideoFrame.from_ndarray(whole, format="rgb24")
                    container.mux(stream.encode(picture))
                container.mux(stream.encode())


def on_device(cache: ClipCache, split: str, specs: Sequence[ClipSpec]) -> Cut:
    held = {spec.modality: ResidentClips(cache, split, spec.modality, CPU) for spec in specs}
    return partial(cut_resident, held)


@pytest.mark.parametrize(
    "augmentation",
    [Augmentation(), Augmentation(flip=True), Augmentation(crop_scale_min=0.4, flip=True)],
    ids=["centre", "mirrored", "random crops"],
)
def test_training_batches_are_the_usual_ones(cache: ClipCache, augmentation: Augmentation) -> None:
    specs = [WHOLE, SMALL, FLOW]

    def epoch(cut: Cut) -> list[tuple[sampling.Clips, torch.Tensor]]:
        rng = np.random.default_rng(3)
        return list(
            train_batches(cache, specs, batch_size=6, rng=rng, augmentation=augmentation, cut=cut)
        )

    usual, resident_ones = epoch(cut_from_file), epoch(on_device(cache, "train", specs))
    assert len(usual) == len(resident_ones) > 1
    for (expected, labels), (found, found_labels) in zip(usual, resident_ones, strict=True):
        assert torch.equal(labels, found_labels)
        for one, other in zip(expected, found, strict=True):
            assert_alike(one, other)
        if augmentation.crop_scale_min == 1:  # nothing was resized
            assert torch.equal(expected[0], found[0])
            assert torch.equal(expected[2], found[2])


def test_test_batches_are_the_usual_ones(cache: ClipCache) -> None:
    specs = [SMALL, FLOW]
    batches = [
        list(sampling.test_batches(cache, "val", specs, batch_size=4, clips_per_video=3, cut=cut))
        for cut in (cut_from_file, on_device(cache, "val", specs))
    ]
    for (expected, labels, videos), (found, *rest) in zip(*batches, strict=True):
        assert torch.equal(labels, rest[0])
        assert videos.tolist() == rest[1].tolist()
        for one, other in zip(expected, found, strict=True):
            assert_alike(one, other)


def assert_alike(one: torch.Tensor, other: torch.Tensor) -> None:
    assert one.shape == other.shape
    assert one.stride() == other.stride()  # the network takes both without a copy
    assert other.dtype == torch.uint8
    assert (one.int() - other.int()).abs().max() <= 1


def test_the_cpu_cuts_from_the_file(cache: ClipCache) -> None:
    assert cutter(cache, "train", [WHOLE], CPU) is cut_from_file


def test_what_does_not_fit_is_cut_from_the_file(
    cache: ClipCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = sum(cache.frames(video).nbytes for video in cache.videos("train"))
    free = [8 * frames - 1]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[0], free[0]))
    monkeypatch.setattr(resident, "ResidentClips", lambda *_: "resident")
    resident._held.cache_clear()
    gpu = torch.device("cuda")
    assert cutter(cache, "train", [WHOLE], gpu) is cut_from_file
    resident._held.cache_clear()
    free[0] += 1
    assert cutter(cache, "train", [WHOLE, SMALL, FLOW], gpu).args == (
        {"rgb": "resident", "flow": "resident"},
    )
    free[0] = 0  # they are there already
    assert cutter(cache, "train", [WHOLE], gpu).args == ({"rgb": "resident"},)
    assert cutter(cache, "val", [WHOLE], gpu) is cut_from_file
    resident._held.cache_clear()
