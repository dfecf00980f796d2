"""Charades on a small scale: from videos that show several actions to an exported model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import onnx
import pytest
from commands import Done, call, read_json

from vidnas.data.demo import write_clips

ACTIONS = {"left": "c000 c001", "right": "c000 c002", "growing": "c003", "up": "c000"}
CLASSES = ("c000", "c001", "c002", "c003")
SEARCH = (
    "--evaluations", 2, "--candidate-time", "1s", "--train-time", "2s", "--size", 32,
    "--population", 2, "--tournament", 1, "--workers", 1,
)  # fmt: skip


def write_charades(folder: Path) -> None:
    """Write eight clips of each motion, and of one that is no action, with invented annotations."""
    motions = (*ACTIONS, "one_bounce")
    write_clips(folder / "made", classes=motions, clips_per_class=8, size_px=32)
    (folder / "Charades_v1").mkdir()
    rows: dict[str, list[dict[str, str]]] = {"train": [], "test": []}
    for number, path in enumerate(sorted((folder / "made").glob("*/*.mp4"))):
        shown = ACTIONS.get(path.parent.name, "").split()
        actions = ";".join(f"{action} 0.00 1.00" for action in shown)
        name = f"ID{number:03d}"
        path.rename(folder / "Charades_v1" / f"{name}.mp4")
        row = {"id": name, "subject": f"S{number}", "actions": actions, "length": "1.00"}
        rows["test" if number % 4 == 0 else "train"].append(row)
    for split, own in rows.items():
        with (folder / f"Charades_v1_{split}.csv").open("w", newline="") as table:
            writer = csv.DictWriter(table, ("id", "subject", "actions", "length"))
            writer.writeheader()
            writer.writerows(own)


@pytest.fixture(scope="module")
def charades(tmp_path_factory: pytest.TempPathFactory):
    """A folder of clips, and a study of them; commands run in this process."""
    folder = tmp_path_factory.mktemp("charades")
    clips = folder / "clips"
    clips.mkdir()
    write_charades(clips)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDNAS_CACHE", str(folder / "cache"))
        patch.setenv("COLUMNS", "200")
        yield clips, run("search", clips, "--out", folder / "study", *SEARCH), folder / "study"


def run(*arguments: object) -> Done:
    done = call(*arguments)
    assert done.returncode == 0, done.stderr
    return done


def card_of(model: Path) -> dict:
    return json.loads((model / "model.json").read_text())["card"]


def test_the_search_is_by_map_and_says_so(charades) -> None:
    _, searched, study = charades
    card = card_of(study / "best")
    assert card["multi_label"] is True
    assert f"{card['test']['map']:.1%} mAP on 10 unseen clips" in searched.stdout
    assert "top-1" not in searched.stdout + searched.stderr
    status = run("status", study).stdout
    assert "% mAP" in status
    best = read_json(run("status", study, "--json"))["best"]["evaluation"]
    assert best["fitness"] == best["metrics"]["map"]
    assert best["headline"] == "map"
    assert "fitness:\n  - map\n" in (study / "config.yaml").read_text()


def test_eval_agrees_with_the_search(charades) -> None:
    clips, _, study = charades
    found = read_json(run("eval", study, clips, "--json"))
    tested = card_of(study / "best")["test"]
    assert found["map"] == pytest.approx(tested["map"])
    assert found["positives"] == tested["positives"]
    shown = run("eval", study, clips).stdout
    assert "mAP" in shown
    assert "average precision" in shown
    assert "Confusion" not in shown


def test_predict_names_all_that_a_video_shows(charades) -> None:
    clips, _, study = charades
    video = next((clips / "Charades_v1").glob("*.mp4"))
    (scores,) = read_json(run("predict", study, video, "--threshold", 0, "--json")).values()
    assert set(scores) == set(CLASSES)
    assert all(0 <= score <= 1 for score in scores.values())
    least = sorted(scores.values())[2]
    (above,) = read_json(run("predict", study, video, "--threshold", least, "--json")).values()
    assert above == {name: score for name, score in scores.items() if score >= least}
    (first,) = read_json(run("predict", study, video, "--top", 1, "--json")).values()
    assert list(first.values()) == [max(scores.values())]
    assert "no class reaches the threshold" in run("predict", study, video, "--threshold", 1).stdout


def test_the_exported_graph_says_how_to_read_its_logits(charades, tmp_path: Path) -> None:
    _, _, study = charades
    run("export", study, tmp_path / "actions.onnx")
    graph = onnx.load(tmp_path / "actions.onnx")
    metadata = {one.key: one.value for one in graph.metadata_props}
    assert metadata["activation"] == "sigmoid"
    assert json.loads(metadata["classes"]) == list(CLASSES)
    assert [one.name for one in graph.graph.output] == ["logits"]


def test_the_page_shows_each_class(charades) -> None:
    _, _, study = charades
    page = (study / "report.html").read_text()
    assert "Test mAP" in page
    assert "plot-precision" in page
    assert "plot-confusion" not in page
    assert "Test accuracy" not in page


def test_an_ensemble_votes_on_several_labels(charades) -> None:
    clips, _, study = charades
    record = read_json(run("ensemble", study, "--votes", 2, "--pool", 2, "--json"))
    card = card_of(study / "ensemble")
    assert card["multi_label"] is True
    assert record["test"]["map"] == card["test"]["map"]
    found = read_json(run("eval", study / "ensemble", clips, "--json"))
    assert found["map"] == pytest.approx(card["test"]["map"])


def test_train_and_check(charades, tmp_path: Path) -> None:
    clips, _, _ = charades
    genes = ("--gene", "size_px=16", "--gene", "frames=2", "--gene", "width=0.125")
    model = tmp_path / "model"
    trained = run("train", clips, "r2plus1d_18", *genes, "--epochs", 1, "--out", model)
    assert "validation mAP" in trained.stderr
    assert "imbalanced" not in trained.stderr  # mAP is a mean over classes already
    assert card_of(model)["multi_label"] is True
    checked = read_json(run("data", "check", clips, "--json"))
    assert checked["usable"]
    assert not any("imbalanced" in remark for remark in checked["remarks"])


def write_table(path: Path, clips: Path, rows: list[tuple[str, str]], column: str) -> None:
    """Write a CSV of as many of the videos as there are rows: labels, and another cell."""
    videos = sorted((clips / "Charades_v1").glob("*.mp4"))
    pairs = zip(videos, rows, strict=False)
    lines = [f"{video},{labels},{other}" for video, (labels, other) in pairs]
    path.write_text("\n".join([f"path,labels,{column}", *lines]) + "\n")


def test_a_test_split_whose_labels_are_kept_secret(charades, tmp_path: Path) -> None:
    clips, _, _ = charades
    rows = [("ab"[i % 2], "train" if i < 14 else "val") for i in range(18)]
    write_table(tmp_path / "clips.csv", clips, [*rows, ("", "test"), ("", "test")], "split")
    genes = ("--gene", "size_px=16", "--gene", "frames=2", "--gene", "width=0.125")
    model = tmp_path / "model"
    asked = ("train", tmp_path / "clips.csv", "r2plus1d_18", *genes, "--epochs", 1, "--out", model)
    assert "Left out the test split (2 clips)" in " ".join(run(*asked).stderr.split())
    assert card_of(model)["test"]["clips"] == 4  # those of the validation split


def test_what_cannot_be_judged_is_refused_before_any_training(
    charades, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, _, _ = charades
    for place in ("train.train", "search_job.run_search"):
        monkeypatch.setattr(f"vidnas.workflows.{place}", lambda *_, **__: pytest.fail("trained"))
    # Each class is in one group, which stays for training.
    rows = [("a", "g1")] * 6 + [("b", "g2")] * 6 + [("", "")] * 12
    table = tmp_path / "clips.csv"
    write_table(table, clips, rows, "group")
    search = ("search", table, "--out", tmp_path / "study", *SEARCH)
    for asked in (search, ("train", table, "r2plus1d_18", "--out", tmp_path / "model")):
        done = call(*asked)
        assert done.returncode == 2
        said = " ".join(done.stderr.split())
        assert "No video of the val split shows any of the classes" in said
