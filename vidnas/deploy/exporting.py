"""A model as a file of any format, in float32 or int8, checked where it can be on real clips."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import onnx

from vidnas.core import UserError
from vidnas.core.names import listed
from vidnas.data.cache import ClipCache
from vidnas.deploy.checks import MOST_GUARDING, Answers, TrainingClips, real_checks
from vidnas.deploy.export import ExportCheck, check_answers, export_model
from vidnas.deploy.formats import FORMATS, Format, format_of
from vidnas.deploy.model import Model
from vidnas.deploy.real_check import RealCheck
from vidnas.profiling.int8_layers import Int8Layers, int8_layers
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
    float32_bytes: int
    """Of the same network as ONNX in float32."""
    check: ExportCheck
    """On random clips: of the file in float32, of the graph before it was quantised in int8."""
    layers: Int8Layers | None
    """None in float32."""
    checks: tuple[RealCheck, ...] = ()
    """Of the file, on validation and test clips, as far as there are any."""

    @property
    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "path": str(self.path),
            "format": self.format.name,
            "precision": self.precision,
            "size_bytes": self.size_bytes,
            "float32_bytes": self.float32_bytes,
            **asdict(self.check),
            "layers": self.layers and self.layers.model_dump(),
            "checks": [check.model_dump() for check in self.checks],
        }


def export_file(
    model: Model,
    path: Path | str,
    *,
    precision: ExportPrecision = "float32",
    cache: ClipCache | None = None,
) -> Exported:
    """Write a model in the format that the suffix names, and ask the file on real clips.

    The arguments and errors are those of `write_file`; the clips of the validation and the test
    split check the file.
    """
    written = write_file(model, path, precision=precision, cache=cache)
    if cache is None:
        return written
    predict = written.format.open(written.path)
    return replace(written, checks=real_checks(model, cache, predict))


def write_file(
    model: Model,
    path: Path | str,
    *,
    precision: ExportPrecision = "float32",
    cache: ClipCache | None = None,
) -> Exported:
    """Write a model in the format that the suffix names, without asking the file.

    Args:
        model: the model.
        path: the file.
        precision: "int8" quantises to what the training clips need; layers that cost more than one
            point of the model's metric on validation clips together stay in float32.
        cache: clips with a training split, for int8, and a validation split, to guard its accuracy.

    Raises:
        UserError: the suffix is of no format, the format knows no int8, there are no clips for it,
            the folder does not exist, a library is missing, or the graph does not compute what the
            network does; nothing is written then.
        CannotQuantize: the network cannot be quantised.
    """
    path = Path(path)
    fmt = format_of(path)
    _require_possible(path, fmt, precision, cache)
    with tempfile.TemporaryDirectory() as folder:
        portable = Path(folder) / "model.onnx"
        check, float32_bytes = export_model(model, portable), portable.stat().st_size
        proto = onnx.load(portable)
        metadata = {entry.key: entry.value for entry in proto.metadata_props}
        graph, layers = fmt.graph(model, proto), None
        if precision == "int8" and cache is not None:
            metadata["precision"] = precision
            graph = _quantized(model, graph, fmt, cache)
            layers = int8_layers(graph)
        made = Path(folder) / f"made{fmt.suffix}"
        fmt.write(graph, metadata, made)
        if precision == "float32":
            check = check_answers(model, fmt.open(made), (1,), path)
        fmt.copy(made, path)
    return Exported(path, fmt, precision, fmt.size_bytes(path), float32_bytes, check, layers)


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
        answers = Answers.of(model, cache, "val", clips_per_video=1, most=MOST_GUARDING)
        guard = Guard(
            len(answers.logits), answers.clip, answers.rightness, answers.headline, fmt.predict
        )
    names = input_names(model.architecture.inputs)
    return quantize(graph, names, TrainingClips(model, cache), guard)
