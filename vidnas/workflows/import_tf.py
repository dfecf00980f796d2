"""A model of a TensorFlow checkpoint that the original code of a family saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import AfterValidator, Field, FiniteFloat

from vidnas.core import UserError, bounds
from vidnas.core.bounds import bounded_bytes
from vidnas.deploy import Model, ModelCard, resolve_architecture, save_model
from vidnas.official import Imported, count_classes, import_network, open_checkpoint
from vidnas.profiling import affordable_cost
from vidnas.workflows.options import OUTPUT, ArchitectureName, Request
from vidnas.workflows.outputs import require_free
from vidnas.workflows.train import with_genes


def _require_ascending(levels: tuple[float, float]) -> tuple[float, float]:
    low, high = levels
    if low >= high:
        raise ValueError(f"{low:g} {high:g} does not ascend; give the lower level first")
    return levels


def _as_typed(levels: tuple[float, float]) -> str:
    return "{:g} {:g}".format(*levels)


class ImportRequest(Request):
    """What `vidnas import-tf` is asked for."""

    checkpoint: Path
    """Prefix of the checkpoint, such as model.ckpt-1234, one of its files, or its folder."""
    as_: Annotated[ArchitectureName, Field(alias="as")]
    """What was saved: a published name, an architecture JSON file, or the folder of a model."""
    genes: Annotated[tuple[str, ...], Parameter(metavar="NAME=VALUE")] = ()
    """Gene of the architecture in which it differs, such as modality=flow; repeatable."""
    class_names: Annotated[Path | None, Parameter(metavar="FILE")] = None
    """Text file with the name of one class per line, in their order; numbers by default."""
    levels: Annotated[
        tuple[FiniteFloat, FiniteFloat],
        AfterValidator(_require_ascending),
        Parameter(metavar="LOW HIGH", show_default=_as_typed),
    ] = (0.0, 1.0)
    """What black and white were where the weights were trained, such as -1 1; see the page on
    published weights."""
    multi_label: bool = False
    """Take each class for itself, as for Charades, instead of exactly one per video."""
    out: Annotated[Path, OUTPUT] = Path("model")
    """Folder of the model."""


@dataclass(frozen=True)
class ImportResult:
    """What an import came to."""

    folder: Path
    """Of the model; `vidnas.load_model` reads it."""
    model: Model
    imported: Imported


def run(request: ImportRequest) -> ImportResult:
    """Make the model that was requested.

    Raises:
        UserError: the checkpoint, the architecture, the names of classes or the folder cannot be
            used, or they do not fit each other.
    """
    require_free(request.out)
    checkpoint = open_checkpoint(request.checkpoint)
    architecture = with_genes(resolve_architecture(request.as_), request.genes)
    affordable_cost(architecture, num_classes=2)
    count = count_classes(architecture, checkpoint)
    cost = affordable_cost(architecture, count)
    classes = _class_names(request.class_names, count)
    imported = import_network(architecture, count, checkpoint, request.levels)
    card = ModelCard(cost=cost, multi_label=request.multi_label)
    model = Model(imported.network, classes, card)
    save_model(model, request.out)
    return ImportResult(request.out, model, imported)


def _class_names(path: Path | None, count: int) -> tuple[str, ...]:
    if path is None:
        return tuple(str(number) for number in range(count))
    text = bounded_bytes(path, bounds.LISTING).decode("utf-8-sig", errors="replace")
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(names) != count or len(set(names)) != count:
        raise UserError(
            f"{path} names {len(set(names))} classes, and the checkpoint has {count}; write the "
            "name of one class on each line."
        )
    return names
