"""What the allocator, the memory format and bfloat16 are each worth in a training step.

python -m benchmarks.training_step [--steps 15]

CPU time of a step (forward, backward, AdamW) on one thread, and the pages that the kernel mapped
for it. Each allocator setting has its own processes, in turns; within a process the variants take
turns step by step. A ratio above 1 is faster than the first line of the network.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.results import options, print_environment, print_table
from benchmarks.timing import Run, cpu_ms, in_turns
from vidnas.core.process import prepare_process

if TYPE_CHECKING:
    from torch import nn

BATCH = 16
ROUNDS = 2
NETWORKS: dict[str, dict[str, int]] = {
    "small": {"frames": 8, "size_px": 112},
    "tvn1": {"frames": 2, "size_px": 64},
    "tvn_mobile_1": {"frames": 2, "size_px": 64},
}
"""Names with the genes that differ from the published ones."""
Sample = tuple[float, int]
VARIANTS = ("NCHW float32", "channels-last float32", "channels-last bfloat16")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--measure", choices=("kept", "returned"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.steps, keep_memory=arguments.measure == "kept")
        return
    print_environment()
    print(f"ms of CPU time per step of {BATCH} clips, one thread")
    samples: dict[str, dict[str, dict[str, list[Sample]]]] = {"returned": {}, "kept": {}}
    for _ in range(ROUNDS):
        for memory, networks in samples.items():
            for name, variants in in_process(memory, arguments.steps).items():
                for variant, found in variants.items():
                    networks.setdefault(name, {}).setdefault(variant, []).extend(found)
    for name, (frames, size_px) in ((name, genes.values()) for name, genes in NETWORKS.items()):
        print(f"\n{name}, {frames} frames of {size_px} px")
        first = statistics.median(ms for ms, _ in samples["returned"][name][VARIANTS[0]])
        rows = []
        for memory, networks in samples.items():
            for variant, found in networks[name].items():
                ms, faults = (statistics.median(column) for column in zip(*found, strict=True))
                row = (f"{ms:.1f}", f"{first / ms:.2f}", f"{faults:.0f}")
                rows.append((f"freed memory {memory}, {variant}", *row))
        print_table(("variant", "ms", "times as fast", "page faults"), rows)


def in_process(memory: str, steps: int) -> dict[str, dict[str, list[Sample]]]:
    command = [sys.executable, "-m", "benchmarks.training_step", "--measure", memory]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--steps", str(steps)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, dict[str, list[Sample]]] = json.loads(done.stdout)
    return found


def measure(steps: int, *, keep_memory: bool) -> None:
    """Print the times of all variants as JSON; the first two steps warm up."""
    if keep_memory:
        prepare_process(threads=1)
    import torch

    torch.set_num_threads(1)
    found = {}
    for name, genes in NETWORKS.items():
        torch.manual_seed(0)
        variants = {variant: stepper(name, genes, variant) for variant in VARIANTS}
        found[name] = in_turns(variants, steps, warmup=2, sample=ms_and_faults)
    print(json.dumps(found))


def ms_and_faults(step: Run) -> Sample:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    ms = cpu_ms(step)
    return ms, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def stepper(name: str, genes: dict[str, int], variant: str) -> Run:
    """Return a function that makes one training step."""
    import torch

    from vidnas.families import create_network
    from vidnas.layers.frames import use_channels_last
    from vidnas.training.device import mixed_precision

    frames, size_px = genes.values()
    network = small_network(frames) if name == "small" else create_network(name, 10, **genes)
    network.train()
    clips = torch.rand(BATCH, 3, frames, size_px, size_px)
    if "channels-last" in variant:
        use_channels_last(network)
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
    labels = torch.randint(10, (BATCH,))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    bfloat16 = "bfloat16" in variant
    autocast = mixed_precision("bfloat16" if bfloat16 else "float32", torch.device("cpu"))

    def step() -> None:
        with autocast:
            logits = network(clips)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return step


def small_network(frames: int) -> nn.Module:
    """Return bottlenecks of spatial and temporal convolutions that keep their memory format."""
    import torch
    from torch import nn

    from vidnas.layers.convolution import ConvNorm
    from vidnas.layers.frames import OverTime, mean_over_clip

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = ((3, 24), (24, 48), (48, 96), (96, 96))
            self.spatial = nn.ModuleList(
                nn.Sequential(
                    ConvNorm(before, width, (3, 3), (2, 2), act="relu"),
                    ConvNorm(width, width, (1, 1), act="relu"),
                )
                for before, width in widths
            )
            self.temporal = nn.ModuleList(
                OverTime(ConvNorm(width, width, (3, 1), act="relu")) for _, width in widths
            )
            self.dense = nn.Linear(widths[-1][1], 10)

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            x = clips.transpose(1, 2).flatten(0, 1)
            for spatial, temporal in zip(self.spatial, self.temporal, strict=True):
                x = spatial(x)
                x = x + temporal(x, frames)[0]
            logits: torch.Tensor = self.dense(mean_over_clip(x, frames))
            return logits

    return Small()


if __name__ == "__main__":
    main()
