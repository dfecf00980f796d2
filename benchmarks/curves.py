"""Evolution with its defaults against random search on generated clips: best so far, three seeds.

    python -m benchmarks.curves [--evaluations 50] [--seconds 5]

The space is that of Tiny Video Networks up to 16 frames of 64 px, under a limit on MACs; the
fitness is the likelihood on the validation split after a brief training run, measured in seconds as
`vidnas search` does. Nothing else should be running.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

import vidnas
from benchmarks.clips import temporary_cache
from benchmarks.results import Line, Results, options, print_table
from benchmarks.searching import evaluator_of, space_of
from vidnas.data.cache import ClipCache
from vidnas.data.demo import MOTIONS
from vidnas.evolution import (
    Limits,
    LocalExecutor,
    RandomSearch,
    Strategy,
    TournamentEvolution,
)
from vidnas.training import TrainingSettings

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "curves.svg"
FAMILY = "tinyvideonet"
SEEDS = range(3)
LIMITS = ["macs=40M"]
COLOURS = {"regularized evolution": "#3f51b5", "random search": "#9e9e9e"}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--evaluations", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5.0, help="of training per candidate")
    arguments = parser.parse_args()
    results = Results("curves", arguments)
    curves: dict[str, list[list[float]]] = {name: [] for name in COLOURS}
    with (
        temporary_cache(classes=list(MOTIONS)[:8], clips_per_class=60) as (_, cache),
        LocalExecutor() as executor,
    ):
        for seed, name in product(SEEDS, COLOURS):
            run = partial(search, cache, executor, name, seed, arguments)
            line = results.measure(run, search=name, seed=seed)
            curves[name].append(line["curve"])
            print(f"seed {seed}, {name:22} best {line['best']:.1%}, top-1 {line['top1']:.1%}")
    report(curves)
    results.finish()


def search(
    cache: ClipCache, executor: LocalExecutor, name: str, seed: int, arguments: argparse.Namespace
) -> Line:
    """Run one search and return its best fitness so far after each evaluation."""
    settings = TrainingSettings(budget_s=arguments.seconds)
    study = vidnas.search(
        space_of(FAMILY, max_size_px=64, max_frames=16),
        evaluator_of(FAMILY, cache, settings, Limits.parse(LIMITS)),
        limits=LIMITS,
        strategy=strategy(name, arguments.evaluations),
        evaluations=arguments.evaluations,
        executor=executor,
        folder=cache.directory.parent / f"{name}-{seed}",
        classes=cache.classes,
        seed=seed,
    )
    tried = [t.evaluation.fitness or 0.0 for t in study.trials if t.evaluation.status != "rejected"]
    best = study.fittest(1)[0]
    return {
        "curve": np.maximum.accumulate(tried).round(4).tolist(),
        "best": best.fitness,
        "top1": best.evaluation.metrics["top1"],
    }


def strategy(name: str, evaluations: int) -> Strategy:
    """Return what `vidnas search` uses: half of the evaluations are left to children."""
    if name == "random search":
        return RandomSearch()
    population = min(20, evaluations // 2)
    return TournamentEvolution(population, discard="oldest")


def report(curves: dict[str, list[list[float]]]) -> None:
    count = len(next(iter(curves.values()))[0])
    points = [n for n in (10, 20, 30, 40, 60, 80) if n <= count]
    print("best so far, mean of the seeds, after so many evaluations")
    means = {name: np.mean(runs, axis=0) for name, runs in curves.items()}
    print_table(
        ["search", *map(str, points)],
        ([name, *(f"{mean[n - 1]:.1%}" for n in points)] for name, mean in means.items()),
    )
    PICTURE.write_text(picture(curves), encoding="utf-8")


def picture(curves: dict[str, list[list[float]]]) -> str:
    """Draw a thin line per seed and a thick one for their mean."""
    width, height, left, top, bottom = 640, 320, 50, 30, 270
    count = len(next(iter(curves.values()))[0])
    most = math.ceil(10 * max(max(run) for runs in curves.values() for run in runs)) / 10

    def height_of(value: float) -> float:
        return bottom - (bottom - top) * value / most

    def line(values: list[float], colour: str, stroke: float) -> str:
        points = " ".join(
            f"{left + (width - left - 20) * i / (count - 1):.1f},{height_of(v):.1f}"
            for i, v in enumerate(values)
        )
        return f'<polyline points="{points}" stroke="{colour}" stroke-width="{stroke}"/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12" fill="none">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for value in np.linspace(0, most, 5):
        y = height_of(value)
        parts.append(f'<path d="M{left} {y}H{width - 20}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{left - 8}" y="{y + 4}" fill="#333" text-anchor="end">{value:.0%}</text>'
        )
    for place, (name, runs) in enumerate(curves.items()):
        colour = COLOURS[name]
        parts += [line(run, colour, 0.8) for run in runs]
        parts.append(line(np.mean(runs, axis=0).tolist(), colour, 3))
        parts.append(f'<text x="{left + 200 * place}" y="18" fill="{colour}">{name}</text>')
    parts.append(
        f'<text x="{(left + width) / 2}" y="{height - 16}" fill="#333" text-anchor="middle">'
        f"1 to {count} evaluations; best probability of the right class so far</text></svg>"
    )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
