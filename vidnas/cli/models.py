"""`vidnas models`: the published architectures."""

from __future__ import annotations

from vidnas.cli.console import Json, show_json, show_table
from vidnas.core.quantities import format_count

_CLASSES = 10


def command(*, json: Json = False) -> None:
    """List the published architectures, with their cost for ten classes.

    For example:

        vidnas models
    """
    from vidnas.families import find_architecture, list_architectures
    from vidnas.profiling import count_cost

    found = {name: find_architecture(name) for name in list_architectures()}
    costs = {name: count_cost(architecture, _CLASSES) for name, architecture in found.items()}
    if json:
        show_json(
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
    show_table(
        "Name",
        "Family",
        "Input",
        figures=("Params", "MACs"),
        rows=[
            (
                name,
                architecture.family,
                ", ".join(map(str, architecture.inputs)),
                format_count(costs[name].parameters),
                format_count(costs[name].macs),
            )
            for name, architecture in found.items()
        ],
    )
