"""`vidnas models`: the published architectures."""

from __future__ import annotations

from rich.table import Table

from vidnas.cli.console import JsonOption, print_json, results
from vidnas.core.figures import format_count

_CLASSES = 10


def command(as_json: JsonOption = False) -> None:
    """List the published architectures, with their cost for ten classes.

    Example: [cyan]vidnas models[/]
    """
    from vidnas.families import find_architecture, list_architectures
    from vidnas.profiling import count_cost

    found = {name: find_architecture(name) for name in list_architectures()}
    costs = {name: count_cost(architecture, _CLASSES) for name, architecture in found.items()}
    if as_json:
        print_json(
            {
                name: {
                    "family": architecture.family,
                    "inputs": [spec.model_dump() for spec in architecture.inputs],
                    "parameters": costs[name].parameters,
                    "macs": costs[name].macs,
                }
                for name, architecture in found.items()
            }
        )
        return
    table = Table("Name", "Family", "Input")
    table.add_column("Parameters", justify="right")
    table.add_column("MACs", justify="right")
    for name, architecture in found.items():
        inputs = ", ".join(map(str, architecture.inputs))
        figures = (format_count(costs[name].parameters), format_count(costs[name].macs))
        table.add_row(name, architecture.family, inputs, *figures)
    results.print(table)
