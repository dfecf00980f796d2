"""The finished networks to choose from along the limit."""

from __future__ import annotations

from dataclasses import dataclass

from vidnas.core import Cost
from vidnas.core.quantities import format_count, format_ms, format_percent
from vidnas.deploy.card import ModelCard
from vidnas.evolution.trial import Trial
from vidnas.report.study import StudyReport


@dataclass(frozen=True)
class Choice:
    """A finished network that validates better than every cheaper one."""

    card: ModelCard
    trials: tuple[Trial, ...]
    """The candidate that it comes from, or those that vote."""
    cost: float | None
    """The latency in milliseconds or the MACs, whatever is compared; None where it is not known."""
    said: str
    """What it is, in one phrase."""


@dataclass(frozen=True)
class Choices:
    """What the slider chooses from, the cheapest first."""

    found: tuple[Choice, ...]
    quantity: str
    """What is compared: "Latency per clip"."""
    most: float
    """The end of the slider: the limit, or the dearest network where there is none."""
    chosen: int
    """The index of the answer."""


def choices_of(report: StudyReport) -> Choices | None:
    """Return the finished networks that are best within some cost, and the answer in any case."""
    trials = report.by_number
    cards = [card for card in report.finished if card.trial in trials]
    answer = report.winner
    if not cards or answer is None or answer.trial not in trials:
        return None
    by_latency = all(card.cost and card.cost.latency for card in cards)
    priced = [(_value(card.cost, by_latency), card) for card in cards]
    found: list[Choice] = []
    best = None
    for value, card in sorted(priced, key=lambda one: (one[0] is None, one[0] or 0.0)):
        rank = card.validation.rank if card.validation else None
        if card is answer or (rank is not None and (best is None or rank > best)):
            numbers = card.voters or (card.trial,)
            own = tuple(trials[number] for number in numbers if number in trials)
            found.append(Choice(card, own, value, _said(card, value, by_latency)))
            best = rank if best is None or (rank is not None and rank > best) else best
    limit = report.limits.latency_ms if by_latency else report.limits.macs
    dearest = max((one.cost or 0.0 for one in found), default=0.0)
    return Choices(
        found=tuple(found),
        quantity="Latency per clip" if by_latency else "MACs per clip",
        most=max(limit or 0.0, dearest),
        chosen=next(at for at, one in enumerate(found) if one.card is answer),
    )


def _value(cost: Cost | None, by_latency: bool) -> float | None:
    if cost is None:
        return None
    return cost.latency.p50_ms if by_latency and cost.latency else float(cost.macs)


def _said(card: ModelCard, value: float | None, by_latency: bool) -> str:
    shown = ""
    if value is not None:
        shown = format_ms(value) if by_latency else f"{format_count(value)} MACs"
    shares = {"validation": card.validation, "test": card.test}
    said = [f"{format_percent(m.headline_share)} {name}" for name, m in shares.items() if m]
    return ", ".join([card.name, *([shown] if shown else []), *said])
