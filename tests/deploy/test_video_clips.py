"""What a model sees is the same in training, in testing and in prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from vidnas.core import UserError
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.sampling import test_batches as even_batches
from vidnas.data.splits import SPLITS
from vidnas.deploy import Model, load_model, predict_video, save_model, video_clips
from vidnas.deploy.windows import predict_timeline
from vidnas.training import SingleLabel, evaluate
from vidnas.workflows.evaluate import evaluate_model
from vidnas.workflows.listener import Listener

STORED_PX = 56
"""Of the clips that the model was trained on; its network takes 32 px."""
SIZES = ((96, 72), (72, 96), (80, 80), (150, 110))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Videos of fine patterns, which look different in another way of scaling, in odd sizes."""
    place = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = ["path,label,split"]
    for number in range(12):
        width, height = SIZES[number % len(SIZES)]
        path = f"{number}.mp4"
        with av.open(str(place / path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for _ in range(14):
                pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        label = ("left", "right", "päuse")[number % 3]
        rows.append(f"{path},{label},{('train', 'test')[number >= 6]}")
    (place / "clips.csv").write_text("\n".join(rows) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDNAS_CACHE", str(place / "cache"))
        yield place


@pytest.fixture(scope="module")
def cache(folder: Path) -> ClipCache:
    return build_cache(load_dataset(folder / "clips.csv"), size_px=STORED_PX)


@pytest.fixture
def trained(model: Model, cache: ClipCache) -> Model:
    card = model.card.model_copy(update={"clips": cache.settings(["rgb"])})
    return replace(model, card=card, classes=cache.classes)


@pytest.mark.parametrize("views", [{"clips_per_video": 3}, {"clips_per_video": 1, "squares": 3}])
def test_a_video_becomes_the_clips_of_its_cache(
    trained: Model, cache: ClipCache, folder: Path, views: dict[str, int]
) -> None:
    trained = replace(trained, card=trained.card.model_copy(update=views))
    specs = trained.architecture.inputs
    batches = even_batches(cache, "test", specs, batch_size=3, **views)
    for (clips,), _, videos in batches:
        (found,) = video_clips(trained, folder / cache.paths[videos[0]])
        assert torch.equal(found, clips)


def test_images_of_a_folder_are_seen_as_in_training(model: Model, tmp_path: Path) -> None:
    """They were recorded at 10 frames per second, which only the table of the training says."""
    rng = np.random.default_rng(0)
    rows = ["path,label,split,images_fps"]
    for number in range(6):
        folder = tmp_path / str(number)
        folder.mkdir()
        for frame in range(9):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f"{frame}.png"), pixels)
        rows.append(f"{number},{'ab'[number % 2]},{SPLITS[number // 2]},10")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    cache = build_cache(
        load_dataset(tmp_path / "clips.csv"), size_px=32, rate_fps=10, directory=tmp_path / "cache"
    )
    card = model.card.model_copy(update={"clips": cache.settings(["rgb"])})
    trained = replace(model, card=card, classes=cache.classes)
    for (clips,), _, videos in even_batches(
        cache, "test", trained.architecture.inputs, batch_size=2, clips_per_video=2
    ):
        (found,) = video_clips(trained, tmp_path / cache.paths[videos[0]], clips_per_video=2)
        assert torch.equal(found, clips)
    assert predict_timeline(trained, tmp_path / "0").duration_s == pytest.approx(0.9)


def test_predictions_and_tests_score_as_training_did(
    trained: Model, cache: ClipCache, folder: Path, tmp_path: Path
) -> None:
    save_model(trained, tmp_path / "model")
    expected = evaluate(trained.network, cache, "test", task=SingleLabel(), clips_per_video=3)
    found = evaluate_model(
        tmp_path / "model",
        folder / "clips.csv",
        Listener(),
        split="test",
        clips_per_video=3,
        device="cpu",
    )
    assert found.metrics == expected
    model = load_model(tmp_path / "model")
    scores = [
        dict(predict_video(model, folder / cache.paths[video]))[cache.classes[cache.targets[video]]]
        for video in cache.videos("test")
    ]
    assert -np.log(scores).mean() == pytest.approx(expected.loss, abs=1e-5)


def test_a_model_that_says_nothing_reads_at_its_own_size(model: Model) -> None:
    assert model.card.stored_px is None
    assert model.contract.stored_px == 32


def test_spans_of_a_video(trained: Model, folder: Path) -> None:
    (whole,) = video_clips(trained, folder / "0.mp4", clips_per_video=1)
    (late,) = video_clips(trained, folder / "0.mp4", clips_per_video=1, start_s=0.28)
    assert whole.shape == late.shape == (1, 3, 4, 32, 32)
    assert not torch.equal(whole, late)


def test_a_single_frame_shows_no_motion(trained: Model, folder: Path) -> None:
    with pytest.raises(UserError, match=r"0\.mp4: is too short: it has a single frame"):
        video_clips(trained, folder / "0.mp4", start_s=0.2, end_s=0.21)
