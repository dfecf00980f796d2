"""What (2+1)D and iTGM branches of EvaNet cost against a 3D branch of the same width.

python -m benchmarks.branches [--repeats 15]

CPU time on one thread of a forward pass for one clip, in torch and in ONNX Runtime, and of a
training step (forward, backward) for a batch. The kinds take turns. A ratio is the time over that
of the 3D branch of the same length; beside it is the ratio that the MACs predict.
"""

from __future__ import annotations

import copy
import io
import statistics
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.results import options, print_environment, print_table
from benchmarks.timing import Run, cpu_ms, in_onnxruntime, in_turns, use_threads

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
    parser = options(__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    use_threads(1)
    print_environment()
    print(f"ms of CPU time on one thread; training batch {BATCH}")
    for place in PLACES:
        print(
            f"\n{place.name}: {place.channels} to {place.filters} channels, "
            f"{place.frames} frames of {place.size_px} px"
        )
        columns = ("branch", "MMACs", "torch ms", "onnx ms", "training ms")
        print_table(
            [columns[0], *(name for column in columns[1:] for name in (column, "ratio"))],
            (row for length in TIMES for row in measure(place, length, repeats)),
        )


def measure(place: Place, length: int, repeats: int) -> list[list[str]]:
    """Return one row per kind of convolution: its costs, each with its ratio to that of 3D."""
    costs: dict[ConvKind, list[float]] = {}
    runs: dict[tuple[ConvKind, int], Run] = {}
    for kind in KINDS:
        branch = on_clips(place, kind, length)
        costs[kind] = [count_macs(branch, place) / 1e6]
        for what, make in enumerate((forward, exported, train)):
            runs[kind, what] = make(branch, place)
    for (kind, _), found in in_turns(runs, repeats, warmup=2, sample=cpu_ms).items():
        costs[kind].append(statistics.median(found))
    return [
        [f"{kind} t {length}"]
        + [
            text
            for own, of_3d in zip(costs[kind], costs[KINDS[0]], strict=True)
            for text in (f"{own:.2f}", f"{own / of_3d:.2f}")
        ]
        for kind in KINDS
    ]


def on_clips(place: Place, kind: ConvKind, length: int) -> nn.Module:
    """Return a branch that takes clips of features."""
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
    """Return features laid out as they are within a network."""
    import torch

    shape = (batch, place.channels, place.frames, place.size_px, place.size_px)
    return torch.rand(shape).contiguous(memory_format=torch.channels_last_3d)


def count_macs(branch: nn.Module, place: Place) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    branch.eval()  # folds iTGM kernels, so that folding is not counted
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        branch(clips(place, 1))
    return counter.get_total_flops() // 2


def forward(branch: nn.Module, place: Place) -> Run:
    import torch

    branch, clip = copy.deepcopy(branch).eval(), clips(place, 1)
    return torch.inference_mode()(lambda: branch(clip))


def exported(branch: nn.Module, place: Place) -> Run:
    import torch

    clip = clips(place, 1)
    graph: Any = io.BytesIO()  # the exporter's hints know only paths
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in vidnas.profiling.onnx
        torch.onnx.export(branch.eval(), (clip,), graph, dynamo=False, input_names=["clip"])
    return in_onnxruntime(graph.getvalue(), {"clip": clip.numpy()}, threads=1)


def train(branch: nn.Module, place: Place) -> Run:
    branch.train()
    batch = clips(place, BATCH).requires_grad_()  # as in the middle of a network

    def step() -> None:
        branch.zero_grad()
        branch(batch).square().sum().backward()

    return step


if __name__ == "__main__":
    main()
