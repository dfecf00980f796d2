"""A searched network against a hand-designed one, on videos of lips saying ten digits.

The data are those of talker s1 of the GRID corpus (CC BY 4.0), cut to 16-frame words; they are not
part of this repository. First search, then compare:

    vidnas search DIGITS.csv --out lips --limit latency=15ms --budget 25m --size 64
    python -m benchmarks.lips DIGITS.csv lips --minutes 8

Both networks are trained for the same wall time with the same settings, one thread each, side by
side on the same machine, with three seeds; the test split is used once, at the end.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.results import Line, Results, options, over_seeds, print_table


def train_and_test(
    cache_directory: Path, architecture_json: str, minutes: float, seed: int
) -> dict[str, float]:
    """Train one network in a worker and return its metrics on the test split."""
    import torch

    from vidnas.data.cache import ClipCache
    from vidnas.families import architecture_from_json, create_network
    from vidnas.training import TrainingSettings, evaluate, train

    cache = ClipCache(cache_directory)
    torch.manual_seed(seed)
    network = create_network(architecture_from_json(architecture_json), len(cache.classes))
    settings = TrainingSettings.full(budget_s=60 * minutes)
    report = train(network, cache, settings, seed=seed)
    test = evaluate(network, cache, "test", clips_per_video=3)
    return {
        "top1": test.shares["top1"],
        "mean_class": test.shares["mean_class"],
        "epochs": report.epochs,
    }


def compare(benchmark: str, networks: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Train the networks side by side with each seed, print the table and keep it."""
    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.evolution import LocalExecutor
    from vidnas.families import create_network
    from vidnas.profiling import count_cost, measure_latency

    cache = build_cache(load_dataset(arguments.clips), size_px=64)
    classes, minutes = len(cache.classes), arguments.minutes
    results = Results(benchmark, arguments)
    rows: dict[str, Line] = {}
    for name, architecture in networks.items():
        cost = count_cost(architecture, classes)
        network = create_network(architecture, classes).eval()
        rows[name] = {
            "latency_ms": measure_latency(network, threads=1).p50_ms,
            "macs": cost.macs,
            "parameters": cost.parameters,
            "runs": [],
        }
    with LocalExecutor(workers=2) as executor:
        for seed in range(arguments.seeds):
            pending = {
                name: executor.submit(train_and_test, cache.directory, one.to_json(), minutes, seed)
                for name, one in networks.items()
                if not results.find(network=name, seed=seed)
            }
            for name in networks:
                line = results.find(network=name, seed=seed)
                if line is None:
                    line = results.add(network=name, seed=seed, run=pending[name].result())
                rows[name]["runs"].append(line["run"])
                print(f"seed {seed}  {name:18} {rows[name]['runs'][-1]}", flush=True)
    print(f"\n{minutes:g} minutes of training each, one thread; test split")
    print_table(
        ("network", "top-1 %, mean (min to max)", "latency ms", "MMACs", "parameters", "epochs"),
        (
            (
                name,
                over_seeds([100 * run["top1"] for run in row["runs"]]),
                f"{row['latency_ms']:.2f}",
                f"{row['macs'] / 1e6:.1f}",
                f"{row['parameters']:,}",
                f"{statistics.mean(run['epochs'] for run in row['runs']):.1f}",
            )
            for name, row in rows.items()
        ),
    )
    results.finish(networks=rows)


def comparison_options(doc: str, minutes: float) -> argparse.ArgumentParser:
    """Return the parser of a comparison of trained networks."""
    parser = options(doc)
    parser.add_argument("clips", type=Path)
    parser.add_argument("study", type=Path)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--seeds", type=int, default=3)
    return parser


def main() -> None:
    parser = comparison_options(__doc__, minutes=8)
    parser.add_argument("--baseline-frames", type=int, default=16, choices=(8, 16))
    arguments = parser.parse_args()

    from vidnas.deploy import load_model
    from vidnas.families import find_architecture

    frames = arguments.baseline_frames
    baseline = find_architecture("r2plus1d_18").model_copy(
        update={"frames": frames, "frame_stride": 16 // frames, "size_px": 64}
    )
    networks = {"searched": load_model(arguments.study).architecture, "(2+1)D ResNet-18": baseline}
    compare("lips", networks, arguments)


if __name__ == "__main__":
    main()
