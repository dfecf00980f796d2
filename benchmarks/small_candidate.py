"""What a training step of one small AssembleNet costs compared with its convolutions.

python -m benchmarks.small_candidate [--networks 4] [--steps 5]

Random networks of the search space (8 frames of 64 px, depth 26, a quarter of the published width,
RGB and flow computed in the network) train on batches of 16 clips on one thread. Representation
flow, fusion and pooling must not dominate: the step may take 1.5 times as long as its convolutions.
The table has the share of each kind of work.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

from benchmarks.results import options, print_environment, print_table
from benchmarks.timing import cpu_ms, in_turns, use_threads
from vidnas.families import create_network

GROUPS = {
    "convolutions": ("convolution",),
    "batch norm": ("batch_norm",),
    "optimizer": ("foreach", "optimizer", "lerp", "addcdiv"),
    "pooling": ("max_pool", "avg_pool"),
}
REST = "the rest"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    use_threads(1)
    print_environment()
    import numpy as np
    import torch

    from benchmarks.searching import space_of
    from vidnas.training.optimizer import build_optimizer
    from vidnas.training.settings import TrainingSettings

    space = space_of("assemblenet", max_size_px=64, max_frames=16)
    rng = np.random.default_rng(0)
    ratios, rows = [], []
    labels = torch.randint(10, (16,))
    clip = torch.rand(16, 8, 64, 64, 3).permute(0, 4, 1, 2, 3)
    for number in range(arguments.networks):
        genes = {"frames": 8, "frame_stride": 1, "size_px": 64, "width": 0.25, "attention": "none"}
        architecture = space.random(rng).model_copy(update={**genes, "repeats": (2, 2, 2, 2)})
        network = create_network(architecture, 10).train()
        optimizer = build_optimizer(network, TrainingSettings(epochs=1))
        step = partial(_step, network, optimizer, clip, labels)
        steps_ms = in_turns({number: step}, arguments.steps, warmup=1, sample=cpu_ms)[number]
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            step()
        shares = Counter[str]()
        for event in profile.key_averages():
            shares[_group(event.key)] += event.self_cpu_time_total
        total = shares.total()
        ratio = total / shares["convolutions"]
        ratios.append(ratio)
        parts = (f"{shares[name] / total:.0%}" for name in (*GROUPS, REST))
        blocks = f"{len(architecture.blocks)} blocks"
        rows.append((blocks, f"{np.mean(steps_ms):.0f}", f"{ratio:.2f}", *parts))
    print_table(("network", "step ms", "times its convolutions", *GROUPS, REST), rows)
    print(f"median {np.median(ratios):.2f} times")


def _step(network: Any, optimizer: Any, clip: Any, labels: Any) -> None:
    import torch
    from torch import nn

    from vidnas.training.device import mixed_precision

    with mixed_precision("auto", torch.device("cpu")):
        logits = network(clip)
    nn.functional.cross_entropy(logits.float(), labels).backward()
    optimizer.step()
    optimizer.zero_grad()


def _group(operation: str) -> str:
    for name, signs in GROUPS.items():
        if any(sign in operation.lower() for sign in signs):
            return name
    return REST


if __name__ == "__main__":
    main()
