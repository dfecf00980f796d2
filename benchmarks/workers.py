"""Candidates per minute from the search's workers and from independent processes.

python -m benchmarks.workers [--candidates 6] [--rounds 3]

Two workers side by side share caches and memory bandwidth, so that twice the rate of one is out of
reach; the measure is what two independent processes reach side by side. Start-up is not counted:
everyone trains one candidate before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.results import options, print_environment, print_table

WANTED = 0.97
GENES = {"frames": 2, "size_px": 32}


def train_candidate(cache_directory: Path, seed: int) -> float:
    """Run one brief training and return the clips per second of its last epoch."""
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
    parser = options(__doc__)
    parser.add_argument("--candidates", type=int, default=6, help="for each worker or process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain:
        plain_process(arguments.plain, arguments.candidates)
        return

    from benchmarks.clips import temporary_cache

    print_environment()
    with temporary_cache() as (_, cache):
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(arguments.rounds):  # in turns, because machines drift
            for how, rate in (("workers", rate_of_workers), ("processes", rate_of_processes)):
                for count in (1, 2):
                    found = rate(cache.directory, count, arguments.candidates)
                    rates.setdefault((how, count), []).append(found)
    report(rates)


def rate_of_workers(cache_directory: Path, workers: int, candidates: int) -> float:
    """Return the candidates per minute of the search's executor."""
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
    """Return the candidates per minute of independent processes that begin together."""
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
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()  # it is warm
    began = time.monotonic()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.wait()
    return 60 * processes * candidates / (time.monotonic() - began)


def plain_process(cache_directory: Path, candidates: int) -> None:
    """Train candidates one after the other, as a user's script would."""
    from vidnas.core.process import prepare_process

    prepare_process(threads=1)
    train_candidate(cache_directory, 0)
    print("warm", flush=True)
    sys.stdin.readline()
    for seed in range(candidates):
        train_candidate(cache_directory, seed)
    sys.stdout.flush()
    os._exit(0)  # shutting the interpreter down is not training


def report(rates: dict[tuple[str, int], list[float]]) -> None:
    median = {key: statistics.median(values) for key, values in rates.items()}
    speed_up = {how: median[how, 2] / median[how, 1] for how in ("workers", "processes")}
    print(f"candidates per minute, median of {len(rates['workers', 1])}")
    print_table(
        ("", "one", "two", "speed-up"),
        (
            (how, f"{median[how, 1]:.1f}", f"{median[how, 2]:.1f}", f"{ratio:.2f}")
            for how, ratio in speed_up.items()
        ),
    )
    share = speed_up["workers"] / speed_up["processes"]
    verdict = "held" if share >= WANTED else "missed"
    print(f"two workers reach {share:.0%} of that speed-up (wanted {WANTED:.0%}: {verdict});")
    print(f"their rate is {median['workers', 2] / median['processes', 2]:.0%} of two processes'")


if __name__ == "__main__":
    main()
