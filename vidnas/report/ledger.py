"""The ledger of mutations: what each kind of change was worth, and who overtook whom."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidnas.core import Evaluation, Status
from vidnas.evolution.trial import Trial
from vidnas.report.study import StudyReport

_FEWEST = 2
# What says which one of its kind: "block 3", "node n412", "conv2_x", "level 1", and the values.
_VALUES = re.compile(r"\s*\S+ -> .*$|\s*\(.*\)$")
_WHICH = re.compile(r"(?<=\S) (?:[a-z]\d+|\d+[a-z]?)\b|(?<=[a-z])[\d_.]+[^\s,]*")


def kind_of_mutation(phrase: str) -> str:
    """Return a mutation without values and without which block it changed: "block: filters" for
    "block 2: filters 32 -> 64"."""
    place, colon, change = phrase.rpartition(": ")
    if not colon and ", " in phrase.partition(" -> ")[0]:  # "stage 2, repeats 1 -> 2"
        place, colon, change = phrase.partition(", ")
    what = _VALUES.sub("", change) or change
    what = re.sub(r"^(added|removed|replaced|\d+ replaced).*", _verb, what)
    what = re.sub(r"(block) \S+ (split|merged) into .*", r"\1 \2", what)
    where = re.sub(r"\s+", " ", _WHICH.sub("", re.sub(r"\S+->\S+", "", place))).strip(" ,")
    return f"{where}: {what}" if colon and where else what or phrase


def _verb(found: re.Match[str]) -> str:
    return "replaced" if "replaced" in found[1] else found[1]


@dataclass(frozen=True)
class LedgerRow:
    """A kind of mutation and what came of it."""

    kind: str
    gains: tuple[float, ...]
    """Differences to the parent of the children that were trained."""
    lost: dict[Status, int]
    """How many children were rejected or failed."""

    @property
    def children(self) -> int:
        """How many children had such a mutation."""
        return len(self.gains) + sum(self.lost.values())

    @property
    def mean(self) -> float | None:
        """The mean gain; None where no child was trained."""
        return float(np.mean(self.gains)) if self.gains else None

    @property
    def half_width(self) -> float | None:
        """Half of the interval that holds the mean gain with 95 % confidence (Student's t)."""
        count = len(self.gains)
        if count < _FEWEST:
            return None
        return _student(count - 1) * float(np.std(self.gains, ddof=1)) / math.sqrt(count)

    @property
    def better(self) -> int:
        """How many children were better than their parents."""
        return sum(gain > 0 for gain in self.gains)


def ledger(report: StudyReport) -> tuple[str, list[LedgerRow]]:
    """Return what gains are measured in, and one row per kind of mutation, the best mean first.

    A child of several mutations counts for each of them. Its first rung is compared with that of
    its parent, the only one that both were trained to alike; where it inherited, with what its
    parent had reached by then.
    """
    events: dict[int, list[Trial]] = {}
    for event in report.history:
        events.setdefault(event.number, []).append(event)
    by_share = all(one.evaluations[0].headline_share is not None for one in report.of_status("ok"))
    gains: dict[str, list[float]] = {}
    lost: dict[str, dict[Status, int]] = {}
    for child in report.trials:
        parent = None
        if child.proposal.parent is not None:
            parent = report.by_number.get(child.proposal.parent)
        for kind in {kind_of_mutation(one) for one in child.proposal.mutations}:
            own = gains.setdefault(kind, [])
            status = child.evaluations[0].status
            if status != "ok":
                counts = lost.setdefault(kind, {})
                counts[status] = counts.get(status, 0) + 1
            elif parent is not None and parent.evaluations[0].status == "ok":
                before = _begun_from(events[child.number][0], events[parent.number])
                own.append(_worth(child.evaluations[0], by_share) - _worth(before, by_share))
    rows = [LedgerRow(kind, tuple(own), lost.get(kind, {})) for kind, own in gains.items()]
    rows.sort(key=lambda row: (row.mean is None, -(row.mean or 0.0), row.kind))
    return ("points" if by_share else "fitness"), rows


def _begun_from(birth: Trial, parent: Sequence[Trial]) -> Evaluation:
    """Return the parent's evaluation that a child began from, given the events of both."""
    began_s = birth.elapsed_s - birth.evaluation.seconds
    reached = [one.evaluation for one in parent if one.elapsed_s <= began_s]
    if not birth.evaluation.metrics.get("inherited") or not reached:
        return parent[0].evaluation
    return reached[-1]


def _worth(evaluation: Evaluation, by_share: bool) -> float:
    found = evaluation.headline_share if by_share else evaluation.fitness
    return found or 0.0


def _student(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t (Hill's expansion about the normal quantile)."""
    z = 1.959964
    if freedom <= 2:
        return (12.7062, 4.3027)[freedom - 1]
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


@dataclass(frozen=True)
class Overtaking:
    """How the order of those that climbed to a rung changed on the way."""

    rung: int
    climbers: int
    swapped: int
    """Pairs of which the one that was behind is ahead now."""
    riser: int
    """Number of the candidate that won most places."""
    places: tuple[int, int]
    """Its place below and here, 1 being the first."""

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return self.climbers * (self.climbers - 1) // 2


def overtakings(trials: Sequence[Trial]) -> list[Overtaking]:
    """Return for each rung above the lowest how the order of its climbers changed."""
    found = []
    for rung in range(1, 1 + max((one.rung for one in trials), default=0)):
        there = [one for one in trials if len(_fitness(one)) > rung]
        if len(there) < _FEWEST:
            continue
        below, here = (np.array([-_fitness(one)[at] for one in there]) for at in (rung - 1, rung))
        places = [order.argsort(kind="stable").argsort(kind="stable") for order in (below, here)]
        signs = np.sign(places[0][:, None] - places[0]) * np.sign(places[1][:, None] - places[1])
        best = int((places[0] - places[1]).argmax())
        found.append(
            Overtaking(
                rung=rung,
                climbers=len(there),
                swapped=int((signs < 0).sum()) // 2,
                riser=there[best].number,
                places=(int(places[0][best]) + 1, int(places[1][best]) + 1),
            )
        )
    return found


def _fitness(trial: Trial) -> list[float]:
    return [one.fitness for one in trial.evaluations if one.fitness is not None]
