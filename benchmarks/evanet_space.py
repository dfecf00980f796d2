"""2,000 random and mutated architectures of each EvaNet space: all valid, and all built.

python -m benchmarks.evanet_space

The tests draw as many, but build only a few. These are built on the meta device, which allocates
nothing.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from benchmarks.results import options, print_environment
from benchmarks.searching import space_of
from vidnas.families import architecture_from_json, create_network

ARCHITECTURES = 2000


def check(name: str) -> None:
    space, rng = space_of(name, max_size_px=128, max_frames=32), np.random.default_rng(0)
    parameters, digests, started = [], set(), time.perf_counter()
    architecture = space.random(rng)
    for index in range(ARCHITECTURES):
        if index % 4:
            architecture, _ = space.mutate(architecture, rng, strength=int(rng.integers(1, 4)))
        else:
            architecture = space.random(rng)
        assert space.contains(architecture)
        assert architecture_from_json(architecture.to_json()) == architecture
        with torch.device("meta"):
            network = create_network(architecture, num_classes=10)
        parameters.append(sum(weight.numel() for weight in network.parameters()))
        digests.add(architecture.digest)
    least, median, most = np.percentile(parameters, (0, 50, 100)) / 1e6
    print(
        f"{name}: {ARCHITECTURES} architectures, {len(digests)} different, all valid and built in "
        f"{time.perf_counter() - started:.0f} s; parameters {least:.2f} to {most:.2f} M, median "
        f"{median:.2f} M"
    )


def main() -> None:
    options(__doc__).parse_args()
    print_environment()
    torch.set_num_threads(1)
    for name in ("evanet", "evanet_inception"):
        check(name)


if __name__ == "__main__":
    main()
