"""Ensembles of 4 against their members, over three seeds of the training.

Greedy selection on the validation clips against the same number of networks chosen for their
accuracy alone. First search, then compare; studies of RGB and of flow may be given together:

    vidnas search CLIPS --out study --family evanet --evaluations 30
    python -m benchmarks.ensemble study --minutes 8

The fittest candidates of the searches are trained in full, once a seed, with the same settings and
one thread each, side by side on the same machine. What is trained already is kept in the first
study: the same command goes on. The ensembles are selected anew for each seed; the test split only
reports.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "ensemble.json"


def compare(
    train: Callable[[int], tuple[list[str], Any, Any]], seeds: int, top: int
) -> dict[str, list[dict[str, Any]]]:
    """Accuracies on both splits of each network and each ensemble, a list by seed."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for seed in range(seeds):
        names, validation, test = train(seed)
        chosen = {
            "single best": validation.most_accurate(1),
            f"greedy {top}": validation.select(top),
            f"most accurate {top}": validation.most_accurate(top),
            **{name: [index] for index, name in enumerate(names)},
        }
        for name, votes in chosen.items():
            run = {
                "seed": seed,
                "members": [names[index] for index in votes],
                "validation": validation.score(votes).top1,
                "test": test.score(votes).top1,
            }
            rows.setdefault(name, []).append(run)
            print(
                f"seed {seed}  {name:24} {100 * run['validation']:6.1f} {100 * run['test']:6.1f}  "
                f"{', '.join(run['members']) if len(votes) > 1 or name == 'single best' else ''}",
                flush=True,
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pool", type=int, default=8)
    parser.add_argument("--top", type=int, default=4)
    options = parser.parse_args()

    from vidnas.deploy import load_model
    from vidnas.deploy.ensemble import Candidate, Predictions, choose_pool, require_same_data
    from vidnas.deploy.finalists import train_finalists
    from vidnas.evolution import LocalExecutor, Study
    from vidnas.training import TrainingSettings
    from vidnas.workflows.ensemble import open_cache
    from vidnas.workflows.search_clips import SearchRequest

    studies = [Study.read(folder) for folder in options.studies]
    require_same_data(studies)
    requests = [SearchRequest.read(folder) for folder in options.studies]
    caches = [open_cache(s, r, r.clips) for s, r in zip(studies, requests, strict=True)]
    pool = choose_pool(studies, options.pool)
    work = options.studies[0] / "ensemble-benchmark"

    def train(seed: int) -> tuple[list[str], Predictions, Predictions]:
        candidates = []
        with LocalExecutor() as executor:
            for study, request, cache, trials in zip(studies, requests, caches, pool, strict=True):
                settings = TrainingSettings.full(budget_s=60 * options.minutes, flip=request.flip)
                folder = work / f"seed-{seed}" / study.folder.name
                for finalist in train_finalists(
                    trials, cache, settings, executor, folder, seed=seed
                ):
                    model = load_model(finalist.folder)
                    candidates.append(Candidate(study.folder, finalist.trial, model, cache))
        names = [f"{one.study.name} trial {one.trial.number}" for one in candidates]
        return names, Predictions.of(candidates, "val"), Predictions.of(candidates, "test")

    rows = compare(train, options.seeds, options.top)
    report(rows, options.minutes, len(caches[0].videos("test")))


def report(rows: dict[str, list[dict[str, Any]]], minutes: float, clips: int) -> None:
    """Print the table and keep it."""
    print(f"\n{minutes:g} minutes of training each, one thread; top-1 % on {clips} test clips")
    print(f"{'networks':24} {'mean':>6}  by seed")
    for name, runs in rows.items():
        top1 = [100 * run["test"] for run in runs]
        print(f"{name:24} {statistics.mean(top1):6.1f}  {'  '.join(f'{t:.1f}' for t in top1)}")
    greedy, alone = (
        next(runs for name, runs in rows.items() if name.startswith(kind))
        for kind in ("greedy", "most accurate")
    )
    best = [_best_member(rows, run) for run in greedy]
    print(f"\n{'greedy ensemble over':24} {'mean':>6}  points by seed")
    for name, others in (
        ("its best member", best),
        ("the single best", [run["test"] for run in rows["single best"]]),
        ("the most accurate", [run["test"] for run in alone]),
    ):
        gains = [100 * (run["test"] - other) for run, other in zip(greedy, others, strict=True)]
        print(f"{name:24} {statistics.mean(gains):+6.1f}  {'  '.join(f'{g:+.1f}' for g in gains)}")
    RESULTS.parent.mkdir(exist_ok=True)
    record = {"minutes": minutes, "test_clips": clips, "networks": rows}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


def _best_member(rows: dict[str, list[dict[str, Any]]], run: dict[str, Any]) -> float:
    """Test accuracy of the best of an ensemble's members, by hindsight, of the same seed."""
    members: Sequence[str] = run["members"]
    return max(one["test"] for m in members for one in rows[m] if one["seed"] == run["seed"])


if __name__ == "__main__":
    main()
