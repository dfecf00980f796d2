"""Evolution with its defaults against random search on generated clips: best so far, three seeds.

    python -m benchmarks.curves [--evaluations 50] [--seconds 5]

The space is that of Tiny Video Networks up to 16 frames of 64 px, under a limit on multiply-adds;
the fitness is the likelihood on the validation split after a brief training, measured in seconds as
`vidnas search` does. Nothing else should be running.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np

import vidnas
from vidnas.data.cache import build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import MOTIONS, write_clips
from vidnas.evolution import (
    ClipEvaluator,
    Limits,
    LocalExecutor,
    RandomSearch,
    Strategy,
    TournamentEvolution,
)
from vidnas.families import families
from vidnas.training import TrainingSettings

RESULTS = Path(__file__).parent / "results" / "curves.json"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "curves.svg"
SEEDS = range(3)
LIMITS = ["macs=40M"]
COLOURS = {"regularized evolution": "#3f51b5", "random search": "#9e9e9e"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5.0, help="of training a candidate")
    options = parser.parse_args()
    curves: dict[str, list[list[float]]] = {name: [] for name in COLOURS}
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        write_clips(clips, classes=list(MOTIONS)[:8], clips_per_class=60)
        cache = build_cache(load_dataset(clips), size_px=64, directory=Path(folder) / "cache")
        evaluator = ClipEvaluator(
            cache.directory, TrainingSettings(budget_s=options.seconds), Limits.parse(LIMITS)
        )
        with LocalExecutor() as executor:
            for seed in SEEDS:
                for name in COLOURS:
                    study = vidnas.search(
                        families()["tinyvideonet"].space(max_size_px=64, max_frames=16),
                        evaluator,
                        limits=LIMITS,
                        strategy=strategy(name, options.evaluations),
                        evaluations=options.evaluations,
                        executor=executor,
                        folder=Path(folder) / f"{name}-{seed}",
                        classes=cache.classes,
                        seed=seed,
                    )
                    fitness = [
                        trial.evaluation.fitness or 0.0
                        for trial in study.trials
                        if trial.evaluation.status != "rejected"
                    ]
                    curves[name].append(np.maximum.accumulate(fitness).round(4).tolist())
                    best = study.fittest(1)[0]
                    print(
                        f"seed {seed}, {name:22} best {best.fitness:.1%}, "
                        f"top-1 {best.evaluation.metrics['top1']:.1%}",
                        flush=True,
                    )
    report(curves, options.seconds)


def strategy(name: str, evaluations: int) -> Strategy:
    """As `vidnas search` sets it: half of the evaluations are left to children."""
    if name == "random search":
        return RandomSearch()
    population = min(20, evaluations // 2)
    return TournamentEvolution(population, discard="oldest")


def report(curves: dict[str, list[list[float]]], seconds: float) -> None:
    count = len(next(iter(curves.values()))[0])
    points = [n for n in (10, 20, 30, 40, 60, 80) if n <= count]
    print("best so far, mean of the seeds, after", *points)
    for name, runs in curves.items():
        means = np.mean(runs, axis=0)
        print(f"  {name:22}", *(f"{means[n - 1]:.1%}" for n in points))
    RESULTS.write_text(json.dumps({"seconds": seconds, "curves": curves}) + "\n", encoding="utf-8")
    PICTURE.write_text(picture(curves), encoding="utf-8")


def picture(curves: dict[str, list[list[float]]]) -> str:
    """Thin lines for the seeds, a thick one for their mean."""
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
