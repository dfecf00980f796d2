"""`vidnas import-tf`: published weights, from a TensorFlow checkpoint to a model."""

from __future__ import annotations

from vidnas.cli.console import Json, say, show, show_json
from vidnas.core.quantities import format_count
from vidnas.workflows.import_tf import ImportRequest

_SHOWN, _LONGEST_SHOWN = 3, 100


def command(request: ImportRequest, *, json: Json = False) -> None:
    """Make a model of a TensorFlow checkpoint that the original code of a family saved.

    TensorFlow is not needed. Checkpoints of tf.train.Saver are read, of both versions.

    For example:

        vidnas import-tf rgb1/model.ckpt-1000 --as evanet_a --class-names label_map.txt
    """
    from vidnas.workflows.import_tf import run

    result = run(request)
    imported, model = result.imported, result.model
    if json:
        show_json(
            {
                "model": str(result.folder),
                "classes": len(model.classes),
                "variables": imported.variables,
                "unused": list(imported.unused),
            }
        )
        return
    cost = model.card.cost
    parameters = "" if cost is None else f", {format_count(cost.parameters)} parameters"
    show(f"{imported.variables} variables{parameters}, {len(model.classes)} classes")
    if imported.unused:
        shown = ", ".join(name[:_LONGEST_SHOWN] for name in imported.unused[:_SHOWN])
        say(f"Not needed of the checkpoint: {len(imported.unused)}, such as {shown}.")
    show(f"model  {result.folder}")
    say(f"Try it: vidnas predict {result.folder} VIDEO")
