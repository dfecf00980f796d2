"""Exported files of every format: they say what they are, and answer as the network does."""

from __future__ import annotations

import copy
import json
import weakref
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from vidnas.core import NotFinite, UserError
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips
from vidnas.deploy import Model, exporting
from vidnas.deploy.checks import Answers, TrainingClips, real_clips
from vidnas.deploy.exporting import export_file, write_file
from vidnas.deploy.formats import FORMATS
from vidnas.profiling.engines import in_onnxruntime
from vidnas.profiling.int8_layers import int8_layers
from vidnas.profiling.onnx import export_onnx
from vidnas.profiling.quantizing import Guard, quantize
from vidnas.training.metrics import score

CLASSES = ("left", "right", "growing")
NEEDS = {".xml": "openvino", ".tflite": "litert_torch"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    """Clips of the model's three classes."""
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder / "clips", classes=CLASSES, clips_per_class=5, size_px=40)
    return build_cache(load_dataset(folder / "clips"), size_px=32, directory=folder / "cache")


def needed(suffix: str) -> None:
    if suffix in NEEDS:
        pytest.importorskip(NEEDS[suffix])


def metadata_of(path: Path) -> dict[str, str]:
    if path.suffix == ".onnx":
        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    if path.suffix == ".xml":
        import openvino

        info: dict[str, str] = openvino.Core().read_model(path).get_rt_info("vidnas").value
        return info
    if path.suffix == ".tflite":
        with zipfile.ZipFile(path) as files:
            return json.loads(files.read("vidnas.json"))
    extra = {"metadata.json": ""}
    torch.export.load(path, extra_files=extra)
    return json.loads(extra["metadata.json"])


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_answers_as_the_network_and_says_what_it_takes(
    model: Model, clip, tmp_path: Path, suffix: str
) -> None:
    needed(suffix)
    path = tmp_path / f"model{suffix}"
    done = export_file(model, path)
    predict = FORMATS[suffix].open(path)
    for batch in (clip[:1], clip)[: 2 if suffix in (".onnx", ".pt2") else 1]:
        with torch.inference_mode():
            expected = model.network(batch).numpy()
        assert np.abs(predict([batch.numpy()]) - expected).max() < 1e-4
    found = metadata_of(path)
    assert json.loads(found["classes"]) == list(model.classes)
    assert found["colours"] == "RGB" and found["activation"] == "softmax"
    assert done.size_bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert done.checks == () and done.layers is None


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_is_checked_on_real_clips(
    model: Model, cache: ClipCache, tmp_path: Path, suffix: str
) -> None:
    needed(suffix)
    checks = export_file(model, tmp_path / f"model{suffix}", cache=cache).checks
    assert [real.split for real in checks] == ["val", "test"]
    for real in checks:
        assert real.videos == len(cache.videos(real.split)) and real.clips >= real.videos
        assert 0 <= real.mean_difference <= real.largest_difference < 1e-4 * real.largest_logit
        assert real.agreement == 1.0 and real.lost == 0.0
        assert "real clips" in str(real)


def test_of_large_splits_some_videos_check_a_file(
    model: Model, cache: ClipCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidnas.deploy.checks.MOST_CHECKED", 2)
    for real in export_file(model, tmp_path / "model.onnx", cache=cache).checks:
        assert (real.videos, real.clips) == (2, 6)
        assert real.agreement == 1.0 and real.lost == 0.0


def test_a_file_is_checked_on_the_clips_that_its_model_looks_at(
    model: Model, cache: ClipCache
) -> None:
    seen = replace(model, card=model.card.model_copy(update={"clips_per_video": 2, "squares": 3}))
    answers = Answers.of(seen, cache, "val")
    videos = len(cache.videos("val"))
    assert answers.logits.shape == (6 * videos, len(CLASSES)) == (len([*answers.clips]), 3)
    asked = iter([model.network(torch.from_numpy(clips[0])) for clips in answers.clips])
    check = answers.compare(lambda _: next(asked).detach().numpy())
    assert (check.videos, check.clips, check.agreement) == (videos, 6 * videos, 1.0)
    told = [answers.rightness(index, logits[None]) for index, logits in enumerate(answers.logits)]
    right = [
        int(logits.argmax()) == answers.targets[i // 6] for i, logits in enumerate(answers.logits)
    ]
    assert told == right


@pytest.mark.parametrize("suffix", [s for s, one in FORMATS.items() if one.predict])
def test_int8_is_told_by_its_file(
    model: Model, cache: ClipCache, tmp_path: Path, suffix: str
) -> None:
    pytest.importorskip("nncf")
    needed(suffix)
    path = tmp_path / f"model{suffix}"
    done = export_file(model, path, precision="int8", cache=cache)
    real = done.checks[0]
    assert done.layers is not None and done.layers.count > done.layers.in_float
    assert 1e-4 * real.largest_logit < real.largest_difference < 0.5 * real.largest_logit
    assert real.lost <= 0.011 or real.agreement > 0.9
    assert metadata_of(path)["precision"] == "int8"
    assert json.loads(metadata_of(path)["classes"]) == list(model.classes)


@pytest.mark.parametrize(("split", "times", "most"), [("val", 2, 1), ("train", 1, 2)])
def test_int8_does_not_hold_the_clips_that_it_asks_for(
    model: Model,
    cache: ClipCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    split: str,
    times: int,
    most: int,
) -> None:
    """Validation clips are asked for before and after it was quantised, training clips once."""
    pytest.importorskip("nncf")
    read: list[weakref.ref[np.ndarray]] = []
    held: list[int] = []

    def watched(model: Model, cache: ClipCache, of: str, **asked: int):
        for clips in real_clips(model, cache, of, **asked):
            if of == split:
                read.extend(map(weakref.ref, clips))
                held.append(sum(one() is not None for one in read))
            yield clips

    monkeypatch.setattr("vidnas.deploy.checks.real_clips", watched)
    write_file(model, tmp_path / "model.onnx", precision="int8", cache=cache)
    assert len(held) >= times * len(cache.videos(split)) > 4
    assert max(held) <= most


def test_of_large_splits_some_videos_guard_int8(
    model: Model, cache: ClipCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guards: list[Guard] = []

    def quantized(graph: object, names: object, clips: object, guard: Guard) -> object:
        guards.append(guard)
        return graph

    monkeypatch.setattr(exporting, "MOST_GUARDING", 2)
    monkeypatch.setattr(exporting, "quantize", quantized)
    write_file(model, tmp_path / "model.onnx", precision="int8", cache=cache)
    assert guards[0].count == 2 < len(cache.videos("val"))


def test_a_clip_is_the_same_alone(model: Model, cache: ClipCache) -> None:
    answers = Answers.of(model, cache, "val", clips_per_video=2, most=2)
    for index, clips in enumerate(answers.clips):
        np.testing.assert_array_equal(answers.clip(index)[0], clips[0])
    assert index == 3


def test_layers_that_cost_too_much_stay_in_float(model: Model, cache: ClipCache) -> None:
    """Any deviation costs all of the metric, if no clip's own answer: int8 is given up."""
    pytest.importorskip("nncf")
    answers = Answers.of(model, cache, "val", clips_per_video=1)
    guard = Guard(
        len(answers.logits),
        answers.clip,
        lambda index, logits: 1.0,
        lambda indices, logits: float(np.allclose(logits, answers.logits[indices], atol=1e-4)),
        lambda graph: in_onnxruntime(graph.SerializeToString()),
    )
    graph = onnx.load_from_string(export_onnx(model.network, model.architecture.inputs))
    clips = TrainingClips(model, cache)
    whole = answers.compare(guard.open(quantize(graph, ["rgb"], clips)))
    given_up = quantize(graph, ["rgb"], clips, guard)
    layers = int8_layers(given_up)
    assert layers.in_float == layers.count == int8_layers(graph).count > 1
    kept = answers.compare(guard.open(given_up))
    assert kept.largest_difference < 1e-4 < whole.largest_difference


@pytest.mark.parametrize("task", ["balanced", "several"])
def test_int8_is_guarded_by_the_metric_that_ranks_the_model(
    model: Model, cache: ClipCache, task: str
) -> None:
    """All that the model told of a class of two videos among twenty is lost."""
    labels = torch.zeros(20, dtype=torch.long)
    labels[:2] = 1
    shown = torch.nn.functional.one_hot(labels, 3)
    told = (2 * shown - 1).numpy().astype(np.float32)
    lost = told.copy()
    lost[:2] = [2, -2, -1]
    told_of: dict[str, object] = {"multi_label": True}
    if task == "balanced":
        told_of = {"validation": score(shown.float(), labels, headline="mean_class")}
    answers = replace(
        Answers.of(model, cache, "val", clips_per_video=1),
        model=replace(model, card=model.card.model_copy(update=told_of)),
        targets=labels if task == "balanced" else shown,
    )
    assert answers.headline(range(20), told) == 1.0
    assert answers.headline(range(20), lost) < 0.8
    assert answers.headline(range(2, 20), lost[2:]) == 1.0


def test_differences_agreement_and_accuracy_are_those_of_the_answers(
    model: Model, cache: ClipCache
) -> None:
    answers = Answers.of(model, cache, "val", clips_per_video=2)
    turned = np.roll(answers.logits, 1, axis=1)
    rows = iter(turned)
    check = answers.compare(lambda _: next(rows)[None])
    assert check.agreement == 0.0
    assert check.largest_difference == pytest.approx(np.abs(turned - answers.logits).max())
    assert check.mean_difference == pytest.approx(np.abs(turned - answers.logits).mean())
    assert check.clips == 2 * check.videos
    same = answers.compare(iter_of(answers.logits))
    assert (same.agreement, same.lost, same.largest_difference) == (1.0, 0.0, 0.0)
    assert check.lost == pytest.approx(same.accuracy - check.accuracy)


def iter_of(logits):
    rows = iter(logits)
    return lambda _: next(rows)[None]


def test_what_cannot_be_exported_is_one_sentence(model: Model, cache: ClipCache, tmp_path) -> None:
    with pytest.raises(UserError, match=r"no suffix of a format.*\.onnx.*\.xml.*\.pt2.*\.tflite"):
        export_file(model, tmp_path / "model.h5")
    with pytest.raises(UserError, match="name a file in a folder that exists"):
        export_file(model, tmp_path / "missing" / "model.onnx")
    with pytest.raises(UserError, match="there are none; name those"):
        export_file(model, tmp_path / "model.onnx", precision="int8")
    with pytest.raises(UserError, match=r"cannot hold int8; end it in one of \.onnx and \.xml"):
        export_file(model, tmp_path / "model.pt2", precision="int8", cache=cache)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_answers_otherwise_is_not_written(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a converter made it that took one weight for another."""
    wrong = copy.deepcopy(model.network)
    torch.nn.init.ones_(wrong.head.dense.weight)
    fmt = FORMATS[".pt2"]
    broken = replace(fmt, graph=lambda own, graph: fmt.graph(replace(own, network=wrong), graph))
    monkeypatch.setattr(exporting, "format_of", lambda _: broken)
    with pytest.raises(UserError, match=r"differs from the network by .* was not written"):
        export_file(model, tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_gives_no_numbers_is_not_written(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fmt = FORMATS[".pt2"]
    broken = replace(fmt, open=lambda _: lambda clips: np.full((len(clips[0]), 3), np.nan))
    monkeypatch.setattr(exporting, "format_of", lambda _: broken)
    with pytest.raises(UserError, match=r"differs from the network by nan .* was not written"):
        export_file(model, tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_gives_no_numbers_is_not_exported(model: Model, tmp_path: Path) -> None:
    torch.nn.init.constant_(model.network.head.dense.weight, np.nan)
    with pytest.raises(NotFinite):
        export_file(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_missing_nncf_names_the_extra(model: Model, cache, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nncf", None)
    with pytest.raises(UserError, match=r"pip install 'vidnas\[int8\]'"):
        export_file(model, tmp_path / "model.onnx", precision="int8", cache=cache)
    assert list(tmp_path.iterdir()) == []
