"""Quantities are rounded for people in one way: three digits and a prefix, no exponent."""

from __future__ import annotations

import pytest

from vidnas.core import Cost, Evaluation, Latency, LatencyProtocol
from vidnas.core.quantities import (
    format_bytes,
    format_cost,
    format_count,
    format_evaluation,
    format_fitness,
    format_ms,
    format_percent,
    format_points,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (7, "7"), (12, "12"), (999, "999"), (999.7, "1 k"), (1000, "1 k"), (1_234, "1.23 k"),
        (9_996, "10 k"), (999_499, "999 k"), (999_999, "1 M"), (1_000_000, "1 M"),
        (25_740_600, "25.7 M"), (26_414_721, "26.4 M"), (4.3e9, "4.3 G"),
        (4_325_486_848, "4.33 G"), (2e15, "2,000 T"),
    ],
)  # fmt: skip
def test_counts_keep_three_digits(count: float, text: str) -> None:
    assert format_count(count) == text


def test_bytes() -> None:
    assert [format_bytes(n) for n in (3, 64e6, 12_042_240)] == ["3 B", "64 MB", "12 MB"]
    assert [format_bytes(n, digits=4) for n in (999_700, 12_042_240)] == ["999.7 kB", "12.04 MB"]


def test_milliseconds() -> None:
    times = (0.0312, 0.779, 8, 39.96, 1234.5)
    assert [format_ms(ms) for ms in times] == ["0.0312 ms", "0.779 ms", "8 ms", "40 ms", "1,234 ms"]
    assert format_ms(40.04, digits=4) == "40.04 ms"


def test_shares_and_their_differences() -> None:
    assert (format_percent(0.8), format_percent(1)) == ("80.0%", "100.0%")
    assert [format_points(d) for d in (0.05, -0.125, 0)] == [
        "+5.0 points", "-12.5 points", "+0.0 points"
    ]  # fmt: skip


def test_fitness_keeps_four_digits() -> None:
    assert [format_fitness(f) for f in (0.11862, 1.4, -3)] == ["0.1186", "1.4", "-3"]


@pytest.mark.parametrize(
    ("fitness", "metrics", "said"),
    [
        (0.45, {"top1": 0.45}, "45.0% top-1"),
        (1.25, {"top1": 0.45, "top5": 0.8}, "45.0% top-1, fitness 1.25"),
        (1.25, {}, "fitness 1.25"),
    ],
)
def test_only_an_accuracy_is_said_in_percent(
    fitness: float, metrics: dict[str, float], said: str
) -> None:
    evaluation = Evaluation(status="ok", fitness=fitness, metrics=metrics)
    assert format_evaluation(evaluation) == said
    cost = Cost(parameters=950_000, macs=41_600_000)
    costly = evaluation.model_copy(update={"cost": cost})
    assert format_evaluation(costly) == f"{said}, {format_cost(cost)}"


def test_the_headline_is_said_first() -> None:
    several = Evaluation(status="ok", fitness=0.25, metrics={"map": 0.25}, headline="map")
    assert format_evaluation(several) == "25.0% mAP"
    metrics = {"top1": 0.9, "mean_class": 0.5}
    alike = Evaluation(status="ok", fitness=0.4, metrics=metrics, headline="mean_class")
    assert format_evaluation(alike) == "50.0% mean class, fitness 0.4"


def test_an_evaluation_without_fitness_says_why() -> None:
    assert format_evaluation(Evaluation(status="failed", reason="out of memory")) == "out of memory"


def test_a_cost_is_one_phrase() -> None:
    cost = Cost(parameters=950_000, macs=41_600_000)
    assert format_cost(cost) == "41.6 M MACs, 950 k parameters"
    protocol = LatencyProtocol(
        device="cpu", runtime="torch", threads=1, dtype="float32", batch=1, warmup=1, repeats=1
    )
    latency = Latency(p50_ms=1.8, p90_ms=2, spread=0, protocol=protocol)
    timed = cost.model_copy(update={"latency": latency})
    assert format_cost(timed) == "1.8 ms, 41.6 M MACs, 950 k parameters"
