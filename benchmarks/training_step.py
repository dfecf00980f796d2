"""What the allocator, the memory format and bfloat16 are each worth in a training step.

python -m benchmarks.training_step [--steps 15]

CPU time of a step (forward, backward, AdamW) on one thread, and the pages that the kernel mapped
for it. Every allocator has processes of its own, in turns; within a process the variants take turns
step by step. A ratio above 1 is faster than the first line of the network.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--measure", choices=("kept", "returned"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.steps, keep_memory=options.measure == "kept")
        return
    print(f"ms of CPU time a step of {BATCH} clips, one thread, load {os.getloadavg()[0]:.1f}")
    samples: dict[str, dict[str, dict[str, list[Sample]]]] = {"returned": {}, "kept": {}}
    for _ in range(ROUNDS):
        for memory, networks in samples.items():
            for name, variants in in_process(memory, options.steps).items():
                for variant, found in variants.items():
                    networks.setdefault(name, {}).setdefault(variant, []).extend(found)
    for name, (frames, size_px) in ((name, genes.values()) for name, genes in NETWORKS.items()):
        print(f"\n{name}, {frames} frames of {size_px} px")
        first = statistics.median(ms for ms, _ in samples["returned"][name][VARIANTS[0]])
        for memory, networks in samples.items():
            for variant, found in networks[name].items():
                ms, faults = (statistics.median(column) for column in zip(*found, strict=True))
                print(
                    f"  freed memory {memory:8}  {variant:22} {ms:8.1f} ms  {first / ms:5.2f}"
                    f"  {faults:7.0f} page faults"
                )


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
        samples: dict[str, list[Sample]] = {variant: [] for variant in VARIANTS}
        for _ in range(steps + 2):
            for variant, step in variants.items():
                began, faults = time.process_time(), page_faults()
                step()
                ms = 1000 * (time.process_time() - began)
                samples[variant].append((ms, page_faults() - faults))
        found[name] = {variant: values[2:] for variant, values in samples.items()}
    print(json.dumps(found))


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def stepper(name: str, genes: dict[str, int], variant: str) -> Callable[[], None]:
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
    precision = "bfloat16" if "bfloat16" in variant else "float32"
    autocast = mixed_precision(precision, torch.device("cpu"))

    def step() -> None:
        with autocast:
            logits = network(clips)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return step


def small_network(frames: int) -> nn.Module:
    """Bottlenecks of a spatial and a temporal convolution that keep the format of their input."""
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
