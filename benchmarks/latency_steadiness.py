"""How steady a latency is beside busy cores: 20 measurements of one network, three times over.

python -m benchmarks.latency_steadiness [--network tvn1] [--measurements 20]

The busy cores train a network, as the workers of a search do. "wall" is the median wall time of 30
runs, as one would measure it without a reference network.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.results import options, print_environment, print_table
from vidnas.core.process import prepare_process

if TYPE_CHECKING:
    from vidnas.families import Network

DEFAULT = "small"
HOGS = (0, 1, 2)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--network", default=DEFAULT, help="what vidnas bench takes")
    parser.add_argument("--measurements", type=int, default=20)
    arguments = parser.parse_args()
    prepare_process(threads=1)
    print_environment()

    from vidnas.profiling import calibrate, measure_latency

    network = build(arguments.network)
    reference = calibrate()
    print(f"{arguments.network}; reference network {reference.latency_ms:.2f} ms")
    rows = []
    for hogs in HOGS:
        with busy_cores(hogs):
            began = time.perf_counter()
            wall, ours = [], []
            for _ in range(arguments.measurements):
                wall.append(measure_latency(network, repeats=30).p50_ms)
                ours.append(measure_latency(network, reference=reference).p50_ms)
            seconds = (time.perf_counter() - began) / arguments.measurements
        for how, samples in (("wall", wall), ("reference", ours)):
            low, middle, high = np.min(samples), np.median(samples), np.max(samples)
            times = (f"{value:.2f}" for value in (low, middle, high))
            rows.append((f"{hogs} busy, {how}", *times, f"{(high - low) / middle:.1%}"))
        print(f"{hogs} busy: load {os.getloadavg()[0]:.1f}, {seconds:.1f} s for both", flush=True)
    print_table(("cores and method", "min ms", "median", "max", "(max - min) / median"), rows)


def build(name: str) -> Network:
    """Build the network; the default is a hard case: small clips, but 100 MB of weights."""
    from vidnas.deploy import resolve_network
    from vidnas.families import create_network

    if name == DEFAULT:
        return create_network("tvn1", num_classes=10, size_px=64).eval()
    return resolve_network(name, 10).eval()


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keep cores busy with training while the block runs."""
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=train_until_killed, daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()
    try:
        if workers:
            time.sleep(10)  # until all of them train
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def train_until_killed() -> None:
    prepare_process(threads=1)
    import torch

    from vidnas.profiling.reference import REFERENCE_INPUTS, reference_network

    network = reference_network().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    clip = torch.rand(REFERENCE_INPUTS[0].shape())
    parent = os.getppid()
    while os.getppid() == parent:  # an orphan would never end
        optimizer.zero_grad()
        network(clip).square().mean().backward()
        optimizer.step()


if __name__ == "__main__":
    main()
