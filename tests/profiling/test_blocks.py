"""Where the milliseconds go."""

from __future__ import annotations

import pytest

from vidnas.families import create_network
from vidnas.profiling.blocks import _blocks, profile_blocks


def test_every_block_of_a_network_is_timed() -> None:
    network = create_network("tvn1", 3, size_px=32, frames=2)
    found = profile_blocks(network)
    names = [block.name for block in found.blocks]
    units = [f"units.{number}" for number in range(len(network.units))]
    assert [name for name in names if name.startswith("units.")] == units
    assert names[-1] == "head"
    assert all(block.ms > 0 and block.operators for block in found.blocks)
    assert found.total_ms == pytest.approx(sum(block.ms for block in found.blocks))
    assert found.runtime.startswith("onnxruntime ")


def test_operators_are_added_up_by_block() -> None:
    """The median of each operator's runs but for the first; what has no block follows another."""

    def event(name: str, operator: str, us: float) -> dict:
        args = {"op_name": operator}
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": us, "args": args}

    runs = [1000.0] * 5 + [100.0, 300.0, 200.0]
    events = [
        one
        for us in runs
        for one in (
            event("reorder", "ReorderInput", 10.0),
            event("/units.0/conv/Conv", "Conv", us),
            event("/units.0/Add", "Add", 20.0),
            event("reorder_2", "ReorderOutput", 30.0),
            event("/head/Gemm", "Gemm", 40.0),
        )
    ]
    first, head = _blocks([*events, {"cat": "Session", "name": "model_run", "dur": 9e9}])
    assert (first.name, head.name) == ("units.0", "head")
    assert first.ms == pytest.approx(0.26) and head.ms == pytest.approx(0.04)
    assert list(first.operators) == ["Conv", "ReorderOutput", "Add", "ReorderInput"]
