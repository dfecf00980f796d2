"""Ensembles of 4 against their members, trained with three seeds.

Greedy selection on the validation clips is compared with the same number of networks chosen for
their accuracy alone. First search, then compare; studies of RGB and of flow may be given together:

    vidnas search CLIPS --out study --family evanet --evaluations 30
    python -m benchmarks.ensemble study --minutes 8

The fittest candidates of the searches are trained in full, once per seed, with the same settings
and one thread each, side by side on the same machine. What is already trained is kept in the first
study, so that the same command resumes. The ensembles are selected anew for each seed; the test
split only reports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import Results, options, percent_by_seed, print_table


def compare(
    results: Results, train: Callable[[int], tuple[list[str], Any, Any]], seeds: int, top: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the accuracies on both splits of each network and ensemble, a list by seed."""
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
            run = results.add(
                networks=name,
                seed=seed,
                members=[names[index] for index in votes],
                validation=validation.score(votes).shares["top1"],
                test=test.score(votes).shares["top1"],
            )
            rows.setdefault(name, []).append(run)
            print(run, flush=True)
    return rows


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pool", type=int, default=8)
    parser.add_argument("--top", type=int, default=4)
    arguments = parser.parse_args()

    from benchmarks.searching import train_models
    from vidnas.deploy.ensemble import Candidate, Predictions, choose_pool, require_same_data
    from vidnas.evolution import LocalExecutor, Study
    from vidnas.training import TrainingSettings
    from vidnas.workflows.ensemble import open_cache
    from vidnas.workflows.listener import Listener
    from vidnas.workflows.request import SearchRequest

    studies = [Study.read(folder) for folder in arguments.studies]
    require_same_data(studies)
    requests = [SearchRequest.read(folder) for folder in arguments.studies]
    caches = [open_cache(s, r, r.clips, Listener()) for s, r in zip(studies, requests, strict=True)]
    pool = choose_pool(studies, arguments.pool)
    work = arguments.studies[0] / "ensemble-benchmark"

    def train(seed: int) -> tuple[list[str], Predictions, Predictions]:
        candidates: list[Candidate] = []
        with LocalExecutor() as executor:
            for study, request, cache, trials in zip(studies, requests, caches, pool, strict=True):
                settings = TrainingSettings.full(budget_s=60 * arguments.minutes, flip=request.flip)
                folder = work / f"seed-{seed}" / study.folder.name
                models = train_models(trials, cache, settings, executor, folder, seed=seed)
                candidates += [Candidate(study.folder, model, cache) for model in models]
        names = [f"{one.study.name} trial {one.model.card.trial}" for one in candidates]
        return names, Predictions.of(candidates, "val"), Predictions.of(candidates, "test")

    results = Results("ensemble", arguments)
    rows = compare(results, train, arguments.seeds, arguments.top)
    clips = len(caches[0].videos("test"))
    print(f"\n{arguments.minutes:g} minutes of training each, one thread; {clips} test clips")
    report(rows)
    results.finish(test_clips=clips)


def report(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Print the accuracies, and what the greedy ensemble gains over others."""
    tested = {name: [run["test"] for run in runs] for name, runs in rows.items()}
    print_table(
        ("networks", "top-1 %, mean", "by seed"),
        ((name, *percent_by_seed(top1)) for name, top1 in tested.items()),
    )
    greedy, alone = (
        next(runs for name, runs in rows.items() if name.startswith(kind))
        for kind in ("greedy", "most accurate")
    )
    best = [_best_member(rows, run) for run in greedy]
    others = {
        "its best member": best,
        "the single best": tested["single best"],
        "the most accurate": [run["test"] for run in alone],
    }
    print_table(
        ("greedy ensemble over", "points, mean", "by seed"),
        (
            (
                name,
                *percent_by_seed(
                    [run["test"] - o for run, o in zip(greedy, top1, strict=True)], "+.1f"
                ),
            )
            for name, top1 in others.items()
        ),
    )


def _best_member(rows: dict[str, list[dict[str, Any]]], run: dict[str, Any]) -> float:
    """Return the test accuracy of the best member of an ensemble, by hindsight, for its seed."""
    members: Sequence[str] = run["members"]
    return max(one["test"] for m in members for one in rows[m] if one["seed"] == run["seed"])


if __name__ == "__main__":
    main()
