"""A searched network against a hand-designed one, on videos of lips saying ten digits.

The data are the talker s1 of the GRID corpus (CC BY 4.0), cut to 16-frame words; they are not part
of this repository. First search, then compare:

    vidnas search DIGITS.csv --out lips --limit latency=15ms --budget 25m --size 64
    python -m benchmarks.lips DIGITS.csv lips --minutes 8

Both networks are trained for the same wall-clock time with the same settings, one thread each, side
by side on the same machine; three seeds; the test split is used once, at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from vidnas.families import create_network

RESULTS = Path(__file__).parent / "results" / "lips.json"


def train_and_test(
    cache_directory: Path, architecture_json: str, minutes: float, seed: int
) -> dict[str, float]:
    """Train one network in a worker and return its metrics on the test split."""
    import torch

    from vidnas.data.cache import ClipCache
    from vidnas.families import architecture_from_json
    from vidnas.training import TrainingSettings, evaluate, train

    cache = ClipCache(cache_directory)
    torch.manual_seed(seed)
    network = create_network(architecture_from_json(architecture_json), len(cache.classes))
    settings = TrainingSettings.full(budget_s=60 * minutes)
    report = train(network, cache, settings, seed=seed)
    test = evaluate(network, cache, "test", clips_per_video=3)
    return {"top1": test.top1, "mean_class": test.mean_class, "epochs": report.epochs}


def idle_latency_ms(architecture_json: str, classes: int) -> float:
    """Median wall time in ONNX Runtime, one thread, nothing else running."""
    from vidnas.families import architecture_from_json
    from vidnas.profiling import measure_latency

    network = create_network(architecture_from_json(architecture_json), classes).eval()
    return measure_latency(network, threads=1).p50_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("study", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--baseline-frames", type=int, default=16, choices=(8, 16))
    options = parser.parse_args()

    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.deploy import load_model
    from vidnas.evolution import LocalExecutor
    from vidnas.families import find_architecture
    from vidnas.profiling import count_cost

    cache = build_cache(load_dataset(options.clips), size_px=64)
    winner = load_model(options.study).architecture
    baseline = find_architecture("r2plus1d_18").model_copy(
        update={
            "frames": options.baseline_frames,
            "frame_stride": 16 // options.baseline_frames,
            "size_px": 64,
        }
    )
    networks = {"searched": winner, "(2+1)D ResNet-18": baseline}
    rows: dict[str, dict[str, Any]] = {}
    for name, architecture in networks.items():
        cost = count_cost(architecture, len(cache.classes))
        rows[name] = {
            "latency_ms": idle_latency_ms(architecture.to_json(), len(cache.classes)),
            "macs": cost.macs,
            "parameters": cost.parameters,
            "runs": [],
        }
    executor = LocalExecutor(workers=2)
    try:
        for seed in range(options.seeds):
            pending: dict[str, Future[dict[str, float]]] = {
                name: executor.submit(
                    train_and_test, cache.directory, value.to_json(), options.minutes, seed
                )
                for name, value in networks.items()
            }
            for name, future in pending.items():
                rows[name]["runs"].append(future.result())
                print(f"seed {seed}  {name:18} {rows[name]['runs'][-1]}", flush=True)
    finally:
        executor.shutdown()
    report(rows, options.minutes)


def report(rows: dict[str, dict[str, Any]], minutes: float) -> None:
    """Print the table and keep it."""
    print(f"\n{minutes:g} minutes of training each, one thread; test split")
    print(
        f"{'network':18} {'top-1 % mean (min-max)':>24} {'latency ms':>11} {'MMACs':>8} "
        f"{'params':>10} {'epochs':>7}"
    )
    for name, row in rows.items():
        top1 = [100 * run["top1"] for run in row["runs"]]
        spread = f"{statistics.mean(top1):.1f} ({min(top1):.1f}-{max(top1):.1f})"
        print(
            f"{name:18} {spread:>24} {row['latency_ms']:11.2f} {row['macs'] / 1e6:8.1f} "
            f"{row['parameters']:10,} {statistics.mean(r['epochs'] for r in row['runs']):7.1f}"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"minutes": minutes, "networks": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
