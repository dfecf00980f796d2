"""Candidates a minute from the search's workers, and from plain processes that know nothing of it.

python -m benchmarks.workers [--candidates 6] [--rounds 3]

Two workers beside each other share caches and memory bandwidth, so that twice the rate of one is
out of reach; what two independent processes reach beside each other is the measure. Start-up is
not counted: everyone trains one candidate before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WANTED = 0.97
GENES = {"frames": 2, "size_px": 32}


def train_candidate(cache_directory: Path, seed: int) -> float:
    """One brief training; returns the clips a second of its last epoch."""
    import torch

    from vidnas.data.cache import ClipCache
    from vidnas.families import create_network
    from vidnas.training import TrainingSettings, train

    cache = ClipCache(cache_directory)
    torch.manual_seed(seed)
    network = create_network("tvn_mobile_1", len(cache.classes), **GENES)
    report = train(network, cache, TrainingSettings(epochs=2), seed=seed)
    return report.history[-1].clips_per_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=6, help="for each worker or process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain_process(options.plain, options.candidates)
        return

    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.data.demo import write_clips

    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        write_clips(clips, classes=("left", "right", "growing"), clips_per_class=40)
        cache = build_cache(load_dataset(clips), size_px=64, directory=Path(folder) / "cache")
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(options.rounds):  # in turns, because machines drift
            for how, rate in (("workers", rate_of_workers), ("processes", rate_of_processes)):
                for count in (1, 2):
                    found = rate(cache.directory, count, options.candidates)
                    rates.setdefault((how, count), []).append(found)
    report(rates)


def rate_of_workers(cache_directory: Path, workers: int, candidates: int) -> float:
    """Candidates a minute through the search's executor."""
    from vidnas.evolution import LocalExecutor

    with LocalExecutor(workers) as executor:
        warm = [executor.submit(train_candidate, cache_directory, 0) for _ in range(workers)]
        for future in warm:
            future.result()
        began = time.monotonic()
        count = workers * candidates
        futures = [executor.submit(train_candidate, cache_directory, seed) for seed in range(count)]
        for future in futures:
            future.result()
        return 60 * count / (time.monotonic() - began)


def rate_of_processes(cache_directory: Path, processes: int, candidates: int) -> float:
    """Candidates a minute of independent processes that start their loops together."""
    command = [sys.executable, "-m", "benchmarks.workers", "--plain", str(cache_directory)]
    running = [
        subprocess.Popen(
            [*command, "--candidates", str(candidates)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    pipes = [(process.stdin, process.stdout) for process in running]
    for _, out in pipes:
        out.readline()  # it is warm
    began = time.monotonic()
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.wait()
    return 60 * processes * candidates / (time.monotonic() - began)


def plain_process(cache_directory: Path, candidates: int) -> None:
    """Train candidates one after the other, as a script of a user would."""
    from vidnas.core.process import prepare_process

    prepare_process(threads=1)
    train_candidate(cache_directory, 0)
    print("warm", flush=True)
    sys.stdin.readline()
    for seed in range(candidates):
        train_candidate(cache_directory, seed)
    sys.stdout.flush()
    os._exit(0)  # interpreter shut-down is no training


def report(rates: dict[tuple[str, int], list[float]]) -> None:
    median = {key: statistics.median(values) for key, values in rates.items()}
    print(
        f"candidates a minute, median of {len(rates['workers', 1])}, load {os.getloadavg()[0]:.1f}"
    )
    speed_up = {}
    for how in ("workers", "processes"):
        one, two = median[how, 1], median[how, 2]
        speed_up[how] = two / one
        print(f"  {how:10} one {one:7.1f}   two {two:7.1f}   speed-up {two / one:.2f}")
    share = speed_up["workers"] / speed_up["processes"]
    verdict = "held" if share >= WANTED else "missed"
    print(f"two workers reach {share:.0%} of that speed-up (wanted {WANTED:.0%}: {verdict});")
    print(f"their rate is {median['workers', 2] / median['processes', 2]:.0%} of two processes'")


if __name__ == "__main__":
    main()
