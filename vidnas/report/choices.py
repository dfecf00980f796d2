"""The finished networks to choose from along the limit."""

from __future__ import annotations

from dataclasses import dataclass

from vidnas.core.quantities import format_percent
from vidnas.deploy.card import ModelCard
from vidnas.evolution.trial import Trial
from vidnas.report.cost_kinds import CostKind, compared
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
    """Return the finished networks that keep the limits and are best within some cost, and the
    answer in any case."""
    trials = report.by_number
    answer = report.winner
    if answer is None or answer.trial not in trials:
        return None
    cards = [
        card
        for card in report.finished
        if card.trial in trials and (card is answer or card.within_limits is not False)
    ]
    kind = compared(report.limits, [card.cost for card in cards], all)
    limit = kind.limit(report.limits)
    priced = [(kind.of(card.cost), card) for card in cards]
    kept = [one for one in priced if one[1] is answer or _is_within(one[0], limit)]
    found: list[Choice] = []
    best = None
    for value, card in sorted(kept, key=lambda one: (one[0] is None, one[0] or 0.0)):
        rank = card.validation.rank if card.validation else None
        if card is answer or (rank is not None and (best is None or rank > best)):
            numbers = card.voters or (card.trial,)
            own = tuple(trials[number] for number in numbers if number in trials)
            found.append(Choice(card, own, value, _said(card, value, kind)))
            best = rank if best is None or (rank is not None and rank > best) else best
    dearest = max((one.cost or 0.0 for one in found), default=0.0)
    return Choices(
        found=tuple(found),
        quantity=kind.name,
        most=max(limit or 0.0, dearest),  # only the answer may be dearer than the limit
        chosen=next(at for at, one in enumerate(found) if one.card is answer),
    )


def _is_within(value: float | None, limit: float | None) -> bool:
    """Return whether a cost is known and keeps the limit; not every network was measured at
    rest."""
    return value is not None and (limit is None or value <= limit)


def _said(card: ModelCard, value: float | None, kind: CostKind) -> str:
    shown = [] if value is None else [kind.show(value)]
    shares = {"validation": card.validation, "test": card.test}
    said = [f"{format_percent(m.headline_share)} {name}" for name, m in shares.items() if m]
    return ", ".join([card.name, *shown, *said])
