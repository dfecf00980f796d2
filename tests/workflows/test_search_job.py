"""When a candidate is taken to hang."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vidnas.workflows.search_job import stopped_after

LONGEST_S = 18_000.0


def ladder(*seconds: float | None) -> Any:
    return SimpleNamespace(seconds_at=seconds.__getitem__)


def test_a_climb_is_stopped_by_its_own_rung_and_never_later_than_the_longest() -> None:
    long = ladder(200.0, 600.0, 6000.0)
    found = [stopped_after(long, LONGEST_S, rung) for rung in range(3)]
    assert found == [1200.0, 2400.0, LONGEST_S]
    assert stopped_after(ladder(5.0), 135.0, 0) == 135.0  # a short search does not wait for slack


def test_who_trains_by_epochs_takes_what_it_takes() -> None:
    assert stopped_after(ladder(None), None, 0) is None
