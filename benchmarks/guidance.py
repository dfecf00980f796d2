"""AssembleNet's search on the ladder: guided by learned connection weights, unguided, at random.

    python -m benchmarks.guidance DIGITS.csv --out guidance --minutes 20

There are three searches per seed over the same space (small networks of one depth, width and input
size, so that only the graph differs), without designs and in the same time. A child of the unguided
search exchanges as many connections, chosen at random. What each search finishes is tested; the
test split is used once, at the end. The same command resumes where it stopped. Nothing else should
be running.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.clips import CLIPS_HELP, find_clips
from benchmarks.results import Line, Log, Results, options, over_seeds, points, print_table

STRATEGIES = ("guided", "unguided", "random")
FAMILY = "assemblenet"
FRAMES, SIZE_PX, DEPTH, WIDTH = 8, 32, 26, 0.125
CACHE_PX = 64
POPULATION, TOURNAMENT = 8, 3


def small_space() -> Any:
    """Return a space of networks that differ only in their graphs."""
    from benchmarks.searching import space_of

    space = space_of(FAMILY, max_size_px=SIZE_PX, max_frames=16)
    fixed = {
        "size_px": (SIZE_PX,),
        "frames": (FRAMES,),
        "frame_stride": (2,),
        "sampling": ("dense",),
        "normalization": ("data",),
        "depths": (DEPTH,),
        "widths": (WIDTH,),
        "attentions": ("none",),
    }
    return type(space)(type(space.bounds).model_validate({**dict(space.bounds), **fixed}))


def search(cache: Any, request: Any, name: str) -> Line:
    """Run one search, or resume it, finish its best and return what it came to."""
    import vidnas
    from benchmarks.searching import evaluator_of
    from vidnas.deploy.finalists import choose_finalists, train_finalists
    from vidnas.evolution import LocalExecutor, RandomSearch, TournamentEvolution
    from vidnas.evolution.states import StateFolder
    from vidnas.evolution.study import STATES_FOLDER
    from vidnas.workflows.plan import Plan, rung_training

    strategy = TournamentEvolution(POPULATION, TOURNAMENT, mutations=1, guided=name == "guided")
    with LocalExecutor() as executor:
        plan = Plan.of(request, len(cache.videos("train")), executor.slots)
        training = rung_training(request, plan)
        states = StateFolder(request.out.resolve() / STATES_FOLDER)
        study = vidnas.search(
            small_space(),
            evaluator_of(FAMILY, cache, training, rungs=plan.rungs, states=states),
            strategy=RandomSearch() if name == "random" else strategy,
            budget_s=plan.search_s,
            folder=request.out,
            executor=executor,
            classes=cache.classes,
            seed=request.seed,
            designs=False,
        )
        finalists = choose_finalists(study, plan.finish_s, executor.slots)
        best = train_finalists(finalists, study, cache, training, executor)[0]
    assert best.card.test and best.card.validation
    return {
        "test_top1": best.card.test.shares["top1"],
        "test_top5": best.card.test.shares["top5"],
        "test_clips": best.card.test.clips,
        "validation_top1": best.card.validation.shares["top1"],
        "epochs": best.card.epochs,
        "winner": best.card.trial,
        "rungs": learned(study.trials, plan.rungs),
        "exchanged": exchanged(study.trials),
    }


def learned(trials: Sequence[Any], rungs: int) -> list[Line]:
    """Return what every rung came to: the candidates there, the best fitness, the weights."""
    found = []
    for rung in range(rungs):
        here = [
            one
            for trial in trials
            for one in trial.evaluations[rung : rung + 1]
            if one.status == "ok"
        ]
        # The only input of a block learns no weight and has exactly one.
        weights = [w for one in here for w in one.connection_weights.values() if w < 1]
        best = max((one.fitness for one in here), default=None)
        found.append({"candidates": len(here), "best": best, "weights": weights})
    return found


def exchanged(trials: Sequence[Any]) -> list[float]:
    """Return the share of its parent's connections that each child exchanged."""
    shares = []
    for trial in trials:
        if trial.proposal.parent is not None:
            before = trials[trial.proposal.parent].architecture
            edges = sum(len(block.inputs) for block in before.blocks)
            said = next((p for p in trial.proposal.mutations if p.startswith("edges: ")), None)
            shares.append(int(said.split()[1]) / edges if said else 0.0)
    return shares


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("clips", help=CLIPS_HELP)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0, help="per search")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()

    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.workflows.request import SearchRequest

    results = Results("guidance", arguments)
    clips = find_clips(arguments.clips, arguments.out)
    runs = Log(arguments.out / "runs.jsonl")
    lines = []
    for seed, name in product(range(arguments.seeds), STRATEGIES):
        key = {"clips": clips.stem, "minutes": arguments.minutes, "search": name, "seed": seed}
        line = runs.find(**key)
        if line is None:
            cache = build_cache(load_dataset(clips, seed=seed), size_px=CACHE_PX)
            request = SearchRequest(
                clips=clips,
                family=FAMILY,
                budget_s=60 * arguments.minutes,
                seed=seed,
                out=arguments.out / f"{clips.stem}-{arguments.minutes:g}m-{name}-{seed}",
            )
            line = runs.add(**key, **search(cache, request, name))
            runs.show(line)
        lines.append(line)
    report(lines, arguments.minutes)
    results.finish(*lines)


def report(lines: Sequence[Line], minutes: float) -> None:
    """Print the tables."""
    runs = {name: [line for line in lines if line["search"] == name] for name in STRATEGIES}
    test = {name: [line["test_top1"] for line in found] for name, found in runs.items()}
    print(f"\ntest top-1 % of what searches of {minutes:g} minutes finish")
    print_table(
        ("search", "mean (min to max)", "guided is ahead by, points"),
        (
            (name, over_seeds([100 * one for one in top1]), points(test["guided"], top1))
            for name, top1 in test.items()
        ),
    )
    print("\nconnection weights by the rung on which they were learned")
    print_table(
        ("search, rung", "candidates", "best fitness", "weights", "5 %", "95 %"),
        (
            (f"{name}, {rung}", *_row([line["rungs"][rung] for line in found]))
            for name, found in runs.items()
            for rung in range(len(found[0]["rungs"]))
        ),
    )
    shares = [share for line in runs["guided"] for share in line["exchanged"]]
    if shares:
        print(f"\na guided child exchanges {min(shares):.0%} to {max(shares):.0%}", end=" ")
        print(f"of its connections, {statistics.median(shares):.0%} in the median")


def _row(found: Sequence[Line]) -> tuple[str, ...]:
    """Return the cells of a rung over all seeds."""
    weights = [weight for one in found for weight in one["weights"]]
    cuts = statistics.quantiles(weights, n=20) if len(weights) > 1 else [float("nan")]
    best = [one["best"] for one in found if one["best"] is not None]
    return (
        str(sum(one["candidates"] for one in found)),
        over_seeds(best, ".3f") if best else "",
        str(len(weights)),
        f"{cuts[0]:.3f}",
        f"{cuts[-1]:.3f}",
    )


if __name__ == "__main__":
    main()
