"""Optical flow in the clip cache: computed once, beside the frames."""

from __future__ import annotations

import pickle
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vidnas.core import ClipSpec, UserError
from vidnas.data import cache_folder, sampling
from vidnas.data.augmentation import Augmentation
from vidnas.data.cache import ClipCache, ClipSettings, build_cache, build_flow
from vidnas.data.datasets import Dataset, Video, load_dataset
from vidnas.data.flow import ZERO, read_flow, resize_flow
from vidnas.data.reading import VideoError
from vidnas.data.sampling import train_batches

pytest.importorskip("cv2")

FLOW = ClipSpec(modality="flow", frames=4, frame_stride=2, size_px=24)
RGB = ClipSpec(frames=8, frame_stride=2, size_px=16)


@pytest.fixture(scope="module")
def dataset(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Clips, one of which is broken, and one twice: as a span and as a whole."""
    folder = tmp_path_factory.mktemp("flow") / "clips"
    shutil.copytree(demo_folder, folder)
    loaded = load_dataset(folder)
    first, second, *rest = loaded.videos
    first.path.write_bytes(b"no video")
    span = Video(second.path, second.labels, second.split, start_s=0.2, end_s=0.6)
    return replace(loaded, videos=(first, span, second, *rest))


@pytest.fixture(scope="module")
def rgb_cache(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    return build_cache(dataset, size_px=32, directory=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def cache(dataset: Dataset, rgb_cache: ClipCache) -> ClipCache:
    return build_flow(dataset, rgb_cache)


def copied(cache: ClipCache, folder: Path) -> ClipCache:
    return ClipCache(shutil.copytree(cache.directory, folder / "copy"))


def test_the_flow_of_every_video_lies_beside_its_frames(cache: ClipCache, dataset: Dataset) -> None:
    assert cache.flow_method == "dis"
    assert len(cache) == len(dataset.videos) - len(cache.skipped) == 24
    for index, video in enumerate(dataset.videos[1:]):
        flow = cache.frames(index, "flow")
        assert flow.shape == (*cache.frames(index).shape[:3], 2)
        expected = read_flow(video.path, start_s=video.start_s, end_s=video.end_s)
        np.testing.assert_array_equal(flow, resize_flow(expected, *flow.shape[1:3]))
    assert len(cache.frames(0, "flow")) < len(cache.frames(1, "flow"))
    with pytest.raises(ValueError, match="read-only"):
        cache.frames(0, "flow")[0] = 0


def test_frames_are_those_without_flow(cache: ClipCache, rgb_cache: ClipCache) -> None:
    for index in range(len(cache)):
        np.testing.assert_array_equal(cache.frames(index), rgb_cache.frames(index))
    assert cache.fingerprint == rgb_cache.fingerprint


def test_statistics_are_those_of_each_modality(cache: ClipCache) -> None:
    mean, std = cache.statistics("flow")
    videos = cache.videos("train")
    pixels = np.concatenate([cache.frames(i, "flow").reshape(-1, 2) for i in videos]) / 255
    np.testing.assert_allclose(mean.numpy(), pixels.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(std.numpy(), pixels.std(axis=0), atol=0.01)
    assert abs(mean[0] - ZERO / 255) < 0.02
    assert len(cache.statistics()[0]) == 3


def test_a_cache_without_flow_names_the_cure(rgb_cache: ClipCache, tmp_path: Path) -> None:
    without = copied(rgb_cache, tmp_path)
    for path in without.directory.glob("flow*"):
        path.unlink()
    bare = ClipCache(without.directory)
    assert bare.flow_method is None
    for ask in (lambda: bare.frames(0, "flow"), lambda: bare.statistics("flow")):
        with pytest.raises(UserError, match="vidnas data flow CLIPS"):
            ask()


def test_it_pickles_by_its_path(cache: ClipCache) -> None:
    again = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(again.frames(3, "flow"), cache.frames(3, "flow"))


def test_flow_is_computed_once_a_method(cache: ClipCache, dataset: Dataset, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    own = copied(cache, tmp_path)
    assert build_flow(dataset, own, on_progress=lambda *n: calls.append(n)) is own
    assert not calls
    other = build_flow(dataset, own, method="farneback", on_progress=lambda *n: calls.append(n))
    assert calls == [(i, len(own)) for i in range(1, len(own) + 1)]
    assert other.flow_method == "farneback"
    assert other.settings(["rgb", "flow"]).flow_method == "farneback"
    assert other.settings(["rgb"]) == ClipSettings(size_px=other.size_px)
    assert not np.array_equal(other.frames(0, "flow"), cache.frames(0, "flow"))
    kept = build_flow(dataset, other)
    assert kept.flow_method == "farneback"
    back = build_flow(dataset, other, method="dis", on_progress=lambda *n: calls.append(n))
    assert len(calls) == len(own)
    np.testing.assert_array_equal(back.frames(0, "flow"), cache.frames(0, "flow"))


def test_a_failure_leaves_no_flow_behind(
    rgb_cache: ClipCache, dataset: Dataset, tmp_path: Path
) -> None:
    own = copied(rgb_cache, tmp_path)
    for path in own.directory.glob("flow*"):
        path.unlink()
    own = ClipCache(own.directory)
    span = dataset.videos[1]
    longer = Video(span.path, span.labels, span.split)
    changed = replace(dataset, videos=(dataset.videos[0], longer, *dataset.videos[2:]))
    with pytest.raises(VideoError, match="has changed since its frames were cached"):
        build_flow(changed, own)
    assert not list(own.directory.glob("flow*"))
    assert build_flow(dataset, own).flow_method == "dis"


def test_a_disk_that_is_too_small(
    cache: ClipCache, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = copied(cache, tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache_folder.shutil, "disk_usage", lambda _: usage(9, 9, 0))
    with pytest.raises(UserError, match=r"the flow needs 768 kB, but 0 B are free"):
        build_flow(dataset, own, method="farneback")


def test_batches_mix_modalities(cache: ClipCache) -> None:
    augmentation = Augmentation(crop_scale_min=0.5, flip=True)
    rng = np.random.default_rng(0)
    batches = train_batches(cache, [RGB, FLOW], batch_size=4, rng=rng, augmentation=augmentation)
    for (rgb, flow), labels in batches:
        assert rgb.shape == (len(labels), *RGB.shape()[1:])
        assert flow.shape == (len(labels), *FLOW.shape()[1:])
        assert flow.dtype == torch.uint8
        assert flow.min() > 0
    (rgb, flow), _, videos = next(sampling.test_batches(cache, "val", [RGB, FLOW], batch_size=2))
    assert len(rgb) == len(flow) == len(videos) == 2
