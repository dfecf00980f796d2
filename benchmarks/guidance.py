"""AssembleNet's search guided by learned connection weights, unguided, and at random.

    python -m benchmarks.guidance DIGITS.csv --out guidance

There are three searches per seed over the same space (small networks of one depth, width and input
size, so that only the graph differs), with the same number of evaluations. A child of the unguided
search exchanges as many connections, chosen at random. Then the fittest candidate of each search is
trained in full; the test split is used once, at the end. The same command resumes where it stopped.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import Results, options, over_seeds, percent_by_seed, print_table

STRATEGIES = ("guided", "unguided", "random")
FRAMES, SIZE_PX, DEPTH, WIDTH = 8, 32, 26, 0.125
POPULATION, TOURNAMENT = 8, 3


def small_space() -> Any:
    """Return a space of networks that differ only in their graphs."""
    from benchmarks.searching import space_of

    space = space_of("assemblenet", max_size_px=SIZE_PX, max_frames=16)
    fixed = {
        "size_px": (SIZE_PX,),
        "frames": (FRAMES,),
        "frame_stride": (2,),
        "sampling": ("dense",),
        "depths": (DEPTH,),
        "widths": (WIDTH,),
        "attentions": ("none",),
    }
    return type(space)(type(space.bounds).model_validate({**dict(space.bounds), **fixed}))


def search(cache: Any, name: str, seed: int, arguments: Any) -> list[Any]:
    """Run one search, or resume it, and return its trials."""
    import vidnas
    from benchmarks.searching import evaluator_of
    from vidnas.evolution import LocalExecutor, RandomSearch, TournamentEvolution
    from vidnas.training import TrainingSettings

    strategy = TournamentEvolution(POPULATION, TOURNAMENT, mutations=1, guided=name == "guided")
    settings = TrainingSettings(epochs=arguments.epochs)
    with LocalExecutor() as executor:
        return vidnas.search(
            small_space(),
            evaluator_of("assemblenet", cache, settings),
            strategy=RandomSearch() if name == "random" else strategy,
            evaluations=arguments.evaluations,
            folder=arguments.out / f"{name}-{seed}",
            executor=executor,
            classes=cache.classes,
            seed=seed,
        ).trials


def best_so_far(trials: Sequence[Any]) -> list[float]:
    """Return the best validation top-1 + top-5 after each evaluation."""
    best, curve = 0.0, []
    for trial in trials:
        if trial.evaluation.status != "rejected":
            best = max(best, trial.evaluation.fitness or 0.0)
            curve.append(best)
    return curve


def learned(trials: Sequence[Any]) -> tuple[list[float], list[float]]:
    """Return the connection weights of all candidates, and the share each child exchanged."""
    weights, exchanged = [], []
    for trial in trials:
        # The only input of a block learns no weight and has exactly one.
        weights += [w for w in trial.evaluation.connection_weights.values() if w < 1]
        if trial.proposal.parent is not None:
            before = trials[trial.proposal.parent].architecture
            edges = sum(len(block.inputs) for block in before.blocks)
            said = next((p for p in trial.proposal.mutations if p.startswith("edges: ")), None)
            exchanged.append(int(said.split()[1]) / edges if said else 0.0)
    return weights, exchanged


def train_winners(
    cache: Any, winners: dict[tuple[str, int], Any], out: Path, minutes: float
) -> dict[tuple[str, int], dict[str, float]]:
    """Train the fittest of each search in full and test it."""
    from benchmarks.searching import train_models
    from vidnas.evolution import LocalExecutor
    from vidnas.training import TrainingSettings, evaluate

    settings = TrainingSettings.full(budget_s=60 * minutes)
    tested = {}
    with LocalExecutor() as executor:
        for (name, seed), trial in winners.items():
            folder = out / f"{name}-{seed}-winner"
            (model,) = train_models([trial], cache, settings, executor, folder, seed=seed)
            metrics = evaluate(model.network, cache, "test", clips_per_video=3)
            tested[name, seed] = metrics.model_dump(include={"top1", "top5"})
    return tested


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--evaluations", type=int, default=24)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()

    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset

    results = Results("guidance", arguments)
    cache = build_cache(load_dataset(arguments.clips), size_px=64)
    curves: dict[str, list[list[float]]] = {name: [] for name in STRATEGIES}
    winners = {}
    weights: list[float] = []
    exchanged: list[float] = []
    for seed in range(arguments.seeds):
        for name in STRATEGIES:
            trials = search(cache, name, seed, arguments)
            curves[name].append(best_so_far(trials))
            results.add(search=name, seed=seed, best_so_far=curves[name][-1])
            if name == "guided":
                seen, shares = learned(trials)
                weights += seen
                exchanged += shares
            winners[name, seed] = max(trials, key=lambda trial: trial.evaluation.fitness or 0.0)
            print(f"seed {seed}  {name:9} best fitness {curves[name][-1][-1]:.3f}", flush=True)
    tested = train_winners(cache, winners, arguments.out, arguments.minutes)
    test = {
        name: [tested[name, seed]["top1"] for seed in range(arguments.seeds)] for name in STRATEGIES
    }
    report(curves, test, arguments)
    results.finish(test_top1=test)
    low, high = statistics.quantiles(weights, n=20)[0], statistics.quantiles(weights, n=20)[-1]
    print(f"\n90 % of {len(weights)} weights learned in guided searches: {low:.3f} to {high:.3f}")
    print(
        f"a guided child exchanges {min(exchanged):.0%} to {max(exchanged):.0%} of its connections"
    )


def report(
    curves: dict[str, list[list[float]]], test: dict[str, list[float]], arguments: Any
) -> None:
    """Print the tables."""
    marks = sorted({POPULATION, arguments.evaluations // 2, arguments.evaluations})
    print("\nbest validation top-1 + top-5 so far, mean over seeds (min to max)")
    print_table(
        ["search", *(f"after {mark}" for mark in marks)],
        (
            [name]
            + [over_seeds([run[min(mark, len(run)) - 1] for run in runs], ".3f") for mark in marks]
            for name, runs in curves.items()
        ),
    )
    print(f"\ntest top-1 % of the winners, {arguments.minutes:g} minutes of training")
    print_table(
        ("search", "mean", "by seed"),
        ((name, *percent_by_seed(top1)) for name, top1 in test.items()),
    )


if __name__ == "__main__":
    main()
