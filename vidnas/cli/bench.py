"""`vidnas bench`: what networks cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from vidnas.cli.console import JsonOption, messages, print_json, results
from vidnas.core.quantities import format_bytes, format_count

if TYPE_CHECKING:
    from vidnas.core import Cost, LatencyProtocol


def command(
    networks: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Published names, architecture JSON files, model or study folders.",
        ),
    ],
    *,
    runtime: Annotated[
        str, typer.Option(help="What runs the network: onnxruntime, openvino or torch.")
    ] = "onnxruntime",
    device: Annotated[str, typer.Option(help="cpu; or cuda, with --runtime torch.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads on the CPU.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs.")] = 30,
    classes: Annotated[
        int, typer.Option(min=1, help="Number of classes where the network is not trained.")
    ] = 10,
    as_json: JsonOption = False,
) -> None:
    """Count parameters, MACs and memory of networks, and time them clip by clip.

    Example: [cyan]vidnas bench tvn1 runs/lips --threads 2[/]
    """
    from vidnas.deploy.resolving import resolve_network
    from vidnas.profiling import count_cost, measure_latency

    costs: dict[str, Cost] = {}
    for name in networks:
        messages.print(f"Timing {name} ...")
        network = resolve_network(name, classes)
        latency = measure_latency(
            network, runtime=runtime, device=device, threads=threads, repeats=repeats
        )
        counted = count_cost(network.architecture, network.num_classes)
        costs[name] = counted.model_copy(update={"latency": latency})
    if as_json:
        print_json({name: cost.model_dump() for name, cost in costs.items()})
        return
    results.print(_table(costs))
    last = next(reversed(costs.values())).latency
    if last is not None:
        results.print(_sentence(last.protocol))


def _table(costs: dict[str, Cost]) -> Table:
    table = Table("Network")
    for title in ("Parameters", "MACs", "Memory", "p50 ms", "p90 ms", "Spread"):
        table.add_column(title, justify="right")
    for name, cost in costs.items():
        timed = cost.latency
        row = (f"{timed.p50_ms:.2f}", f"{timed.p90_ms:.2f}", f"{timed.spread:.0%}") if timed else ()
        table.add_row(
            name,
            format_count(cost.parameters),
            format_count(cost.macs),
            format_bytes(cost.activation_bytes),
            *row,
        )
    return table


def _sentence(protocol: LatencyProtocol) -> str:
    return (
        f"Wall time of one clip on {protocol.device} in {protocol.runtime}, {protocol.threads} "
        f"thread(s), {protocol.dtype}, batch {protocol.batch}; {protocol.repeats} runs after "
        f"{protocol.warmup} to warm up. Spread is the interquartile range over the median; memory "
        "is the peak of live activations."
    )
