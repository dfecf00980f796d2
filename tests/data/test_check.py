from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import call
from written_videos import encode

from vidnas.core import UserError
from vidnas.data.cache import build_cache
from vidnas.data.check import check_dataset
from vidnas.data.datasets import load_dataset


@pytest.fixture
def flawed(demo_folder: Path, tmp_path: Path) -> Path:
    """The demo clips with a copy, a copy of another class, an empty, a cut and a one-frame file."""
    clips = tmp_path / "clips"
    shutil.copytree(demo_folder, clips)
    shutil.copy(clips / "left" / "left_000.mp4", clips / "left" / "left_900.mp4")
    shutil.copy(clips / "right" / "right_000.mp4", clips / "left" / "left_901.mp4")
    (clips / "growing" / "growing_900.mp4").touch()
    cut = (clips / "growing" / "growing_000.mp4").read_bytes()
    (clips / "growing" / "growing_901.mp4").write_bytes(cut[: len(cut) // 2])
    encode(clips / "growing" / "growing_902.mp4", [100])
    return clips


def test_every_flaw_is_named(flawed: Path) -> None:
    dataset = load_dataset(flawed)
    calls: list[tuple[int, int]] = []
    report = check_dataset(dataset, lambda *counts: calls.append(counts))
    found = {Path(problem.path).name: problem for problem in report.problems}
    assert {name: problem.kind for name, problem in found.items()} == {
        "growing_900.mp4": "unusable",
        "growing_901.mp4": "unusable",
        "growing_902.mp4": "unusable",
        "left_900.mp4": "duplicate",
        "right_000.mp4": "duplicate",
    }
    assert "empty" in found["growing_900.mp4"].reason
    assert "cannot be decoded" in found["growing_901.mp4"].reason
    assert "too short" in found["growing_902.mp4"].reason
    assert "but class 'right' instead of 'left'" in found["right_000.mp4"].reason
    assert report.usable
    assert sum(map(sum, report.counts.values())) == 26
    assert (report.frames_min, report.frames_median, report.frames_max) == (16, 16, 16)
    assert calls[-1] == (29, 29)


def test_the_command_prints_a_table_and_the_flaws(flawed: Path) -> None:
    outcome = call("data", "check", flawed)
    assert outcome.returncode == 0
    assert "growing_901.mp4: cannot be decoded" in outcome.stdout
    assert "left_900.mp4: has the content of" in outcome.stdout
    as_json = call("data", "check", flawed, "--json")
    report = json.loads(as_json.stdout)
    assert report["usable"] is True
    assert len(report["problems"]) == 5


def test_what_cannot_be_trained_on_fails(demo_folder: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(demo_folder, clips)
    for path in (clips / "left").iterdir():
        path.write_bytes(b"")
    outcome = call("data", "check", clips)
    assert outcome.returncode == 2
    assert "nothing to train on" in outcome.stderr


def test_the_demo_command_writes_what_check_accepts(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    arguments = ("--classes", 3, "--clips-per-class", 4, "--size", 32)
    assert call("data", "demo", out, *arguments).returncode == 0
    assert sorted(path.name for path in out.iterdir()) == ["clockwise", "left", "right"]
    outcome = call("data", "check", out)
    assert outcome.returncode == 0
    assert "No problems found" in outcome.stdout


def test_imbalanced_classes_are_remarked_once(demo_folder: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(demo_folder, clips)
    for spare in sorted((clips / "left").iterdir())[3:]:
        spare.unlink()
    remarks = check_dataset(load_dataset(clips)).remarks
    (said,) = (remark for remark in remarks if "are imbalanced" in remark)
    assert "'left' has 1." in said
    assert not any(
        "are imbalanced" in one for one in check_dataset(load_dataset(demo_folder)).remarks
    )


@pytest.fixture
def several(demo_folder: Path, tmp_path: Path) -> Path:
    """The demo clips as a table, where one clip alone, to train on and empty, is also rare."""
    shutil.copytree(demo_folder, tmp_path / "clips")
    rows = ["path,labels,split"]
    for number in range(8):
        split = "val" if number == 6 else "test" if number == 7 else "train"
        for name in ("left", "right"):
            also = "|rare" if (name, number) == ("left", 0) else ""
            rows.append(f"{name}/{name}_{number:03d}.mp4,{name}{also},{split}")
    (tmp_path / "clips" / "left" / "left_000.mp4").write_bytes(b"")
    (tmp_path / "clips" / "labels.csv").write_text("\n".join(rows))
    return tmp_path / "clips" / "labels.csv"


LOST = "Classes that no readable clip shows to train on (1): rare."


def test_where_videos_show_several_classes_one_may_be_lost(several: Path) -> None:
    report = check_dataset(load_dataset(several))
    assert report.multi_label
    assert report.counts["train"] == (5, 0, 6)
    assert report.usable
    assert LOST in report.remarks
    for name in ("left", "right"):
        (several.parent / name / f"{name}_006.mp4").write_bytes(b"")
    assert not check_dataset(load_dataset(several)).usable


@pytest.mark.usefixtures("here")
def test_a_cache_of_several_classes_does_without_a_lost_one(several: Path, tmp_path: Path) -> None:
    remarks: list[str] = []
    cache = build_cache(
        load_dataset(several), size_px=16, directory=tmp_path, on_remark=remarks.append
    )
    assert len(cache) == 15
    assert LOST in remarks
    for name in ("left", "right"):
        (several.parent / name / f"{name}_006.mp4").write_bytes(b"")
    with pytest.raises(UserError, match="no readable clip that shows a class in its val split"):
        build_cache(load_dataset(several), size_px=16, directory=tmp_path)
