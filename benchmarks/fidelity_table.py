"""Compare the rankings that `benchmarks.fidelity` measured.

    python -m benchmarks.fidelity_table FOLDER

The table has Kendall's tau-b against the test accuracy after full training, the interval that holds
95 % of its values when the networks are drawn again with replacement, and the cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks.fidelity import PARTS, RECORD
from benchmarks.results import Line, Log, Results, options, print_table

RESAMPLES = 2000
TAU_WANTED, RATIO_WANTED = 0.6, 10.0
RUNGS = (1, 3)
"""Epochs of the longest brief run, of 8: about 1/9 and 1/3, as successive halving has it."""
LEARNABLE_TOP1 = 0.25
"""Twice chance: networks below it have learned next to nothing."""
_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """What one evaluation says of each network (more is better), and the seconds it took."""

    name: str
    values: _Array
    cpu_s: _Array


def read(folder: Path) -> dict[str, list[Line]]:
    """Return the lines by evaluation, in the order of the candidates, without unfinished ones.

    A network without a parent inherits nothing: its brief training run counts.
    """
    found: dict[str, dict[int, Line]] = {}
    for line in Log(folder / RECORD).lines:
        found.setdefault(line["evaluation"], {})[line["candidate"]] = line
    for part in PARTS:
        if (name := f"inherited 1/{part}") in found:
            found[name] = found[f"brief 1/{part}"] | found[name]
    return {
        name: [by[number] for number in sorted(by)]
        for name, by in found.items()
        if len(by) == len(found["full"])
    }


def rankings(lines: dict[str, list[Line]]) -> list[Ranking]:
    """Return all evaluations to compare."""
    made = [_ranking("full training, validation top-1", lines["full"], _best_validation)]
    for key, name in (("macs", "MACs"), ("parameters", "parameters")):
        made.append(_ranking(name, lines["counts"], itemgetter(key)))
    for kind in ("brief", "inherited"):
        for part in PARTS:
            name = f"{kind} 1/{part}"
            if name in lines:
                made += _of_training(name, lines[name], len(lines[name][0]["curve"]))
    longest = f"brief 1/{PARTS[-1]}"
    for rung in RUNGS if longest in lines else ():
        made += _of_training(f"{longest}, after epoch {rung}", lines[longest], rung)
    return made


def _of_training(name: str, lines: list[Line], epoch: int) -> list[Ranking]:
    """Rank by what was known at the end of an epoch, validated once or not at all."""

    def seconds(line: Line, validations: int) -> float:
        """Leave out validations: there was one per epoch, and a search does `validations`."""
        surplus = epoch - validations
        return line["curve"][epoch - 1]["cpu_s"] - surplus * line["validation_cpu_s"]

    known: dict[str, tuple[Callable[[Line], float], int]] = {
        "top-1": (lambda line: line["curve"][epoch - 1]["top1"], 1),
        "loss": (lambda line: -line["curve"][epoch - 1]["loss"], 1),
        "training loss": (lambda line: -line["curve"][epoch - 1]["train_loss"], 0),
    }
    return [
        Ranking(
            f"{name}, {what}",
            np.array([value(line) for line in lines]),
            np.array([seconds(line, validations) for line in lines]),
        )
        for what, (value, validations) in known.items()
    ]


def _ranking(name: str, lines: list[Line], value: Callable[[Line], float]) -> Ranking:
    seconds = [line["cpu_s"] for line in lines]
    return Ranking(name, np.array([value(line) for line in lines], float), np.array(seconds))


def _best_validation(line: Line) -> float:
    return max(point.get("top1", 0.0) for point in line["curve"])


def compare(ranking: Ranking, truth: _Array, full_s: float) -> Line:
    """Return one row of the table."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(truth), size=(RESAMPLES, len(truth)))
    taus = [kendalltau(ranking.values[rows], truth[rows]).statistic for rows in drawn]
    low, high = np.nanpercentile(taus, [2.5, 97.5])
    learned = truth > LEARNABLE_TOP1
    seconds = ranking.cpu_s.mean()
    return {
        "evaluation": ranking.name,
        "tau": float(kendalltau(ranking.values, truth).statistic),
        "tau_low": float(low),
        "tau_high": float(high),
        "best_kept": _best_kept(ranking.values, truth),
        "tau_learned": float(kendalltau(ranking.values[learned], truth[learned]).statistic),
        "cpu_s": float(seconds),
        "times_cheaper": float(full_s / seconds),
    }


def _best_kept(values: _Array, truth: _Array) -> float:
    """Return the share of the best third outside the evaluation's lowest third; 2/3 by chance."""
    third = len(truth) // 3
    best = np.argsort(-truth, kind="stable")[:third]
    return float((values[best] >= np.sort(values)[third]).mean())


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    lines = read(arguments.folder)
    truth = np.array([line["test_top1"] for line in lines["full"]])
    full_s = float(np.mean([line["cpu_s"] for line in lines["full"]]))
    rows = [compare(ranking, truth, full_s) for ranking in rankings(lines)]
    learned = int((truth > LEARNABLE_TOP1).sum())
    print(f"{len(truth)} networks, test top-1 {truth.min():.3f} to {truth.max():.3f}; {learned}")
    print(f"of them above {LEARNABLE_TOP1}. Full training: {full_s:.1f} s of CPU time.\n")
    print_table(
        ("evaluation", "tau", "95 %", "tau, learned", "best kept", "CPU s", "times cheaper"),
        (
            (
                row["evaluation"],
                f"{row['tau']:.2f}",
                f"{row['tau_low']:.2f} to {row['tau_high']:.2f}",
                f"{row['tau_learned']:.2f}",
                f"{row['best_kept']:.0%}",
                f"{row['cpu_s']:.2f}",
                f"{row['times_cheaper']:.1f}",
            )
            for row in rows
        ),
    )
    good = [r for r in rows if r["tau"] >= TAU_WANTED and r["times_cheaper"] >= RATIO_WANTED]
    cheapest = min(good, key=lambda row: row["cpu_s"], default=None)
    print(f"\ncheapest with tau >= {TAU_WANTED}: {cheapest['evaluation'] if cheapest else 'none'}")
    kept = ("candidate", "parent", "test_top1", "cpu_s", "architecture")
    Results("fidelity", arguments).finish(
        full_cpu_s=full_s,
        networks=[{key: line[key] for key in kept} for line in lines["full"]],
        evaluations=rows,
    )


if __name__ == "__main__":
    main()
