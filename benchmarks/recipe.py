"""What each part of the training recipe is worth, in equal core-seconds.

    python -m benchmarks.recipe digits10.csv arid6.csv --out recipe --minutes 5

The first design of Tiny Video Networks (2D convolutions, each with one over time; 8 frames of
64 px) is trained from scratch with each variant of the recipe, on one thread, as many at a time as
there are cores. The base only crops. Differences from it are taken in pairs, of the same clips and
seed. Nothing else should be running.

What is finished is recorded in OUT/runs.jsonl and found there again, also with more clips, seeds or
parts; what was interrupted resumes.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.clips import CLIPS_HELP, SIZE_PX, find_all
from benchmarks.results import Line, Log, Results, options, over_seeds, points, print_table

_CHANGES: dict[str, Line] = {
    "time mask": {"time_mask": 0.4},
    "mixup": {"mixup": 0.2},
    "affine": {"affine": 0.1},
    "colour": {"colour": 0.2},
}
_ALL = {name: value for change in _CHANGES.values() for name, value in change.items()}
BASE = "base"
PARTS: dict[str, Line] = {
    BASE: {},
    **{name: {"augmentation": change} for name, change in _CHANGES.items()},
    "all": {"augmentation": _ALL},
    "all without averaging": {"augmentation": _ALL, "averaging": 0.0},
    "dense": {"sampling": "dense"},
    "centred": {"normalization": "clip"},
    "adamw": {"optimizer": "adamw", "rate": 4.0},
    "one rate": {"rate": 4.0, "kernel_step": 0.4},
    "kernels twice": {"kernel_step": 12.8},
    "others twice": {"rate": 2.0, "kernel_step": 3.2},
    "others fourfold": {"rate": 4.0, "kernel_step": 1.6},
    "double rate": {"rate": 2.0},
    "half rate": {"rate": 0.5},
    "batch 32": {"batch_size": 32},
    "no smoothing": {"label_smoothing": 0.0},
}
"""What differs from the base: settings of the training, changes of clips, their sampling and
normalization, and a factor of the learning rate. `one rate` is the recipe before vidnas 0.5.9."""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("clips", nargs="+", help=CLIPS_HELP)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, each")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    arguments = parser.parse_args()

    from vidnas.evolution import LocalExecutor

    results = Results("recipe", arguments)
    sources = find_all(arguments.clips, arguments.out)
    parts = list(dict.fromkeys([BASE, *arguments.parts]))
    keys = [
        {"clips": clips, "part": part, "seed": seed, "minutes": arguments.minutes}
        for seed, clips, part in product(range(arguments.seeds), sources, parts)
    ]
    runs = Log(arguments.out / "runs.jsonl")
    with LocalExecutor() as executor:
        lines = runs.measure_all(executor, jobs(keys, sources, arguments.out))
    report(lines, parts)
    results.finish(*lines)


def jobs(
    keys: Sequence[Line], sources: Mapping[str, Path], out: Path
) -> Iterator[tuple[Line, Any, Any]]:
    """Yield a training run for every key."""
    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.families.tinyvideonet.space import space

    for key in keys:
        dataset = load_dataset(sources[key["clips"]], seed=key["seed"])
        cache = build_cache(dataset, size_px=SIZE_PX)
        part = PARTS[key["part"]]
        sampling = (part.get("sampling", "uniform"),)
        searched = space(max_size_px=SIZE_PX, max_frames=cache.typical_frames, sampling=sampling)
        normalization = part.get("normalization", "data")
        design = searched.designs()[0].model_copy(update={"normalization": normalization})
        checkpoint = out / "-".join(str(key[name]) for name in ("clips", "part", "seed", "minutes"))
        settings = settings_of(part, 60 * key["minutes"])
        yield key, train_and_test, (cache, design, settings, key["seed"], checkpoint.resolve())


def settings_of(part: Line, budget_s: float) -> Any:
    """Return the settings of a variant."""
    from vidnas.data.augmentation import Augmentation
    from vidnas.training import TrainingSettings

    full = TrainingSettings.full(budget_s=budget_s)
    base = full.model_copy(update={"augmentation": Augmentation(crop_scale_min=0.7)})
    changed = {name: value for name, value in part.items() if name in TrainingSettings.model_fields}
    if "augmentation" in changed:
        changed["augmentation"] = base.augmentation.model_copy(update=changed["augmentation"])
    changed["learning_rate"] = base.learning_rate * part.get("rate", 1.0)
    return base.model_copy(update=changed)


def train_and_test(cache: Any, design: Any, settings: Any, seed: int, checkpoint: Path) -> Line:
    """Train a network from scratch, or resume, and return what it came to."""
    import torch

    from vidnas.core.clip import CLIPS_PER_VIDEO
    from vidnas.families import create_network
    from vidnas.training import evaluate, train

    torch.manual_seed(seed)
    network = create_network(design, len(cache.classes))
    report = train(network, cache, settings, seed=seed, checkpoint=checkpoint)
    test = evaluate(network, cache, "test", clips_per_video=CLIPS_PER_VIDEO)
    validation = report.validation
    return {
        "epochs": report.epochs,
        "seconds": report.seconds,
        "train_loss": report.history[-1].train_loss,
        "validation_top1": validation and validation.shares["top1"],
        "validation_loss": validation and validation.loss,
        "test_clips": test.clips,
        "test_top1": test.shares["top1"],
        "test_loss": test.loss,
    }


def report(lines: Sequence[Line], parts: Sequence[str]) -> None:
    """Print a table for each set of clips, and the test accuracy over all of them."""
    names = list(dict.fromkeys(line["clips"] for line in lines))
    for clips in names:
        print(f"\n{clips}")
        print_table(
            (
                "part",
                "test top-1 %, mean (min to max)",
                "from base, points",
                "test loss",
                "validation top-1 %",
                "epochs",
            ),
            (row(part, *(by_seed(lines, [clips], one) for one in (part, BASE))) for part in parts),
        )
    if len(names) > 1:
        print("\nall clips: test top-1 from base, points")
        print_table(
            ("part", "mean"),
            (
                (part, points(*(top1(by_seed(lines, names, one)) for one in (part, BASE))))
                for part in parts
            ),
        )


def by_seed(lines: Sequence[Line], names: Sequence[str], part: str) -> list[Line]:
    """Return the runs of a variant, in an order that is the same for all variants."""
    return [line for line in lines if line["part"] == part and line["clips"] in names]


def top1(runs: Sequence[Line]) -> list[float]:
    return [run["test_top1"] for run in runs]


def row(part: str, runs: Sequence[Line], base: Sequence[Line]) -> tuple[str, ...]:
    """Return a row of the table."""
    return (
        part,
        over_seeds([100 * run for run in top1(runs)]),
        points(top1(runs), top1(base)),
        f"{statistics.mean(run['test_loss'] for run in runs):.3f}",
        f"{statistics.mean(100 * run['validation_top1'] for run in runs):.1f}",
        f"{statistics.mean(run['epochs'] for run in runs):.0f}",
    )


if __name__ == "__main__":
    main()
