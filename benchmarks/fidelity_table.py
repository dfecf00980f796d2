"""Compare the rankings and the decisions that `benchmarks.fidelity` measured.

    python -m benchmarks.fidelity_table FOLDER...

The first table has Kendall's tau-b of what is known on each rung against the test accuracy at the
end, the interval that holds 95 % of its values when the networks are drawn again with replacement,
and the share of the cost. The second has what decisions by it end with: the ladder's, when the
candidates are born in many orders; finishing the best of the first rung; and finishing any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks.fidelity import END, RECORD, SCHEDULE
from benchmarks.fidelity_ladder import Candidate, climbed, finished, first_rung_only
from benchmarks.results import Line, Log, Results, options, print_table

RESAMPLES, ORDERS = 2000, 200
_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """What is known of each network (more is better), and the share of the cost that it took."""

    name: str
    values: _Array
    share: float


def read(folder: Path) -> tuple[Line, list[Candidate]]:
    """Return the schedule and the candidates that came to the end, the designs first."""
    log = Log(folder / RECORD)
    schedule = log.find(part=SCHEDULE)
    if schedule is None:
        raise SystemExit(f"{folder} has no measurements; run benchmarks.fidelity first")
    ends = [line for line in log.lines if line["part"] == END]
    first = [line["digest"] for line in log.lines if line["part"] == 0]
    ends.sort(key=lambda line: first.index(line["digest"]))
    parts = [*range(schedule["rungs"])]
    return schedule, [
        Candidate(tuple(log.measure(dict, part=part, digest=end["digest"]) for part in parts), end)
        for end in ends
    ]


def rankings(found: Sequence[Candidate]) -> list[Ranking]:
    """Return all that is known of the candidates, from the cheapest to the dearest."""
    full_s = sum(one.seconds() for one in found)
    made = [
        Ranking(name, np.array([one.rungs[0]["cost"][key] for one in found], float), 0.0)
        for key, name in (("macs", "MACs"), ("parameters", "parameters"))
    ]
    known = {
        "likelihood": "likelihood",
        "top-1": "top1",
        "raw likelihood": "raw_likelihood",
        "raw top-1": "raw_top1",
        "unsettled likelihood": "unsettled_likelihood",
        "unsettled top-1": "unsettled_top1",
        "uncalibrated likelihood": "uncalibrated_likelihood",
    }
    for rung in range(len(found[0].rungs)):
        share = sum(one.seconds(rung) for one in found) / full_s
        for name, key in known.items():
            values = np.array([one.rungs[rung][key] for one in found])
            made.append(Ranking(f"rung {rung}, {name}", values, share))
    for name, key in [*known.items()][:2]:
        values = np.array([one.end[key] for one in found])
        made.append(Ranking(f"the end, {name}", values, 1.0))
    return made


def compare(ranking: Ranking, truth: _Array, learnable: float) -> Line:
    """Return one row of the first table."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(truth), size=(RESAMPLES, len(truth)))
    taus = [kendalltau(ranking.values[rows], truth[rows]).statistic for rows in drawn]
    low, high = np.nanpercentile(taus, [2.5, 97.5])
    learned = truth > learnable
    return {
        "evaluation": ranking.name,
        "tau": _tau(ranking.values, truth),
        "tau_low": float(low),
        "tau_high": float(high),
        "tau_learned": _tau(ranking.values[learned], truth[learned]),
        "best_kept": _best_kept(ranking.values, truth),
        "share": ranking.share,
    }


def _tau(values: _Array, truth: _Array) -> float:
    return float(kendalltau(values, truth).statistic) if len(truth) > 1 else np.nan


def _best_kept(values: _Array, truth: _Array) -> float:
    """Return the share of the best third outside the evaluation's lowest third; 2/3 by chance."""
    third = len(truth) // 3
    best = np.argsort(-truth, kind="stable")[:third]
    return float((values[best] >= np.sort(values)[third]).mean())


def decisions(found: Sequence[Candidate], limit: str) -> list[Line]:
    """Return the rows of the second table: what each way to decide ends with."""
    rng = np.random.default_rng(0)
    orders = [[found[place] for place in rng.permutation(len(found))] for _ in range(ORDERS)]
    ways: dict[str, Callable[[Sequence[Candidate]], tuple[Candidate, float]]] = {
        "the ladder": partial(climbed, limit=limit),
        "the best of rung 0": first_rung_only,
        "any": lambda order: finished(order[:2]),
        "all": finished,
    }
    third = sorted((one.end["test_top1"] for one in found), reverse=True)[:3][-1]
    full_s = sum(one.seconds() for one in found)
    rows = []
    for name, decide in ways.items():
        ended = [decide(order) for order in orders]
        test = [winner.end["test_top1"] for winner, _ in ended]
        rows.append(
            {
                "finished": name,
                "test_top1": float(np.mean(test)),
                "among_best_three": float(np.mean([one >= third for one in test])),
                "share": float(np.mean([seconds for _, seconds in ended])) / full_s,
            }
        )
    return rows


def report(schedule: Line, found: Sequence[Candidate]) -> Line:
    """Print both tables; return their rows."""
    truth = np.array([one.end["test_top1"] for one in found])
    learnable = 2 / schedule["classes"]
    learned = int((truth > learnable).sum())
    full_s = np.mean([one.seconds() for one in found])
    print(f"\n{schedule['clips']}: {len(found)} networks, test top-1 {truth.min():.3f} to", end=" ")
    print(f"{truth.max():.3f}; {learned} of them above {learnable:.3f}, twice chance.")
    print(f"First rung: {schedule['first_rung']}. To the end: {full_s:.1f} s on average.\n")
    rows = [compare(ranking, truth, learnable) for ranking in rankings(found)]
    print_table(
        ("evaluation", "tau", "95 %", "tau, learned", "best kept", "share of the cost"),
        (
            (
                row["evaluation"],
                f"{row['tau']:.2f}",
                f"{row['tau_low']:.2f} to {row['tau_high']:.2f}",
                f"{row['tau_learned']:.2f}",
                f"{row['best_kept']:.0%}",
                f"{row['share']:.3f}",
            )
            for row in rows
        ),
    )
    decided = decisions(found, schedule["limit"])
    print()
    print_table(
        ("finished", "test top-1 %", "among the best three", "share of the cost"),
        (
            (
                row["finished"],
                f"{100 * row['test_top1']:.1f}",
                f"{row['among_best_three']:.0%}",
                f"{row['share']:.3f}",
            )
            for row in decided
        ),
    )
    return {"evaluations": rows, "decisions": decided}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    arguments = parser.parse_args()
    results = Results("fidelity", arguments)
    summary = {}
    for folder in arguments.folders:
        schedule, found = read(folder)
        summary[schedule["clips"]] = report(schedule, found)
        for line in Log(folder / RECORD).lines:
            results.add(measured=schedule["clips"], **line)
    results.finish(**summary)


if __name__ == "__main__":
    main()
