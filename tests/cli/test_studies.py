"""`vidnas study` on a real search: fork, merge, move."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import SEARCH, Vidnas

from vidnas.core import UserError
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Trial
from vidnas.profiling.latency import Reference
from vidnas.workflows.records import read_record, write_record
from vidnas.workflows.reference import REFERENCE_FILE, study_reference
from vidnas.workflows.request import REQUEST_FILE, SearchRequest


def assert_kept(before: Sequence[Trial], after: Sequence[Trial]) -> None:
    """The candidates are there with all their evaluations; some may have climbed on."""
    for one, other in zip(before, after, strict=False):
        assert other.proposal == one.proposal
        assert other.evaluations[: len(one.evaluations)] == one.evaluations
    assert len(after) >= len(before)


def test_a_fork_is_searched_with_other_limits_and_strategy(
    vidnas: Vidnas, clips: Path, study: Path, tmp_path: Path
) -> None:
    new = tmp_path / "fork"
    done = vidnas("study", "fork", study, new, "--limit", "latency=30ms", "--strategy", "pareto")
    taken = Study.read(new).trials
    assert f"starts with {len(taken)} trials" in done.stdout
    assert [t.evaluation for t in taken] == [
        t.evaluation for t in Study.read(study).trials if t.evaluation.status == "ok"
    ]
    asked = list(SEARCH)
    asked[asked.index("latency=20ms")] = "latency=30ms"
    vidnas(
        "search", clips, "--out", new, "--evaluations", 4, "--strategy", "pareto",
        *asked,
    )  # fmt: skip
    assert_kept(taken, Study.read(new).trials)
    assert SearchRequest.read(new).strategy == "pareto"


def test_a_fork_leaves_settings_that_its_strategy_does_not_have(
    vidnas: Vidnas, study: Path, tmp_path: Path
) -> None:
    shutil.copytree(study, tmp_path / "study")
    asked = SearchRequest.read(study).model_copy(update={"population": 9, "guided": False})
    write_record(asked, tmp_path / "study" / REQUEST_FILE)
    vidnas("study", "fork", tmp_path / "study", tmp_path / "new", "--strategy", "local")
    forked = SearchRequest.read(tmp_path / "new")
    assert (forked.population, forked.guided) == (None, False)


def test_forks_and_mergers_stay_on_the_target_of_their_study(
    vidnas: Vidnas, study: Path, tmp_path: Path
) -> None:
    known = shutil.copytree(study, tmp_path / "known")
    reference = read_record(Reference, known / REFERENCE_FILE)
    assert reference is not None
    write_record(reference.model_copy(update={"target": "ssh://x"}), known / REFERENCE_FILE)
    asked = SearchRequest.read(known).model_copy(update={"target": "ssh://x", "latency_threads": 2})
    write_record(asked, known / REQUEST_FILE)
    done = vidnas("study", "fork", known, tmp_path / "fork")
    assert "--latency-threads 2 --target ssh://x" in " ".join(done.stderr.split())
    vidnas("study", "merge", known, tmp_path / "fork", "--out", tmp_path / "both")
    for new in ("fork", "both"):
        with pytest.raises(UserError, match="were timed on ssh://x, not on this machine"):
            study_reference(tmp_path / new, print, runtime="onnxruntime", threads=2)


def test_a_fork_does_not_become_a_search_for_streams(
    vidnas: Vidnas, study: Path, tmp_path: Path
) -> None:
    limit = ("--limit", "frame_latency=5ms")
    done = vidnas("study", "fork", study, tmp_path / "fork", *limit, check=False)
    assert done.returncode == 2 and "visits other networks" in done.stderr
    assert not (tmp_path / "fork").exists()


def test_a_merger_of_a_study_with_its_fork(vidnas: Vidnas, study: Path, tmp_path: Path) -> None:
    vidnas("study", "fork", study, tmp_path / "fork", "--trials", 1)
    vidnas("study", "merge", tmp_path / "fork", study, "--out", tmp_path / "both")
    kept = [t.architecture for t in Study.read(tmp_path / "both").trials]
    assert kept == [t.architecture for t in Study.read(study).trials]
    refused = vidnas("study", "merge", study, study, "--out", study, check=False)
    assert refused.returncode == 2
    assert "exists already" in refused.stderr


def test_a_study_and_its_clips_move(
    vidnas: Vidnas, clips: Path, study: Path, tmp_path: Path
) -> None:
    shutil.copytree(study, tmp_path / "study")
    shutil.copytree(clips, tmp_path / "clips")
    vidnas("search", tmp_path / "clips", "--out", tmp_path / "study", "--evaluations", 4, *SEARCH)
    before, after = Study.read(study).trials, Study.read(tmp_path / "study").trials
    assert_kept(before, after)
    assert len(after) > len(before)
    assert SearchRequest.read(tmp_path / "study").clips == tmp_path / "clips"
