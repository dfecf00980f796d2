"""Where core-seconds went, and what was gained over designs, worked out by hand."""

from __future__ import annotations

import pytest
from search_toys import Toy

from vidnas.core import Evaluation
from vidnas.evolution.accounting import Accounting, most_at_once
from vidnas.evolution.gain import Gain
from vidnas.evolution.trial import Proposal, Trial


def ok(fitness: float, seconds: float = 0.0, training_s: float = 0.0) -> Evaluation:
    metrics = {"top1": fitness / 2, "training_s": training_s}
    return Evaluation(status="ok", fitness=fitness, metrics=metrics, seconds=seconds)


def trial(number: int, evaluation: Evaluation, design: bool = False) -> Trial:
    return Trial(number, Proposal(Toy(widths=(number + 1,)), design=design), evaluation, 0.0)


def test_core_seconds_are_counted_once_each() -> None:
    first = trial(0, ok(0.5, seconds=5, training_s=4))
    history = [
        first,
        trial(1, ok(0.4, seconds=3, training_s=2)),
        trial(2, Evaluation(status="rejected", reason="latency", seconds=1)),
        trial(3, Evaluation(status="failed", reason="out of memory", seconds=2)),
        first.climbed(ok(0.6, seconds=9, training_s=8), 10.0),
    ]
    spent = Accounting.of(history, {0}, workers=2, search_s=12.5)
    assert spent == Accounting(workers=2, finished_s=12, training_s=4, besides_s=4, idle_s=5)
    assert spent.total_s == 2 * 12.5
    assert sum(spent.uses.values()) == spent.total_s


def test_a_climb_that_was_killed_and_resumed_is_no_more_than_it_took() -> None:
    """The run counts what it trained before the kill, too; the search time does not."""
    spent = Accounting.of([trial(0, ok(0.5, seconds=2, training_s=10))], set(), 1, search_s=3)
    assert (spent.training_s, spent.besides_s, spent.idle_s) == (2, 0, 1)


def climbed(number: int, began_s: float, ended_s: float) -> Trial:
    evaluation = ok(0.5, seconds=ended_s - began_s, training_s=ended_s - began_s)
    return Trial(number, Proposal(Toy(widths=(number + 1,))), evaluation, ended_s)


def test_there_were_at_least_as_many_workers_as_climbed_at_once() -> None:
    """Of a search that was resumed with fewer: 3 workers for 10 s, then 1."""
    history = [climbed(n, 0.0, 10.0 + n / 100) for n in range(3)]
    history += [climbed(3, 9.8, 20.0), climbed(4, 20.0, 30.0)]  # begun as one ended
    spent = Accounting.of(history, set(), workers=1, search_s=30)
    assert (spent.workers, spent.total_s) == (3, 90)
    assert spent.idle_s == pytest.approx(90 - 30 - 20.2, abs=0.1)
    assert Accounting.of(history, set(), workers=8, search_s=30).workers == 8
    assert most_at_once(history[3:]) == 1
    assert most_at_once([]) == 0


DESIGNS = [
    trial(0, ok(0.5), design=True).climbed(ok(0.6), 1.0),
    trial(1, ok(0.4), design=True),
    trial(2, Evaluation(status="failed", reason="not finite"), design=True),
]


def test_the_gain_is_taken_on_the_highest_rung_that_both_reached() -> None:
    child = trial(3, ok(0.3)).climbed(ok(0.8), 2.0).climbed(ok(0.9), 3.0)
    gain = Gain.of(child, [*DESIGNS, child])
    assert gain is not None
    assert (gain.design, gain.climbed) == (0, (2, 1))
    assert (gain.fitness, gain.shares) == ((0.8, 0.6), (0.4, 0.3))
    said = str(gain)
    assert "Trial 3 against trial 0" in said
    assert "+10.0 points of validation top-1 (40.0% against 30.0%)" in said
    assert "+0.2 of fitness (0.8 against 0.6) on rung 1" in said


def test_a_head_start_is_said() -> None:
    first = ok(0.3)
    heir = first.model_copy(update={"metrics": {**first.metrics, "inherited": 0.98}})
    child = trial(3, heir)
    gain = Gain.of(child, [*DESIGNS, child])
    assert gain is not None  # its parent's training counts: it is compared with all of the design's
    assert (gain.climbed, gain.fitness) == ((0, 1), (0.3, 0.6))
    assert str(gain).endswith(
        "where they stood after the search, on rungs 0 and 1. It started with 98.0% of its "
        "parameters as its parent had learned them."
    )


def test_a_loss_is_said_as_well() -> None:
    child = trial(3, ok(0.3))
    assert "-10.0 points" in str(Gain.of(child, [*DESIGNS, child]))


def test_a_design_that_won_is_called_one() -> None:
    gain = Gain.of(DESIGNS[1], DESIGNS)
    assert gain is not None
    assert (
        str(gain) == "Trial 1 is a design that the search started from: nothing better was found."
    )


@pytest.mark.parametrize("designs", [[], DESIGNS[2:]])
def test_without_a_design_there_is_nothing_to_compare_with(designs: list[Trial]) -> None:
    child = trial(3, ok(0.3))
    assert Gain.of(child, [*designs, child]) is None
