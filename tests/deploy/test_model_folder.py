from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vidnas.core import UserError
from vidnas.deploy import (
    Model,
    ModelCard,
    load_model,
    resolve_architecture,
    resolve_network,
    save_model,
)
from vidnas.deploy.model import MODEL_FILE, WEIGHTS_FILE
from vidnas.deploy.readme import README_FILE
from vidnas.families import create_network, find_architecture, list_architectures
from vidnas.training import Metrics, MultiLabel, MultiLabelMetrics, SingleLabel


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_comes_back_identical(model: Model, folder: Path, clip) -> None:
    loaded = load_model(folder)
    with torch.inference_mode():
        assert torch.equal(loaded.network(clip), model.network(clip))
    assert not loaded.network.training
    assert loaded.architecture == model.architecture
    assert (loaded.classes, loaded.card) == (model.classes, model.card)
    assert loaded.card.versions["torch"] == torch.__version__
    assert sorted(path.name for path in folder.iterdir()) == [README_FILE, MODEL_FILE, WEIGHTS_FILE]


def test_a_study_folder_means_its_best_model(model: Model, folder: Path, clip) -> None:
    study = folder.parent / "study"
    study.mkdir()
    shutil.copytree(folder, study / "best")
    with torch.inference_mode():
        assert torch.equal(load_model(study).network(clip), model.network(clip))


def test_models_of_earlier_versions_are_read(model: Model, folder: Path, clip) -> None:
    """The text is what 0.3.0 wrote: no kind of labels, no headline, and a teacher's share."""
    settings = {"epochs": 2.0, "class_weights": "none", "distillation": 0.5}
    test = {"clips": 2, "loss": 0.5, "top1": 0.5, "top5": 1.0, "mean_class": 0.25}
    run = {"settings": settings, "seed": 0, "clips": {"size_px": 32, "flow_method": None}}
    description = json.loads((folder / MODEL_FILE).read_text())
    description["card"] = {
        "training_runs": [run],
        "data": "abc",
        "test": {**test, "confusion": [[1, 0, 0], [1, 0, 0], [0, 0, 0]]},
        "versions": {"vidnas": "0.3.0"},
    }
    (folder / MODEL_FILE).write_text(json.dumps(description))
    loaded = load_model(folder)
    assert isinstance(loaded.card.test, Metrics)
    assert (loaded.card.test.headline, loaded.card.test.headline_share) == ("top1", 0.5)
    assert loaded.card.task == SingleLabel()
    assert loaded.card.training_runs[0].settings.epochs == 2
    save_model(loaded, folder)
    assert load_model(folder).card == loaded.card


def test_what_a_model_tells_comes_back(model: Model, folder: Path) -> None:
    several = MultiLabelMetrics(
        clips=4, loss=0.3, map=0.75, average_precision=(1.0, 0.5, None), positives=(2, 1, 0)
    )
    alike = Metrics(
        headline="mean_class", clips=2, loss=0.5, class_loss=0.7, top1=0.5, top5=1, mean_class=0.25,
        confusion=((1, 0), (1, 0)),
    )  # fmt: skip
    for card, task, said in (
        (ModelCard(multi_label=True, test=several), MultiLabel(), "test mAP 75.0%"),
        (ModelCard(test=alike, validation=alike), SingleLabel(balanced=True), "mean class 25.0%"),
    ):
        save_model(Model(model.network, model.classes, card), folder)
        loaded = load_model(folder)
        assert loaded.card == card
        assert loaded.card.task == task
        assert said in repr(loaded)


@pytest.mark.parametrize("count", [3, 1200])
def test_what_is_taken_for_what_comes_back_of_any_number_of_classes(
    model: Model, tmp_path: Path, count: int
) -> None:
    taken = tuple(tuple(2 * (b == a) + (b == a + 1) for b in range(count)) for a in range(count))
    metrics = Metrics(
        clips=3 * count - 1, loss=0.5, top1=0.7, top5=1, mean_class=0.7, confusion=taken
    )
    classes = tuple(f"class {number}" for number in range(count))
    card = ModelCard(validation=metrics, test=metrics)
    save_model(Model(create_network(model.architecture, count), classes, card), tmp_path)
    assert load_model(tmp_path).card == card
    assert (tmp_path / MODEL_FILE).stat().st_size < 1 << 20
    # Written whole, as by earlier versions.
    description = json.loads((tmp_path / MODEL_FILE).read_text())
    description["card"]["test"]["confusion"] = taken
    del description["card"]["validation"]
    (tmp_path / MODEL_FILE).write_text(json.dumps(description))
    assert load_model(tmp_path).card.test == metrics


@pytest.mark.parametrize(
    "matrix",
    [
        {"classes": 3, "cells": [0, 3, 1]},
        {"classes": 3, "cells": [0, 0, 1, 0]},
        {"classes": 3, "cells": [0, -1, 1]},
        {"classes": 10**9, "cells": []},
    ],
)
def test_cells_of_no_matrix_are_rejected(folder: Path, matrix: dict[str, object]) -> None:
    description = json.loads((folder / MODEL_FILE).read_text())
    judged = {"clips": 1, "loss": 0.5, "top1": 1, "top5": 1, "mean_class": 1, "confusion": matrix}
    description["card"]["test"] = judged
    (folder / MODEL_FILE).write_text(json.dumps(description))
    with pytest.raises(UserError, match=r"model\.json is damaged or from another version"):
        load_model(folder)


def test_saving_again_replaces_and_keeps_other_files(model: Model, folder: Path, clip) -> None:
    (folder / "model.onnx").write_text("mine")
    other = Model(create_network(model.architecture, 2).eval(), ("a", "b"), model.card)
    save_model(other, folder)
    assert load_model(folder).classes == ("a", "b")
    assert (folder / "model.onnx").read_text() == "mine"


def test_a_save_that_fails_leaves_the_old_model(
    model: Model, folder: Path, clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("vidnas.deploy.model.save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_model(Model(create_network(model.architecture, 2), ("a", "b"), model.card), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_full_disk_is_named_when_a_model_is_saved(model: Model, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError, match=r"weights\.safetensors cannot be written .*too large"):
            save_model(model, tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "model").iterdir()) == []


def test_folders_that_are_not_models_are_rejected(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_model(tmp_path / "nothing")
    with pytest.raises(UserError, match="is a file, not a model"):
        load_model(folder / MODEL_FILE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no model"):
        load_model(tmp_path / "empty")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', "\x00\xff binary"])
def test_a_text_that_is_not_a_description_is_rejected(folder: Path, text: str) -> None:
    (folder / MODEL_FILE).write_text(text)
    with pytest.raises(UserError, match=r"model\.json is damaged or from another version"):
        load_model(folder)


def test_an_unknown_architecture_names_the_file(folder: Path) -> None:
    description = json.loads((folder / MODEL_FILE).read_text())
    description["architecture"]["family"] = "perceptron"
    (folder / MODEL_FILE).write_text(json.dumps(description))
    with pytest.raises(UserError, match=r"model\.json: .*'perceptron' is unknown"):
        load_model(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors is missing"):
        load_model(folder)


def test_cut_or_foreign_weights_are_rejected(folder: Path) -> None:
    path = folder / WEIGHTS_FILE
    content = path.read_bytes()
    for damaged in (content[:-100], b"", b"not weights" * 100):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged or not a safetensors file"):
            load_model(folder)


def test_a_pickle_is_not_executed(folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    (folder / WEIGHTS_FILE).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError):
        load_model(folder)
    assert not (tmp_path / "executed").exists()


def test_weights_of_another_network_are_rejected(model: Model, folder: Path) -> None:
    state = load_file(folder / WEIGHTS_FILE)
    name = "classifier.weight" if "classifier.weight" in state else next(iter(state))
    for change in (
        {name: torch.zeros(1)},
        {"surplus": torch.zeros(1)},
    ):
        save_file({**state, **change}, folder / WEIGHTS_FILE)
        with pytest.raises(UserError, match=f"{next(iter(change))} is"):
            load_model(folder)
    del state[name]
    save_file(state, folder / WEIGHTS_FILE)
    with pytest.raises(UserError, match=f"{name} is missing"):
        load_model(folder)


def test_one_class_too_many_is_rejected(folder: Path) -> None:
    description = json.loads((folder / MODEL_FILE).read_text())
    description["classes"].append("surplus")
    (folder / MODEL_FILE).write_text(json.dumps(description))
    with pytest.raises(UserError, match="does not fit the architecture and classes"):
        load_model(folder)


def test_architectures_resolve_from_names_files_and_folders(
    model: Model, folder: Path, architecture_file: Path
) -> None:
    name = list_architectures()[0]
    assert resolve_architecture(name) == find_architecture(name)
    assert resolve_architecture(str(architecture_file)) == model.architecture
    assert resolve_architecture(str(folder)) == model.architecture
    assert resolve_network(str(architecture_file), 7).num_classes == 7
    assert resolve_network(str(folder), 7).num_classes == len(model.classes)


def test_what_is_not_an_architecture_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'tvn9' is neither a published architecture"):
        resolve_architecture("tvn9")
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"\x00\x00\x00\x18ftypmp42\xff\xfe")
    with pytest.raises(UserError, match=r"clip\.mp4: "):
        resolve_architecture(str(video))
