"""Evolution against its rivals on the same clips, in the same time, from start to tested network.

    python -m benchmarks.rivals digits10.csv demo12 --out rivals --minutes 10

Four ways per clips and seed: `vidnas search` with its defaults; the same with random search on the
same ladder, and with `top-k`; and the best design alone. The last takes as many core-seconds on one
thread as a search on all cores: every design climbs the first rung, smaller where it breaks the
limit; then the best by validation goes on, with the recipe of the search and a cool-down at the
end. A fifth way, `orphans`, is run on demand: evolution whose children start from random weights.
All ways find the clips decoded. Nothing else should be running.

What is finished is recorded in OUT/runs.jsonl and found there again, also with more clips or seeds.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.clips import CLIPS_HELP, find_all
from benchmarks.results import Line, Log, Results, options, over_seeds, points, print_table

SEARCHES: dict[str, Line] = {
    "evolution": {},
    "random": {"strategy": "random"},
    "top-k": {"strategy": "top-k"},
    "orphans": {"no-inherit": ""},
}
"""Options of the searches; orphans are children that start from random weights."""
DESIGN = "design"
DEFAULT_WAYS = ["evolution", "random", "top-k", DESIGN]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("clips", nargs="+", help=CLIPS_HELP)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0, help="of wall time per search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", default="latency=5ms")
    parser.add_argument("--ways", nargs="+", choices=(*SEARCHES, DESIGN), default=DEFAULT_WAYS)
    arguments = parser.parse_args()

    from vidnas.core.process import available_cores

    results = Results("rivals", arguments)
    sources = find_all(arguments.clips, arguments.out)
    runs = Log(arguments.out / "runs.jsonl")
    asked = {
        "minutes": arguments.minutes,
        "limit": arguments.limit,
        "cores": available_cores(),
    }
    keys = [
        {"clips": clips, "seed": seed, "way": way, **asked}
        for seed, clips, way in product(range(arguments.seeds), sources, arguments.ways)
    ]
    measure(runs, keys, sources, arguments.out)
    lines = [line for key in keys if (line := runs.find(**key))]
    report(lines, arguments)
    results.finish(*lines)


def measure(runs: Log, keys: Sequence[Line], sources: Mapping[str, Path], out: Path) -> None:
    """Run the searches one after the other, then the designs alone, one per core."""
    from benchmarks.commands import search_by_command
    from vidnas.evolution import LocalExecutor
    from vidnas.profiling.latency import calibrate

    for key in keys:
        if key["way"] != DESIGN and not runs.find(**key):
            request = prepared(key, sources, out)[0]
            asked = {
                "budget": f"{request.budget_s}s",
                "limit": request.limits,
                "seed": request.seed,
                **SEARCHES[key["way"]],
            }
            run = search_by_command(request.clips, folder_of(key, out), asked)
            runs.show(runs.add(**key, **run))
    missing = [key for key in keys if key["way"] == DESIGN and not runs.find(**key)]
    if not missing:
        return
    reference = calibrate()
    with LocalExecutor() as executor:
        runs.measure_all(executor, design_jobs(missing, sources, out, reference))


def folder_of(key: Line, out: Path) -> Path:
    """Return where a run keeps what it needs to resume."""
    return (out / f"{key['clips']}-{key['minutes']:g}m-seed{key['seed']}-{key['way']}").resolve()


def prepared(key: Line, sources: Mapping[str, Path], out: Path) -> tuple[Any, Any]:
    """Return the request of the search, and its clips, decoded."""
    from vidnas.data.datasets import load_dataset
    from vidnas.workflows.clips import open_clips
    from vidnas.workflows.listener import Listener
    from vidnas.workflows.request import SearchRequest

    request = SearchRequest(
        clips=sources[key["clips"]],
        out=folder_of(key, out),
        budget_s=60 * key["minutes"],
        limits=(key["limit"],),
        seed=key["seed"],
    )
    dataset = load_dataset(request.clips, seed=request.seed)
    return request, open_clips(dataset, Listener(), size_px=request.size_px)


def design_jobs(
    keys: Sequence[Line], sources: Mapping[str, Path], out: Path, reference: Any
) -> Iterator[tuple[Line, Any, Any]]:
    """Yield the jobs that train the best design alone."""
    from benchmarks.searching import evaluator_of
    from vidnas.evolution import Limits
    from vidnas.evolution.states import StateFolder
    from vidnas.workflows.plan import Plan, planned_sampling, planned_space, rung_training

    for key in keys:
        request, cache = prepared(key, sources, out)
        plan = Plan.of(request, len(cache.videos("train")), key["cores"])
        space = planned_space(
            request,
            max_size_px=cache.size_px,
            max_frames=cache.typical_frames,
            sampling=planned_sampling(cache.longest_frames),
        )
        evaluator = evaluator_of(
            request.family,
            cache,
            rung_training(request, plan),
            Limits.parse(request.limits),
            states=StateFolder(request.out / "states"),
            reference=reference,
        )
        core_s = 60 * key["minutes"] * key["cores"]
        yield key, train_best_design, (evaluator, space, core_s, key["seed"], request.out)


def train_best_design(evaluator: Any, space: Any, core_s: float, seed: int, folder: Path) -> Line:
    """Bring every design to the first rung, smaller where it breaks the limit, and the best as far
    as it goes; test that one."""
    from vidnas.core.clip import CLIPS_PER_VIDEO
    from vidnas.data.cache import ClipCache
    from vidnas.evolution.launcher import evaluation_seed
    from vidnas.families import create_network
    from vidnas.training import evaluate, train
    from vidnas.training.settings import COOLDOWN

    load = os.getloadavg()[0]
    first = Log(folder / "designs.jsonl")
    designs, found = [*space.designs()], []
    for design in designs:  # which grow in number
        climb = partial(climb_first, evaluator, design, seed)
        found.append(first.measure(climb, design=design.digest))
        if found[-1]["status"] == "rejected":
            smaller = space.smaller(design)
            designs += [smaller] if smaller is not None and smaller not in designs else []
    tried = [line for line in found if line["status"] == "ok"]
    spent_s = sum(line["seconds"] for line in found)
    if not tried or spent_s >= core_s:
        raise RuntimeError(f"{len(tried)} designs in {spent_s:.0f} s of {core_s:.0f} s")
    best = max(tried, key=lambda line: line["fitness"])
    design = next(one for one in designs if one.digest == best["design"])
    settings = evaluator.settings.training.model_copy(
        update={"epochs": None, "budget_s": core_s - spent_s, "cooldown": COOLDOWN}
    )
    cache = ClipCache(evaluator.cache_directory)
    network = create_network(design, len(cache.classes))
    report = train(
        network,
        cache,
        settings,
        seed=evaluation_seed(seed, design),
        checkpoint=evaluator.states.file(design.digest),
    )
    test = evaluate(network, cache, "test", clips_per_video=CLIPS_PER_VIDEO)
    return {
        "wall_s": spent_s + report.seconds,
        "load": load,
        "top1": test.shares["top1"],
        "test_clips": test.clips,
        "validation_top1": report.validation and report.validation.shares["top1"],
        "latency_ms": best["cost"]["latency"]["p50_ms"],
        "parameters": best["cost"]["parameters"],
        "epochs": report.epochs,
        "architecture": design.digest,
        "designs": len(tried),
    }


def climb_first(evaluator: Any, design: Any, seed: int) -> Line:
    """Return the evaluation of a design on the first rung."""
    from vidnas.evolution.launcher import evaluation_seed

    found = evaluator.evaluate(design, evaluation_seed(seed, design), None)
    return found.model_dump(mode="json")


def report(lines: Sequence[Line], arguments: argparse.Namespace) -> None:
    """Print what every way came to, and what evolution is ahead of the best of its rivals."""
    print(
        f"\n{arguments.minutes:g} minutes per search, {arguments.limit}, {arguments.seeds} seed(s)"
    )
    names = dict.fromkeys(run["clips"] for run in lines)
    by = {
        (clips, way): [run for run in lines if (run["clips"], run["way"]) == (clips, way)]
        for clips, way in product(names, arguments.ways)
    }
    print_table(
        ("clips, way", "test top-1 %, mean (min to max)", "s", "latency ms", "epochs"),
        (
            (
                f"{clips}, {way}",
                over_seeds([100 * run["top1"] for run in runs]),
                *(
                    f"{statistics.mean(run[column] for run in runs):{form}}"
                    for column, form in (
                        ("wall_s", ".0f"),
                        ("latency_ms", ".2f"),
                        ("epochs", ".0f"),
                    )
                ),
            )
            for (clips, way), runs in by.items()
        ),
    )
    ahead = []
    for clips in names:
        top1 = {way: [run["top1"] for run in by[clips, way]] for way in arguments.ways}
        evolved = top1.pop("evolution", None)
        if evolved and top1:
            rival = max(top1, key=lambda way: statistics.mean(top1[way]))
            ahead.append((clips, rival, points(evolved, top1[rival])))
    if ahead:
        print()
        print_table(("clips", "best rival", "evolution is ahead by, points"), ahead)


if __name__ == "__main__":
    main()
