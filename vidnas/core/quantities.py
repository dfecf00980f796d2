"""Quantities as people read them: "26.4 M", "12 MB", "0.78 ms", "80.0%".

The one place where numbers are rounded for people; `durations.py` does the same for durations.
"""

from __future__ import annotations

import re

from vidnas.core.cost import Cost
from vidnas.core.errors import UserError
from vidnas.core.evaluation import Evaluation

_METRICS = {"top1": "top-1", "top5": "top-5", "map": "mAP"}
_PREFIXES = ("", "k", "M", "G", "T")


def format_number(number: float, digits: int = 3) -> str:
    """Return a number with so many significant digits: "8", "0.312", "1,234"."""
    if abs(number) >= 10**digits - 0.5:
        return f"{number:,.0f}"
    return f"{number:.{digits}g}"


def format_count(number: float) -> str:
    """Return a count with a decimal prefix: "999", "26.4 M", "4.3 G"."""
    return _prefixed(number, 3).rstrip()


def format_bytes(number: float, digits: int = 3) -> str:
    """Return bytes with a decimal prefix: 1 MB is 1,000,000 bytes."""
    return f"{_prefixed(number, digits)}B"


def parse_bytes(text: str) -> int:
    """Return the bytes of a size such as "200GB".

    Raises:
        UserError: the text is no size, has no unit, or is zero.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([kmgt]?)(i?)b", text.strip().lower())
    size = 0.0
    if match:
        number, prefix, binary = match.groups()
        size = float(number) * (1024 if binary else 1000) ** " kmgt".index(prefix or " ")
    if size < 1:
        raise UserError(f"{text!r} is not a size; write it like 200GB, 500MB or 1.5TB.")
    return int(size)


def format_ms(ms: float, digits: int = 3) -> str:
    """Return milliseconds: "0.78 ms"."""
    return f"{format_number(ms, digits)} ms"


def format_percent(share: float) -> str:
    """Return a share in percent: "80.0%"."""
    return f"{share:.1%}"


def format_points(difference: float) -> str:
    """Return the difference of two shares in percentage points: "+5.0 points"."""
    return f"{100 * difference:+.1f} points"


def format_fitness(fitness: float) -> str:
    """Return a fitness, which is whatever an evaluator says, with four significant digits."""
    return format_number(fitness, 4)


def format_metric(name: str) -> str:
    """Return what people call a metric: "top-1" for `top1`, "mean class" for `mean_class`."""
    return _METRICS.get(name, name.replace("_", " "))


def format_cost(cost: Cost) -> str:
    """Return what a network costs in one phrase: "1.8 ms, 41.6 M MACs, 950 k parameters"; with
    "0.4 ms a frame" after its latency where it streams."""
    facts = [format_ms(cost.latency.p50_ms)] if cost.latency else []
    if cost.frame_latency:
        facts.append(f"{format_ms(cost.frame_latency.p50_ms)} a frame")
    counted = f"{format_count(cost.macs)} MACs", f"{format_count(cost.parameters)} parameters"
    return ", ".join([*facts, *counted])


def format_evaluation(evaluation: Evaluation) -> str:
    """Return what an evaluation says in one phrase, or why it says nothing.

    For example "45.0% top-1, fitness 1.25, 1.8 ms, 41.6 M MACs, 950 k parameters"; a fitness that
    is the accuracy itself is not said twice.
    """
    if evaluation.fitness is None:
        return evaluation.reason
    share, facts = evaluation.headline_share, []
    if share is not None:
        facts.append(f"{format_percent(share)} {format_metric(evaluation.headline)}")
    if share != evaluation.fitness:
        facts.append(f"fitness {format_fitness(evaluation.fitness)}")
    if evaluation.cost:
        facts.append(format_cost(evaluation.cost))
    return ", ".join(facts)


def _prefixed(number: float, digits: int) -> str:
    step = 0
    rounded_up = 1000 - 0.5 * 10 ** (3 - digits)
    while abs(number) >= rounded_up and step < len(_PREFIXES) - 1:
        number /= 1000
        step += 1
    return f"{format_number(number, digits)} {_PREFIXES[step]}"
