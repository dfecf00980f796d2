"""A sample of `benchmarks/fuzz.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


def _check(sources: list[Path], folder: Path) -> None:
    from benchmarks.fuzz import fuzz

    attempts = fuzz(sources, 100, seed=13, folder=folder)
    assert {name: attempt for name, attempt in attempts.items() if attempt.failed} == {}
    outcomes = {attempt.outcome for attempt in attempts.values()}
    assert outcomes == {"decoded", "refused"}


def test_mutated_videos_do_no_harm(tmp_path: Path) -> None:
    from benchmarks.fuzz import generate

    _check(generate(tmp_path), tmp_path)


@pytest.mark.shared_data
def test_mutated_recordings_do_no_harm(shared_folder: Path, tmp_path: Path) -> None:
    from benchmarks.fuzz import small_videos

    _check(small_videos(shared_folder / "clips"), tmp_path)


def test_a_worker_that_is_lost_is_a_failure() -> None:
    from benchmarks.fuzz import Attempt

    assert Attempt("lost: the worker died with signal 11", 0, 0.0, 0).failed
    assert Attempt("decoded", 9, 0.1, 2 << 30).failed
    assert Attempt("refused", 0, 500.0, 1 << 20).failed
    assert not Attempt("decoded", 9, 0.1, 1 << 20).failed
