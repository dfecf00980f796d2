"""Networks in every runtime: a row for each, whatever fails, and the same table as CSV and plot."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from commands import call

from vidnas.cli.console import results
from vidnas.core import UserError
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips
from vidnas.data.labelled import file_of
from vidnas.deploy import Model, load_model, save_model
from vidnas.deploy.card import ModelCard
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.families import architecture_from_json, create_network
from vidnas.profiling import runtimes
from vidnas.workflows import bench as room
from vidnas.workflows.bench import bench_all, write_csv
from vidnas.workflows.listener import Listener

CLASSES = ("growing", "left", "right")
TINY = """{"family": "tinyvideonet", "size_px": 16, "frames": 2, "frame_stride": 2, "blocks": [
  {"filters": 8, "spatial_type": "std", "spatial_kernel": 3, "spatial_stride": 2, "repeats": 1}]}"""


def broken(_: object) -> runtimes.Prepared:
    raise RuntimeError("no primitive\nfor this layer")


def missing(_: object) -> runtimes.Prepared:
    raise UserError("Runtime 'fast' is not installed; install it.")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runtimes that need nothing more, one that fails in a network and one that is missing."""
    kept = {name: runtimes.RUNTIMES[name] for name in ("torch", "onnxruntime")}
    table = {**kept, "broken": broken, "missing": missing}
    monkeypatch.setattr(runtimes, "RUNTIMES", table)
    monkeypatch.setattr(room, "TABLE_RUNTIMES", tuple(table))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = create_network(architecture_from_json(TINY), len(CLASSES)).eval()
    save_model(Model(network, CLASSES, ModelCard()), tmp_path / "model")
    (tmp_path / "tiny.json").write_text(TINY)
    return tmp_path


def test_a_row_for_each_network_in_each_runtime(few: None, folder: Path) -> None:
    write_clips(folder / "clips", classes=CLASSES, clips_per_class=5, size_px=24)
    names = [str(folder / "model"), str(folder / "tiny.json")]
    rows = bench_all(names, Listener(), clips=folder / "clips", repeats=2, num_classes=3)
    table = {(row.network, row.runtime): row for row in rows}
    assert list(table) == [(name, runtime) for name in names for runtime in room.TABLE_RUNTIMES]
    for name in names:
        assert table[name, "missing"].status == "Runtime 'fast' is not installed; install it."
        assert table[name, "broken"].status == "no primitive for this layer"
        assert table[name, "broken"].latency is None
        for runtime in ("torch", "onnxruntime"):
            row = table[name, runtime]
            assert row.status == "ok" and row.latency is not None and row.size_bytes
            assert row.latency.protocol.repeats == 2 and row.latency.protocol.reference
            assert row.peak_share is not None and 0 < row.peak_share < 1.5
    trained, untrained = table[names[0], "onnxruntime"], table[names[1], "onnxruntime"]
    assert trained.lost == 0.0 and 0 <= (trained.accuracy or 0) <= 1 and trained.metric == "top-1"
    assert untrained.accuracy is None
    write_csv(rows, folder / "bench.csv")
    with (folder / "bench.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [(row["network"], row["runtime"]) for row in read] == list(table)
    assert float(read[1]["p50_ms"]) == table[names[0], "onnxruntime"].latency.p50_ms


class Remarks(Listener):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def remark(self, sentence: str) -> None:
        self.said.append(sentence)


def test_int8_that_nothing_calibrated_has_no_accuracy(
    few: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model that has seen none of the clips."""
    pytest.importorskip("nncf")
    runtimes.RUNTIMES["onnxruntime-int8"] = partial(runtimes._prepare_onnxruntime, int8=True)
    monkeypatch.setattr(room, "TABLE_RUNTIMES", ("onnxruntime", "onnxruntime-int8"))
    write_clips(folder / "clips", classes=CLASSES, clips_per_class=3, size_px=24)
    path, told = folder / "model", Remarks()
    model = load_model(path)
    save_model(replace(model, seen=SeenVideos(frozenset("a"), frozenset("b"))), path)
    whole, int8 = bench_all([str(path)], told, clips=folder / "clips", repeats=2)
    assert (whole.status, int8.status) == ("ok", "ok")
    assert whole.accuracy is not None and whole.lost == 0.0
    assert (int8.metric, int8.accuracy, int8.lost) == (None, None, None)
    assert int8.latency is not None and int8.size_bytes
    assert any("accuracy in int8 is left out" in sentence for sentence in told.said)


def test_videos_that_a_model_has_seen_tell_no_accuracy(few: None, folder: Path) -> None:
    write_clips(folder / "clips", classes=CLASSES, clips_per_class=3, size_px=24)
    path, told = folder / "model", Remarks()
    first, *rest = map(file_of, load_dataset(folder / "clips").contents())
    seen = SeenVideos(frozenset(rest), frozenset([first]))
    save_model(replace(load_model(path), seen=seen), path)
    rows = bench_all([str(path)], told, clips=folder / "clips", repeats=2)
    assert {row.accuracy for row in rows} == {None}
    assert f"None of these clips tests {path}: its accuracy is left out." in told.said


def test_of_many_test_videos_some_are_asked_about(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_CHECKED", 2)
    write_clips(folder / "clips", classes=CLASSES, clips_per_class=5, size_px=24)
    told = Remarks()
    subject = room._subject(str(folder / "model"), folder / "clips", 3, told)
    assert subject.answers is not None and len(subject.answers.targets) == 2
    assert f"Asking {folder / 'model'} about 2 test videos ..." in told.said


def test_the_command_shows_and_writes_the_table(
    few: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "width", 140)  # cells wrap in a narrow terminal
    asked = ("bench", "--all", folder / "tiny.json", "--repeats", 2, "--out", folder / "table")
    done = call(*asked)
    assert done.returncode == 0
    for shown in ("tiny.json", "onnxruntime", "no primitive", "Peak", "beside the reference"):
        assert shown in done.stdout
    assert {path.name for path in (folder / "table").iterdir()} == {"bench.csv", "bench.html"}
    assert "onnxruntime" in (folder / "table" / "bench.html").read_text()
    rows = json.loads(call(*asked, "--json").stdout)
    assert [row["status"] == "ok" for row in rows] == [True, True, False, False]
