"""What (2+1)D and iTGM branches of EvaNet cost against a 3D branch of the same width.

python -m benchmarks.branches [--repeats 15]

CPU time on one thread of a forward pass for one clip, in torch and in ONNX Runtime, and of a
training step (forward, backward) for a batch. The kinds take turns. A ratio is the time over that
of the 3D branch of the same length; beside it, the ratio that the multiply-adds predict.
"""

from __future__ import annotations

import argparse
import copy
import io
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidnas.core.process import prepare_process

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vidnas.families.evanet.module import ConvKind

BATCH = 4
KINDS: tuple[ConvKind, ...] = ("3d", "2+1d", "itgm")
TIMES = (3, 11)


@dataclass(frozen=True)
class Place:
    """Where a branch sits: what enters it, and its width."""

    name: str
    channels: int
    filters: int
    frames: int
    size_px: int


PLACES = (
    Place("as in a search, an eighth of the width", 64, 32, 8, 14),
    Place("stage 3 as published, of 32 frames at 112 px", 510, 102, 8, 14),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    prepare_process(threads=1)
    import torch

    torch.set_num_threads(1)
    print(f"ms of CPU time, one thread, load {os.getloadavg()[0]:.1f}; training batch {BATCH}")
    for place in PLACES:
        print(
            f"\n{place.name}: {place.channels} to {place.filters} channels, "
            f"{place.frames} frames of {place.size_px} px\n"
            f"  {'branch':12}{'MACs':>9} ratio {'torch ms':>11} ratio {'onnx ms':>10} ratio"
            f" {'training ms':>12} ratio"
        )
        for length in TIMES:
            report(place, length, options.repeats)


def report(place: Place, length: int, repeats: int) -> None:
    """Print one line a kind of convolution."""
    macs, runs = [], []
    for kind in KINDS:
        branch = on_clips(place, kind, length)
        macs.append(count_macs(branch, place))
        runs.append((forward(branch, place), in_onnxruntime(branch, place), train(branch, place)))
    samples: dict[tuple[int, int], list[float]] = {}
    for _ in range(repeats + 2):
        for kind, functions in enumerate(runs):
            for what, run in enumerate(functions):
                began = time.process_time()
                run()
                ms = 1000 * (time.process_time() - began)
                samples.setdefault((kind, what), []).append(ms)
    medians = {key: statistics.median(found[2:]) for key, found in samples.items()}  # warmed up
    for kind, name in enumerate(KINDS):
        times = "".join(
            f"{medians[kind, what]:12.2f} {medians[kind, what] / medians[0, what]:5.2f}"
            for what in range(3)
        )
        print(
            f"  {name:5} t {length:<4}{macs[kind] / 1e6:8.1f}M {macs[kind] / macs[0]:5.2f}{times}"
        )


def on_clips(place: Place, kind: ConvKind, length: int) -> nn.Module:
    """A branch that takes clips of features."""
    import torch

    from vidnas.families.evanet import Branch
    from vidnas.families.evanet.network import ParallelBranch
    from vidnas.layers.frames import clip_to_frames

    class OnClips(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            genes = Branch(kind="conv", conv=kind, time=length)
            self.branch = ParallelBranch(genes, place.channels, place.filters, "evanet")

        def forward(self, clip: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.branch(clip_to_frames(clip), int(clip.shape[2]))
            return out

    torch.manual_seed(0)
    return OnClips()


def clips(place: Place, batch: int) -> Tensor:
    """Features as they lie in memory within a network."""
    import torch

    shape = (batch, place.channels, place.frames, place.size_px, place.size_px)
    return torch.rand(shape).contiguous(memory_format=torch.channels_last_3d)


def count_macs(branch: nn.Module, place: Place) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    branch.eval()  # folds iTGM kernels, which does not count
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        branch(clips(place, 1))
    return counter.get_total_flops() // 2


def forward(branch: nn.Module, place: Place) -> Callable[[], object]:
    import torch

    branch, clip = copy.deepcopy(branch).eval(), clips(place, 1)
    return torch.inference_mode()(lambda: branch(clip))


def in_onnxruntime(branch: nn.Module, place: Place) -> Callable[[], object]:
    import onnxruntime
    import torch

    clip, graph = clips(place, 1), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in vidnas.profiling.onnx
        torch.onnx.export(branch.eval(), (clip,), graph, dynamo=False, input_names=["clip"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"clip": clip.numpy()})


def train(branch: nn.Module, place: Place) -> Callable[[], object]:
    branch.train()
    batch = clips(place, BATCH).requires_grad_()  # as in the middle of a network

    def step() -> None:
        branch.zero_grad()
        branch(batch).square().sum().backward()

    return step


if __name__ == "__main__":
    main()
