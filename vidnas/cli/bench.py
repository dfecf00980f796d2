"""`vidnas bench`: what networks cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import PositiveInt

from vidnas.cli.console import Json, results, say, show, show_json, show_table
from vidnas.cli.live import Display
from vidnas.core.errors import UserError
from vidnas.core.quantities import (
    format_bytes,
    format_count,
    format_ms,
    format_number,
    format_percent,
)
from vidnas.core.text import escaped
from vidnas.workflows.options import Device, LatencyThreads, Request, Runtime, Target

if TYPE_CHECKING:
    from vidnas.core import Cost, Latency, LatencyProtocol
    from vidnas.workflows.bench import BenchRow


class BenchRequest(Request):
    """What `vidnas bench` is asked for."""

    models: Annotated[tuple[str, ...], Parameter(metavar="MODEL")]
    """Published names, architecture JSON files, or folders of models or studies."""
    all: bool = False
    """Measure in all runtimes and precisions, in turns, with the accuracy on test clips."""
    runtime: Runtime = "onnxruntime"
    latency_threads: LatencyThreads = 1
    device: Device = "cpu"
    target: Target = None
    streaming: bool = False
    """The streaming step is timed as well, which takes the newest frame, in ONNX Runtime."""
    repeats: PositiveInt = 30
    """Number of timed runs."""
    classes: PositiveInt = 10
    """Number of classes of networks that are not trained."""
    clips: Path | None = None
    """Labelled clips: those to measure accuracy on, with --all; the study's by default."""
    out: Path | None = None
    """With --all, folder for the table as bench.csv and a plot as bench.html."""


def command(request: BenchRequest, *, json: Json = False) -> None:
    """Count parameters, MACs and memory of networks, and time them clip by clip.

    For example:

        vidnas bench tvn1 study --latency-threads 2
    """
    from vidnas.deploy.resolving import resolve_architecture

    _require_fitting(request)
    for name in request.models:  # before minutes are spent on the first
        resolve_architecture(name)
    if request.all:
        _table(request, json)
    else:
        _costs(request, json)


def _require_fitting(request: BenchRequest) -> None:
    """Reject options that mean nothing beside others."""
    elsewhere = (request.runtime, request.device) != ("onnxruntime", "cpu")
    if request.target is not None and (request.all or request.device != "cpu"):
        raise UserError(
            "--target times networks on the CPU of another machine, in ONNX Runtime; leave --all "
            "and --device out."
        )
    if request.streaming and (request.all or request.target or elsewhere):
        raise UserError(
            "--streaming times a step in ONNX Runtime on the CPU of this machine; leave --all, "
            "--target, --device and --runtime out."
        )
    if request.all and elsewhere:
        raise UserError(
            "--all measures in every runtime on the CPU; leave --runtime and --device out."
        )
    if not request.all and (request.clips or request.out):
        raise UserError("--clips and --out are for the table of all runtimes; add --all.")


def _costs(request: BenchRequest, json: bool) -> None:
    from vidnas.deploy.resolving import resolve_network
    from vidnas.layers.window import CannotStream
    from vidnas.profiling import calibrate, measure_cost
    from vidnas.profiling.cost import with_frame_latency
    from vidnas.profiling.remote import TargetFailure, calibrate_target

    reference = None
    if request.target is not None:
        say(f"Calibrating {request.target} ...")
        reference = calibrate_target(
            request.target, runtime=request.runtime, threads=request.latency_threads
        )
    elif request.device == "cpu":
        reference = calibrate(runtime=request.runtime, threads=request.latency_threads)
    costs: dict[str, Cost] = {}
    for name in request.models:
        say(f"Timing {name} ...")
        network = resolve_network(name, request.classes)
        try:
            costs[name] = measure_cost(
                network,
                runtime=request.runtime,
                device=request.device,
                threads=request.latency_threads,
                repeats=request.repeats,
                reference=reference,
            )
            if request.streaming:
                costs[name] = with_frame_latency(
                    costs[name],
                    network,
                    threads=request.latency_threads,
                    repeats=request.repeats,
                    reference=reference,
                )
        except TargetFailure as error:
            raise UserError(f"{name} cannot be timed {error}; choose a smaller network.") from error
        except CannotStream as error:
            raise UserError(f"{name} has no streaming step: {error}; leave it out.") from error
    for name, cost in costs.items():
        if cost.latency is not None:
            _warn(name, cost.latency.doubt)
            _warn(name, cost.latency.disturbance)
    if json:
        show_json({name: cost.model_dump() for name, cost in costs.items()})
        return
    figures = ("Params", "MACs", "Memory", "p50 ms", "p90 ms", "Spread", "Wall", "Wall p90", "CPU")
    show_table("Network", figures=figures, rows=[_row(*item) for item in costs.items()])
    for name, cost in costs.items():
        if cost.frame_latency is not None:
            frame = cost.frame_latency
            show(f"{name}: a new frame of a stream takes {format_ms(frame.p50_ms)}.")
    last = next(reversed(costs.values())).latency
    if last is not None:
        results.print(escaped(_sentence(last.protocol)))


def _table(request: BenchRequest, json: bool) -> None:
    from vidnas.report.bench import write_plot
    from vidnas.workflows.bench import bench_all, write_csv

    if request.out is not None:
        request.out.mkdir(parents=True, exist_ok=True)
    with Display() as display:
        rows = bench_all(
            request.models,
            display,
            clips=request.clips,
            threads=request.latency_threads,
            repeats=request.repeats,
            num_classes=request.classes,
        )
    if request.out is not None:
        write_csv(rows, request.out / "bench.csv")
        write_plot(rows, request.out / "bench.html")
    timed = {f"{row.network} in {row.runtime}": row.latency for row in rows if row.latency}
    for name, latency in timed.items():
        _warn(name, latency.doubt)
    if timed:
        worst = max(timed, key=lambda name: timed[name].wall_over_cpu)
        _warn(worst, timed[worst].disturbance)
    if json:
        show_json([row.model_dump() for row in rows])
        return
    for name in request.models:
        own = [row for row in rows if row.network == name]
        show((name, "bold"))
        show_table("Runtime", "Status", figures=_FIGURES, rows=map(_table_row, own))
        for row in own:
            if row.status != "ok":
                show(f"{row.runtime}: {row.status}")
    for latency in [*timed.values()][:1]:
        results.print(escaped(_sentence(latency.protocol.model_copy(update=_EACH))))


_FIGURES = ("MB", "Test", "Lost", "p50", "p90 ms", "Wall", "CPU", "Peak")
_EACH = {"runtime": "each runtime", "dtype": "as named"}


def _warn(name: str, remark: str) -> None:
    if remark:
        say((f"{name}: {remark}.", "yellow"))


def _row(name: str, cost: Cost) -> tuple[str, ...]:
    return (
        name,
        format_count(cost.parameters),
        format_count(cost.macs),
        format_bytes(cost.activation_bytes),
        *(_times(cost.latency) if cost.latency else ()),
    )


def _times(timed: Latency) -> tuple[str, ...]:
    return (
        format_number(timed.p50_ms),
        format_number(timed.p90_ms),
        f"{timed.spread:.0%}",
        _ms(timed.wall_p50_ms),
        _ms(timed.wall_p90_ms),
        _ms(timed.cpu_p50_ms),
    )


def _table_row(row: BenchRow) -> tuple[str, ...]:
    timed = row.latency
    return (
        row.runtime,
        "ok" if row.status == "ok" else "failed",
        "-" if row.size_bytes is None else format_number(row.size_bytes / 1e6),
        "-" if row.accuracy is None else format_percent(row.accuracy),
        "-" if row.lost is None else f"{100 * row.lost:.1f}",
        _ms(timed.p50_ms if timed else None),
        _ms(timed.p90_ms if timed else None),
        _ms(timed.wall_p50_ms if timed else None),
        _ms(timed.cpu_p50_ms if timed else None),
        "-" if row.peak_share is None else f"{row.peak_share:.0%}",
    )


def _ms(ms: float | None) -> str:
    return "-" if ms is None else format_number(ms)


def _sentence(protocol: LatencyProtocol) -> str:
    how = "Wall time"
    if protocol.reference is not None:
        clock = "CPU time" if protocol.threads == 1 else "wall time"
        how = f"p50 and p90 are {clock} beside the {protocol.reference}, as on the idle machine:"
    return (
        f"{how} of one clip on {protocol.device} in {protocol.runtime}, {protocol.threads} "
        f"thread(s), {protocol.dtype}, batch {protocol.batch}; {protocol.repeats} runs after "
        f"{protocol.warmup} to warm up. Spread is the interquartile range over the median; memory "
        "is the peak of live activations. Wall and CPU are the medians as the machine was now."
    )
