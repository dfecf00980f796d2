"""A search in another runtime ships what it was chosen by, from end to end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commands import call, read_json

import vidnas
from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.data.demo import write_clips
from vidnas.deploy.checks import real_checks
from vidnas.profiling.runtimes import prepare_file
from vidnas.workflows.listener import Listener
from vidnas.workflows.model_clips import open_model_clips

CLASSES = ("growing", "left", "right")
SEARCH = (
    "--evaluations", 1, "--limit", "latency=50ms", "--runtime", "openvino-int8", "--size", 24,
    "--candidate-epochs", 2, "--train-time", "2s", "--workers", 1,
)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A search in int8, and what it printed."""
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    folder = tmp_path_factory.mktemp("shipping")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDNAS_CACHE", str(folder / "cache"))
        write_clips(folder / "clips", classes=CLASSES, clips_per_class=10, size_px=24)
        done = call("search", folder / "clips", "--out", folder / "study", *SEARCH, "--json")
        assert done.returncode == 0, done.stderr
        return folder, read_json(done)


def test_the_file_is_there_and_so_is_the_portable_one(found) -> None:
    folder, said = found
    best = folder / "study" / "best"
    assert said["file"] == str(best / "model-int8.xml") and said["onnx"] == str(best / "model.onnx")
    for name in ("model-int8.xml", "model-int8.bin", "model.onnx"):
        assert (best / name).is_file()
    shipped = said["card"]["shipped"]
    parts = (best / "model-int8.xml").stat().st_size + (best / "model-int8.bin").stat().st_size
    assert (shipped["name"], shipped["runtime"]) == ("model-int8.xml", "openvino-int8")
    assert shipped["size_bytes"] == parts
    assert shipped["float32_bytes"] == pytest.approx((best / "model.onnx").stat().st_size, rel=0.01)
    assert shipped["layers"]["count"] > shipped["layers"]["in_float"]


def test_the_card_tells_of_the_file(found) -> None:
    """Its latency was measured in int8, and its answers on validation and test clips."""
    folder, said = found
    protocol = said["card"]["cost"]["latency"]["protocol"]
    assert protocol["dtype"] == "int8" and protocol["runtime"].startswith("openvino")
    model = vidnas.load(folder / "study")
    assert model.card.shipped is not None
    checks = {check.split: check for check in model.card.shipped.checks}
    assert set(checks) == {"val", "test"}
    test = model.card.test
    assert test is not None and checks["test"].videos == test.clips
    assert checks["test"].torch_accuracy == pytest.approx(test.headline_share)
    assert checks["test"].clips == CLIPS_PER_VIDEO * test.clips
    text = (folder / "study" / "best" / "README.md").read_text(encoding="utf-8")
    assert "[model-int8.xml](model-int8.xml)" in text and "one clip in model-int8.xml" in text


def test_the_file_answers_as_the_card_says(found, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = found
    monkeypatch.setenv("VIDNAS_CACHE", str(folder / "cache"))
    model = vidnas.load(folder / "study")
    path = folder / "study" / "best" / "model-int8.xml"
    runs = prepare_file(path, model.architecture.inputs, runtime="openvino-int8", threads=1)
    assert runs.size_bytes() == path.stat().st_size + path.with_suffix(".bin").stat().st_size
    cache = open_model_clips(model, folder / "study", None, Listener())
    assert cache is not None and model.card.shipped is not None
    for check, said in zip(
        real_checks(model, cache, runs.predict), model.card.shipped.checks, strict=True
    ):
        assert (check.split, check.accuracy) == (said.split, said.accuracy)
        assert check.largest_difference == pytest.approx(said.largest_difference, rel=1e-3)
        assert check.largest_difference > 1e-3 * check.largest_logit  # it is int8


def test_a_model_in_a_study_knows_its_clips(found, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = found
    monkeypatch.setenv("VIDNAS_CACHE", str(folder / "cache"))
    finished = next((folder / "study" / "models").iterdir())
    for place in (folder / "study" / "best", finished):
        cache = open_model_clips(vidnas.load(place), place, None, Listener())
        assert cache is not None and len(cache.videos("train"))


def test_terminal_status_and_page_tell_of_it(found, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = found
    monkeypatch.setenv("VIDNAS_CACHE", str(folder / "cache"))
    again = call("search", folder / "clips", "--out", folder / "study", *SEARCH)
    assert again.returncode == 0, again.stderr
    said = " ".join(again.stdout.split())
    assert re.search(r"ships \S+/best/model-int8\.xml: openvino-int8, [\d.]+ [kM]B", said)
    assert "layers kept in float32" in said and "test videos" in said
    assert "checked on" not in again.stderr  # it was made once
    status = " ".join(call("status", folder / "study").stdout.split())
    assert "best/model-int8.xml: openvino-int8" in status
    page = (folder / "study" / "report.html").read_text(encoding="utf-8")
    assert "It ships as <code>best/model-int8.xml</code>, for openvino-int8" in page
    assert "model-int8.xml --precision int8" in page


def test_a_model_that_is_saved_elsewhere_names_no_file(found, tmp_path: Path) -> None:
    folder, _ = found
    vidnas.load(folder / "study").save(tmp_path / "copy")
    card = json.loads((tmp_path / "copy" / "model.json").read_text())["card"]
    assert card["shipped"] is None
    assert "model-int8" not in (tmp_path / "copy" / "README.md").read_text(encoding="utf-8")
