"""`vidnas calibrate` makes a model like any other, and what it changed is measured fairly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from commands import call, read_json

from vidnas.data.cache import ClipCache
from vidnas.deploy import Model, ModelCard, load_model, predict_video, save_model, video_clips
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.families.calibrated import CalibratedNetwork
from vidnas.training import Metrics, TimeUse


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "caches"))


@pytest.fixture
def clips(cache: ClipCache) -> Path:
    """The folder of the session's clips, 21 to train on, 9 that choose and 12 to test with."""
    return cache.directory.parents[1]


@pytest.fixture
def model(cache: ClipCache, fresh, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    torch.manual_seed(3)
    save_model(Model(fresh().eval(), cache.classes, ModelCard(), SeenVideos.of(cache)), folder)
    return folder


def test_the_result_is_a_model_like_any_other(model: Path, clips: Path, tmp_path: Path) -> None:
    done = call(
        "calibrate", model, clips / "clips.csv", "--clips-per-video", 4, "--squares", 3, "--json"
    )
    assert done.returncode == 0, done.stderr
    found = read_json(done)
    before, after = load_model(model), load_model(model / "calibrated")
    assert found["model"] == str(model / "calibrated")
    cards = [(one / "README.md").read_text() for one in (model, model / "calibrated")]
    assert ["not calibrated probabilities" in card for card in cards] == [True, False]
    assert isinstance(after.network, CalibratedNetwork)
    assert after.network.temperature.item() == pytest.approx(found["temperature"])
    assert after.contract.clips_per_video == after.card.clips_per_video == 4
    assert found["validation"]["after"]["metrics"]["clips"] == 9
    assert found["test"]["after"]["metrics"]["clips"] == 12
    # Chosen where it helps most, so that it cannot hurt there.
    validation = found["validation"]
    assert validation["after"]["metrics"]["loss"] <= validation["before"]["metrics"]["loss"] + 1e-6
    assert after.card.test is not None
    assert after.card.test.loss == pytest.approx(found["test"]["after"]["metrics"]["loss"])

    # predict: three squares of four clips, and logits that are divided
    video = sorted(clips.glob("*-test-*.mp4"))[0]
    seen = video_clips(after, video)
    assert len(seen[0]) == 12
    with torch.inference_mode():
        logits = before.network(seen[0] / 255) / found["temperature"]
    expected = dict(zip(after.classes, logits.softmax(1).mean(0).tolist(), strict=True))
    assert dict(predict_video(after, video)) == pytest.approx(expected, abs=1e-5)

    # export, eval and bench
    assert call("export", model / "calibrated", tmp_path / "model.onnx").returncode == 0
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    exported = session.run(None, {"rgb": (seen[0] / 255).numpy()})[0]
    assert np.allclose(exported, logits.numpy(), atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map["crop"] == "three squares"
    measured = read_json(call("eval", model / "calibrated", clips / "clips.csv", "--json"))
    assert measured["loss"] == pytest.approx(after.card.test.loss, abs=1e-5)
    costs = read_json(call("bench", model, model / "calibrated", "--repeats", 5, "--json"))
    assert len({one["parameters"] for one in costs.values()}) == 1


def test_it_is_calibrated_again_from_the_start(model: Path, clips: Path, tmp_path: Path) -> None:
    first = read_json(call("calibrate", model, clips / "clips.csv", "--json"))
    again = call(
        "calibrate", model / "calibrated", clips / "clips.csv", "--out", tmp_path / "out", "--json"
    )
    assert read_json(again)["temperature"] == pytest.approx(first["temperature"])
    assert not isinstance(load_model(tmp_path / "out").network.network, CalibratedNetwork)
    assert "chosen by 9 videos alone" in again.stderr


def test_there_are_one_or_three_squares(model: Path, clips: Path) -> None:
    done = call("calibrate", model, clips / "clips.csv", "--squares", 2)
    assert (done.returncode, done.stderr) == (
        2, "Error: --squares 2 is unknown; choose one of 1, 3.\n"
    )  # fmt: skip


def test_nothing_else_is_replaced(model: Path, clips: Path) -> None:
    done = call("calibrate", model, clips / "clips.csv", "--out", model)
    assert done.returncode == 2
    assert f"{model} already holds another model" in done.stderr


def test_without_videos_to_test_with_it_says_so(model: Path, clips: Path, tmp_path: Path) -> None:
    rows = [f"{path},{path.name.partition('-')[0]}" for path in sorted(clips.glob("*-val-*.mp4"))]
    (tmp_path / "val.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    done = call("calibrate", model, tmp_path / "val.csv", "--json")
    assert read_json(done)["test"] is None
    assert load_model(model / "calibrated").card.test is None
    assert "The outcome is not tested" in done.stderr


def test_the_use_of_time_stays_with_the_accuracy_that_it_was_measured_beside(
    model: Path, clips: Path
) -> None:
    """This network tells nothing of the clips; that of the card was right about nine of ten."""
    plain = load_model(model)
    count = len(plain.classes)
    confusion = tuple(map(tuple, (10 * np.eye(count, dtype=int)).tolist()))
    test = Metrics(
        clips=10 * count, loss=0.3, top1=0.9, top5=1, mean_class=0.9, confusion=confusion
    )
    time_use = TimeUse(shuffled=0.75, frozen=0.6, reversed=0.7)
    card = plain.card.model_copy(update={"test": test, "time_use": time_use, "data": "0123abcd"})
    save_model(replace(plain, card=card), model)
    assert call("calibrate", model, clips / "clips.csv").returncode == 0
    text = (model / "calibrated" / "README.md").read_text()
    assert "Before it was calibrated: top-1 with frames as they are 90.0%, reversed 70.0%" in text
    assert "Shuffling the frames" not in text
    assert "name: clips 0123abcd" in (model / "README.md").read_text()
    assert "name: clips 0123abcd" not in text
