"""`vidnas bench`: what networks cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import PositiveInt

from vidnas.cli.console import Json, results, say, show_json, show_table
from vidnas.core.quantities import format_bytes, format_count, format_number
from vidnas.core.text import escaped
from vidnas.workflows.options import Device, LatencyThreads, Request, Runtime

if TYPE_CHECKING:
    from vidnas.core import Cost, LatencyProtocol


class BenchRequest(Request):
    """What `vidnas bench` is asked for."""

    models: Annotated[tuple[str, ...], Parameter(metavar="MODEL")]
    """Published names, architecture JSON files, or folders of models or studies."""
    runtime: Runtime = "onnxruntime"
    latency_threads: LatencyThreads = 1
    device: Device = "cpu"
    repeats: PositiveInt = 30
    """Number of timed runs."""
    classes: PositiveInt = 10
    """Number of classes of networks that are not trained."""


def command(request: BenchRequest, *, json: Json = False) -> None:
    """Count parameters, MACs and memory of networks, and time them clip by clip.

    For example:

        vidnas bench tvn1 study --latency-threads 2
    """
    from vidnas.deploy.resolving import resolve_network
    from vidnas.profiling import measure_cost

    costs: dict[str, Cost] = {}
    for name in request.models:
        say(f"Timing {name} ...")
        network = resolve_network(name, request.classes)
        costs[name] = measure_cost(
            network,
            runtime=request.runtime,
            device=request.device,
            threads=request.latency_threads,
            repeats=request.repeats,
        )
    if json:
        show_json({name: cost.model_dump() for name, cost in costs.items()})
        return
    figures = ("Params", "MACs", "Memory", "p50 ms", "p90 ms", "Spread")
    show_table("Network", figures=figures, rows=[_row(*item) for item in costs.items()])
    last = next(reversed(costs.values())).latency
    if last is not None:
        results.print(escaped(_sentence(last.protocol)))


def _row(name: str, cost: Cost) -> tuple[str, ...]:
    timed = cost.latency
    times = (format_number(timed.p50_ms), format_number(timed.p90_ms)) if timed else ()
    return (
        name,
        format_count(cost.parameters),
        format_count(cost.macs),
        format_bytes(cost.activation_bytes),
        *times,
        *([f"{timed.spread:.0%}"] if timed else []),
    )


def _sentence(protocol: LatencyProtocol) -> str:
    return (
        f"Wall time of one clip on {protocol.device} in {protocol.runtime}, {protocol.threads} "
        f"thread(s), {protocol.dtype}, batch {protocol.batch}; {protocol.repeats} runs after "
        f"{protocol.warmup} to warm up. Spread is the interquartile range over the median; memory "
        "is the peak of live activations."
    )
