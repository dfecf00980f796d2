"""The strategies on NAS-Bench-201: regret against evaluations, as the median of 200 seeds.

    python -m benchmarks.nasbench FOLDER

FOLDER holds nb201_merged.csv.gz: accuracies, training times and costs of all 15,625 cells (Dong and
Yang, NAS-Bench-201, ICLR 2020, arXiv 2001.00326), each of six operations of five kinds. The fitness
of a candidate is the mean of its validation accuracies after 200 epochs. As in the engine, no cell
is evaluated twice; there is no study, because its storage would take most of the time.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Line, Results, options, print_table
from vidnas.core import Evaluation
from vidnas.evolution.strategies import LocalSearch, RandomSearch, Strategy, TournamentEvolution
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture, EvolutionDefaults, Space

DATA_SETS = ("cifar10", "cifar100", "imagenet")
SEEDS = 200
EVALUATIONS = (10, 25, 50, 100, 200)
RANDOM_BUDGET = 200
"""Evaluations of random search whose median best the others are to reach."""
SIMULATIONS, SIMULATED_BUDGET_S = 300, 12_000.0
KINDS = "01234"


class Cell(Architecture):
    """One cell of the table by the kinds of its operations; it is looked up and never built.

    Isomorphic cells were trained separately, so that each is its own canonical form.
    """

    family = "nasbench201"
    ops: str

    @property
    def digest(self) -> str:
        """The operations themselves."""
        return self.ops


class CellSpace(Space):
    """All cells; a mutation changes one operation into another."""

    def random(self, rng: np.random.Generator) -> Cell:
        """Draw any cell."""
        return Cell(ops="".join(map(str, rng.integers(len(KINDS), size=6))))

    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[Cell, tuple[str, ...]]:
        """Change `strength` operations, some of them perhaps twice."""
        ops = before = list(parent.digest)
        while ops == before:
            ops = list(before)
            for _ in range(strength):
                place = int(rng.integers(6))
                ops[place] = KINDS[(int(ops[place]) + int(rng.integers(1, 5))) % 5]
        return Cell(ops="".join(ops)), ()

    def contains(self, architecture: Architecture) -> bool:
        """Tell whether it is a cell."""
        return isinstance(architecture, Cell)

    def describe(self) -> dict[str, Any]:
        """Return no bounds."""
        return {}


@dataclass(frozen=True)
class Table:
    """Accuracies and times of all cells on one data set, by their operations."""

    accuracy: dict[str, float]
    """Mean validation accuracy after 200 epochs, in percent."""
    brief_accuracy: dict[str, float]
    """Validation accuracy after 12 epochs."""
    brief_s: dict[str, float]
    """Time that 12 epochs take."""


def read_tables(folder: Path) -> dict[str, Table]:
    tables = {name: Table({}, {}, {}) for name in DATA_SETS}
    with gzip.open(folder / "nb201_merged.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, table in tables.items():
                runs = [row[f"{name}_val200_seed{seed}"] for seed in range(3)]
                table.accuracy[row["ops"]] = float(np.mean([float(run) for run in runs if run]))
                table.brief_accuracy[row["ops"]] = float(row[f"{name}_val12"])
                table.brief_s[row["ops"]] = float(row[f"{name}_train_time200_s"]) * 12 / 200
    return tables


def search(strategy: Strategy, fitness: dict[str, float], seed: int) -> Iterator[Trial]:
    """Do what the engine does with one worker: propose what is new, look it up, observe."""
    rng, space = np.random.default_rng(seed), CellSpace()
    seen: set[str] = set()
    for number in range(len(fitness)):
        for attempt in range(1100):
            lost = attempt >= 100
            proposal = Proposal(space.random(rng)) if lost else strategy.propose(space, rng)
            if proposal.architecture.digest not in seen:
                break
        digest = proposal.architecture.digest
        seen.add(digest)
        trial = Trial(number, proposal, Evaluation(status="ok", fitness=fitness[digest]), 0.0)
        strategy.observe(trial)
        yield trial


Make = Callable[[], Strategy]


def best_so_far(make: Make, table: Table, evaluations: int, seeds: int = SEEDS) -> np.ndarray:
    """Return the best accuracy found by each evaluation, `(seeds, evaluations)`."""
    runs = [
        [trial.fitness for trial in islice(search(make(), table.accuracy, seed), evaluations)]
        for seed in range(seeds)
    ]
    return np.maximum.accumulate(np.array(runs), axis=1)


def evaluations_to(target: float, best: np.ndarray) -> float:
    """Return the median number of evaluations to reach the target; infinite if never."""
    reached = best >= target
    return float(np.median(np.where(reached.any(1), reached.argmax(1) + 1, np.inf)))


def simulate(make: Make, table: Table) -> dict[str, float]:
    """Search by 12-epoch accuracy for a given time; return the full accuracy of what it chose."""
    chosen = []
    for seed in range(SIMULATIONS):
        spent_s, best = 0.0, None
        for trial in search(make(), table.brief_accuracy, seed):
            spent_s += table.brief_s[trial.architecture.digest]
            if spent_s > SIMULATED_BUDGET_S:
                break
            if best is None or trial.fitness > best.fitness:
                best = trial
        assert best is not None
        chosen.append(table.accuracy[best.architecture.digest])
    return {"mean": float(np.mean(chosen)), "deviation": float(np.std(chosen))}


def plain() -> Strategy:
    """Return the usual setting of the literature."""
    return TournamentEvolution(10, 3, discard="oldest", mutations=1)


STRATEGIES: dict[str, Make] = {
    "random search": RandomSearch,
    "regularized evolution": lambda: TournamentEvolution(discard="oldest"),
    "discard worst": lambda: TournamentEvolution(discard="worst"),
    "regularized, 10/3, one mutation": plain,
    "local search": LocalSearch,
}


def compare(table: Table) -> Line:
    """Run every strategy on one data set."""
    bests = {
        label: best_so_far(make, table, max(EVALUATIONS)) for label, make in STRATEGIES.items()
    }
    target = float(np.median(bests["random search"][:, RANDOM_BUDGET - 1]))
    top = max(table.accuracy.values())
    found: Line = {"best": top, "target": target}
    for label, best in bests.items():
        regrets = [round(float(np.median(top - best[:, n - 1])), 4) for n in EVALUATIONS]
        found[label] = {
            "median_regret": dict(zip(map(str, EVALUATIONS), regrets, strict=True)),
            "evaluations_to_target": evaluations_to(target, best),
        }
    return found


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    tables = read_tables(arguments.folder)
    results = Results("nasbench", arguments)
    for name, table in tables.items():
        found = results.measure(partial(compare, table), data=name)
        after = f"random search after {RANDOM_BUDGET} {found['target']:.3f}"
        print(f"{name}: best {found['best']:.3f}, {after}")
        print_table(
            ("median regret after", *map(str, EVALUATIONS), "evaluations to target"),
            (
                (
                    label,
                    *(f"{regret:.2f}" for regret in found[label]["median_regret"].values()),
                    f"{found[label]['evaluations_to_target']:g}",
                )
                for label in STRATEGIES
            ),
        )
    simulated = {
        "random search": simulate(RandomSearch, tables["cifar10"]),
        "regularized, 10/3, one mutation": simulate(plain, tables["cifar10"]),
    }
    print(f"cifar10, {SIMULATED_BUDGET_S:g} s of 12-epoch training, {SIMULATIONS} runs:")
    for label, outcome in simulated.items():
        print(f"  {label:32} {outcome['mean']:.2f} ± {outcome['deviation']:.2f}")
    results.finish(
        seeds=SEEDS,
        defaults=EvolutionDefaults().model_dump(),
        patience=LocalSearch().patience,
        simulation=simulated,
    )


if __name__ == "__main__":
    main()
