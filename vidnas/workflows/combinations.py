"""What cannot be asked of one search together, said before any clip is read."""

from __future__ import annotations

from vidnas.core import UserError
from vidnas.evolution.limits import Limits
from vidnas.evolution.strategies.pareto import OBJECTIVES
from vidnas.profiling.runtimes import engine_of
from vidnas.workflows.request import SearchRequest


def require_streaming(request: SearchRequest) -> None:
    """Reject what the latency of a frame cannot be measured with.

    Raises:
        UserError: another runtime or another machine was asked for.
    """
    if request.target is not None or engine_of(request.runtime) != "onnxruntime":
        raise UserError(
            "The limit frame_latency is measured in ONNX Runtime on this machine; leave "
            "--target and --runtime out, or limit latency instead."
        )


def require_reproducible(request: SearchRequest, limits: Limits) -> None:
    """Reject a deterministic search in which timings decide.

    Raises:
        UserError: its limits are of latencies, or it trades them off.
    """
    if not request.deterministic:
        return
    if limits.latency_ms or limits.frame_latency_ms:
        raise UserError(
            "A deterministic search cannot keep a limit on latency, because timings vary; limit "
            "macs or parameters instead."
        )
    if request.strategy == "pareto" and "latency" in (request.objectives or OBJECTIVES):
        raise UserError(
            "A deterministic search cannot trade off latency, because timings vary; give "
            "--objective accuracy --objective macs."
        )
