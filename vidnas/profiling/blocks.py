"""Where the milliseconds go: the latency of each block, from ONNX Runtime's own profile."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import torch

from vidnas.core.value import Value
from vidnas.families import Network
from vidnas.profiling.onnx import export_onnx, input_names

_KERNEL = "_kernel_time"
_WARMUP, _RUNS = 5, 30


class BlockTime(Value):
    """What one block takes."""

    name: str
    """Its name in the network: "units.0", "head"."""
    ms: float
    operators: dict[str, float]
    """The milliseconds by operator of the graph, the longest first."""


class BlockTimes(Value):
    """The blocks of a network in the order in which they run, and how they were timed."""

    runtime: str
    threads: int
    runs: int
    blocks: tuple[BlockTime, ...]

    @property
    def total_ms(self) -> float:
        """The time of all blocks, which is not the latency: a profile makes short operators up to
        twice as long."""
        return sum(block.ms for block in self.blocks)


def profile_blocks(network: Network, *, threads: int = 1) -> BlockTimes:
    """Run a network on one random clip in ONNX Runtime, and add up its operators by block.

    A block is a module that the network holds itself, or an element of a list that it holds. Of
    each operator the median of thirty runs counts.
    """
    import onnxruntime

    inputs = network.architecture.inputs
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    generator = torch.Generator().manual_seed(0)
    clips = (torch.rand(spec.shape(), generator=generator).numpy() for spec in inputs)
    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(
            export_onnx(network.eval(), inputs), options, providers=["CPUExecutionProvider"]
        )
        feed = dict(zip(input_names(inputs), clips, strict=True))
        for _ in range(_WARMUP + _RUNS):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return BlockTimes(
        runtime=f"onnxruntime {onnxruntime.__version__}",
        threads=threads,
        runs=_RUNS,
        blocks=tuple(_blocks(events)),
    )


def _blocks(events: list[dict[str, Any]]) -> list[BlockTime]:
    """Add up the operators of a profile by block, in the order of its first run."""
    durations_us: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_KERNEL):
            operator = str(event.get("args", {}).get("op_name", "other"))
            durations_us[name.removesuffix(_KERNEL), operator].append(float(event["dur"]))
    found: dict[str, defaultdict[str, float]] = {}
    nodes = [*durations_us.items()]
    named = (_block_of(node) for (node, _), _ in nodes)
    block = next((name for name in named if name), "network")
    for (node, operator), own in nodes:
        # What the runtime added for its own sake belongs to the block that it follows.
        block = _block_of(node) or block
        found.setdefault(block, defaultdict(float))[operator] += median(own[_WARMUP:] or own) / 1000
    return [
        BlockTime(
            name=name,
            ms=sum(operators.values()),
            operators=dict(sorted(operators.items(), key=lambda one: -one[1])),
        )
        for name, operators in found.items()
    ]


def _block_of(node: str) -> str | None:
    """Return the block of a node, which the exporter names after the modules that it lies in:
    "/units.0/spatial/spatial.0/conv/Conv"."""
    parts = [part for part in node.split("/") if part]
    return parts[0] if len(parts) > 1 else None
