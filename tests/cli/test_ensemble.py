"""`vidnas ensemble` on a real, small study; every other command on what it makes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import Vidnas, read_json

from vidnas.core import UserError
from vidnas.deploy.model import load_card
from vidnas.profiling.remote import TargetFailure
from vidnas.workflows.ensemble import ensemble_studies
from vidnas.workflows.listener import Listener

ENSEMBLE = ("--votes", 3, "--pool", 3)


@pytest.fixture(scope="module")
def voting(vidnas: Vidnas, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the study with an ensemble in it."""
    copy = tmp_path_factory.mktemp("ensembles") / "study"
    shutil.copytree(study, copy)
    vidnas("ensemble", copy, *ENSEMBLE)
    return copy


def test_the_record_agrees_with_the_model(vidnas: Vidnas, voting: Path, clips: Path) -> None:
    record = json.loads((voting / "ensemble" / "ensemble.json").read_text())
    assert sum(member["weight"] for member in record["members"]) == len(record["steps"]) == 3
    assert record["steps"][0]["member"] == 0
    for row, shares in enumerate(record["disagreement"]):
        assert shares[row] == 0 and len(shares) == len(record["members"])
    measured = read_json(vidnas("eval", voting / "ensemble", clips, "--json"))
    assert measured["top1"] == pytest.approx(record["test"]["top1"])
    assert measured["confusion"] == record["test"]["confusion"]


def test_the_same_command_trains_nothing_again(vidnas: Vidnas, voting: Path) -> None:
    models = sorted(voting.glob("models/trial-*/model.json"))
    assert len(models) == 3
    written = [path.stat().st_mtime_ns for path in models]
    again = read_json(vidnas("ensemble", voting, *ENSEMBLE, "--json"))
    assert [path.stat().st_mtime_ns for path in models] == written
    assert not list(voting.glob("models/*/*.checkpoint"))
    assert "best member" in again["verdict"]
    assert again["model"] == str(voting / "ensemble")


def test_it_predicts_and_is_not_trained(
    vidnas: Vidnas, voting: Path, clips: Path, tmp_path: Path
) -> None:
    model, video = voting / "ensemble", next(clips.glob("left/*.mp4"))
    (shares,) = read_json(vidnas("predict", model, video, "--json")).values()
    assert sum(shares.values()) == pytest.approx(1)
    done = vidnas("train", clips, model, "--out", tmp_path / "no", check=False)
    assert done.returncode == 2 and "not trained as a whole" in done.stderr
    assert not (tmp_path / "no" / "model.json").exists()


def test_the_page_gains_a_section_and_keeps_the_rest(study: Path, voting: Path) -> None:
    before = (study / "report.html").read_text(encoding="utf-8")
    after = (voting / "report.html").read_text(encoding="utf-8")
    assert "<h2>Ensemble</h2>" in after and "<h2>Ensemble</h2>" not in before
    for heading in ("The chosen network", "Confusion on the test split", "Use it"):
        assert f"<h2>{heading}</h2>" in before and f"<h2>{heading}</h2>" in after
    record = json.loads((voting / "ensemble" / "ensemble.json").read_text())
    for member in record["members"]:
        assert f"Drawing of {member['name']}" in after


def test_studies_together(vidnas: Vidnas, voting: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other", tmp_path / "both"
    shutil.copytree(voting, other, ignore=shutil.ignore_patterns(".lock", "ensemble"))
    before = (other / "report.html").read_bytes()
    chosen = read_json(
        vidnas("ensemble", other, voting, "--votes", 2, "--pool", 4, "--out", out, "--json")
    )
    assert chosen["pool"] == 4
    assert {m["name"].split()[0] for m in chosen["members"]} <= {"other", "study"}
    assert (other / "report.html").read_bytes() == before  # the ensemble does not lie in it


@pytest.fixture
def stranger(voting: Path, tmp_path: Path) -> Path:
    """A study of other clips."""
    copy = tmp_path / "stranger"
    shutil.copytree(voting, copy, ignore=shutil.ignore_patterns(".lock", "ensemble"))
    config = copy / "config.yaml"
    text = config.read_text()
    fingerprint = text.partition("data_fingerprint: ")[2].split()[0]
    config.write_text(text.replace(fingerprint, "something-else"))
    return copy


def test_what_does_not_belong_together(voting: Path, clips: Path, stranger: Path) -> None:
    def complaint(*folders: Path, out: Path = voting / "ensemble") -> str:
        with pytest.raises(UserError) as found:
            ensemble_studies(folders, votes=2, pool=2, workers=1, out=out)
        return str(found.value)

    assert "request.json" in complaint(clips)
    assert "other classes, clips or splits" in complaint(voting, stranger)
    assert "another model" in complaint(voting, out=voting / "best")
    vote = stranger / "vote"  # of a search, which may be the answer in best/
    shutil.copytree(voting / "ensemble", vote)
    described = json.loads((vote / "model.json").read_text())
    described["card"]["trial"] = 1
    (vote / "model.json").write_text(json.dumps(described))
    assert "another model" in complaint(voting, out=vote)


def test_clips_that_are_not_those_of_the_study(vidnas: Vidnas, stranger: Path) -> None:
    done = vidnas("ensemble", stranger, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "other clips" in done.stderr
    assert not (stranger / "ensemble").exists()


def test_an_ensemble_that_the_target_cannot_run_is_saved_nevertheless(
    voting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TargetFailure("on the target pi: out of memory")

    heard: list[str] = []
    listener = Listener()
    monkeypatch.setattr("vidnas.workflows.ensemble.measure_cost", fail)
    monkeypatch.setattr(listener, "remark", heard.append)
    found = ensemble_studies([voting], votes=3, pool=3, out=tmp_path / "vote", listener=listener)
    assert load_card(found.folder).cost.latency is None
    assert "The ensemble could not be timed on the target pi: out of memory." in heard
