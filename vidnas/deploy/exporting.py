"""A model as a file of any format, in float32 or int8, checked where it can be on real clips."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import onnx

from vidnas.core import UserError
from vidnas.core.names import listed
from vidnas.data.cache import ClipCache
from vidnas.deploy.checks import Answers, RealCheck, calibration_clips
from vidnas.deploy.export import ExportCheck, export_model
from vidnas.deploy.formats import FORMATS, Format, format_of
from vidnas.deploy.model import Model
from vidnas.profiling.onnx import input_names
from vidnas.profiling.quantizing import Guard, quantize

ExportPrecision = Literal["float32", "int8"]


@dataclass(frozen=True)
class Exported:
    """A file that a model was exported to."""

    path: Path
    format: Format
    precision: ExportPrecision
    size_bytes: int
    """Of the file and what belongs to it."""
    check: ExportCheck
    """Of the float32 graph, on random clips."""
    real: RealCheck | None
    """Of the file, on validation clips; None where none were given."""

    @property
    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "path": str(self.path),
            "format": self.format.name,
            "precision": self.precision,
            "size_bytes": self.size_bytes,
            **asdict(self.check),
            "real": self.real and self.real.model_dump(),
        }


def export_file(
    model: Model,
    path: Path | str,
    *,
    precision: ExportPrecision = "float32",
    cache: ClipCache | None = None,
) -> Exported:
    """Write a model in the format that the suffix names, and ask the file on real clips.

    Args:
        model: the model.
        path: the file.
        precision: "int8" quantises to what the training clips need; layers that cost more than one
            point of the validation accuracy together stay in float32.
        cache: clips with a training split, for int8, and a validation split, to check the file.

    Raises:
        UserError: the suffix is of no format, the format knows no int8, there are no clips for it,
            the folder does not exist, a library is missing, or the graph does not compute what the
            network does.
    """
    path = Path(path)
    fmt = format_of(path)
    _require_possible(path, fmt, precision, cache)
    with tempfile.TemporaryDirectory() as folder:
        check = export_model(model, Path(folder) / "model.onnx")
        proto = onnx.load(Path(folder) / "model.onnx")
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    graph = fmt.graph(model, proto)
    answers = None if cache is None else Answers.of(model, cache, "val")
    if precision == "int8" and cache is not None:
        metadata["precision"] = precision
        graph = _quantized(model, graph, fmt, cache)
    fmt.write(graph, metadata, path)
    real = answers.compare(fmt.open(path)) if answers else None
    return Exported(path, fmt, precision, fmt.size_bytes(path), check, real)


def _require_possible(
    path: Path, fmt: Format, precision: ExportPrecision, cache: ClipCache | None
) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"{path} cannot be written; name a file in a folder that exists.")
    if precision == "int8" and fmt.predict is None:
        able = listed([one.suffix for one in FORMATS.values() if one.predict])
        raise UserError(f"{path} cannot hold int8; end it in one of {able}, or use float32.")
    if precision == "int8" and (cache is None or not len(cache.videos("train"))):
        raise UserError(
            "int8 is calibrated on training clips, and there are none; name those that the model "
            "was trained on with --clips."
        )


def _quantized(model: Model, graph: object, fmt: Format, cache: ClipCache) -> object:
    guard = None
    if len(cache.videos("val")) and fmt.predict:
        answers = Answers.of(model, cache, "val", clips_per_video=1)
        guard = Guard(answers.clips, answers.rightness, fmt.predict)
    names = input_names(model.architecture.inputs)
    return quantize(graph, names, calibration_clips(model, cache), guard)
