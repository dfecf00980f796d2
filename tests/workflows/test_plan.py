"""What becomes of a budget, before a search begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vidnas
from vidnas.core import UserError
from vidnas.workflows.listener import Listener
from vidnas.workflows.plan import Plan
from vidnas.workflows.request import SearchRequest


def plan(folder: Path, **asked: Any) -> Plan:
    return Plan.of(SearchRequest(clips=folder, out=folder / "study", **asked), workers=2)


@pytest.mark.parametrize("asked", [{}, {"train_time": "60s"}, {"candidate_time": "9s"}])
@pytest.mark.parametrize("budget_s", [120.0, 360.0, 36000.0])
def test_a_budget_is_spent_and_not_more(
    budget_s: float, asked: dict[str, Any], tmp_path: Path
) -> None:
    times = plan(tmp_path, budget=budget_s, **asked)
    assert times.search_s is not None and times.last_start_s is not None
    assert times.search_s + times.train_s + times.rest_s == pytest.approx(budget_s)
    # The last candidate to be started ends in time.
    assert times.last_start_s + times.candidate_s == pytest.approx(times.search_s)
    assert times.rest_s >= 12


@pytest.mark.parametrize("asked", [{}, {"train_time": "3m"}, {"candidate_time": "30s"}])
def test_a_budget_that_is_too_small_is_told_what_is_needed(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="a first round of candidates needs") as found:
        plan(tmp_path, budget="10s", **asked)
    needed = str(found.value).rpartition("--budget ")[2].split()[0]
    plan(tmp_path, budget=needed, **asked)
    with pytest.raises(UserError, match="needs"):
        plan(tmp_path, budget=f"{int(needed[:-1]) - 12}s", **asked)


def test_a_search_needs_an_end(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give --budget 30m, --evaluations 100, or both"):
        plan(tmp_path)
    assert plan(tmp_path, evaluations=7).last_start_s is None


def test_python_is_answered_as_the_command_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        vidnas.search_clips(tmp_path / "nowhere", budget=-1)
    with pytest.raises(UserError, match="did you mean budget"):
        vidnas.search_clips(tmp_path, budgte="30m", listener=Listener())
