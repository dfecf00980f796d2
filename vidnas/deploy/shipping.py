"""From a finished network to the file of the runtime that it was searched for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vidnas.data.cache import ClipCache
from vidnas.deploy.checks import real_checks
from vidnas.deploy.exporting import ExportPrecision, write_file
from vidnas.deploy.formats import format_of
from vidnas.deploy.model import Model
from vidnas.deploy.shipped_file import ShippedFile
from vidnas.profiling.runtimes import dtype_of, prepare_file

ONNX_FILE = "model.onnx"
RUNTIME_FILES: Mapping[str, str] = {
    "onnxruntime": ONNX_FILE,
    "onnxruntime-int8": "model-int8.onnx",
    "openvino": "model.xml",
    "openvino-bf16": "model.xml",
    "openvino-int8": "model-int8.xml",
}
"""What is to be run in each runtime, beside a model. PyTorch runs the model itself; OpenVINO
computes a float32 file in bfloat16 where it is asked to."""


def ship_file(
    model: Model, folder: Path, runtime: str, cache: ClipCache, *, threads: int
) -> ShippedFile:
    """Write the file of a runtime into the folder of a model, and ask it there on real clips.

    Raises:
        UserError: a library is missing, or the graph does not compute what the network does.
        CannotQuantize: the network cannot be quantised.
    """
    path = folder / RUNTIME_FILES[runtime]
    precision: ExportPrecision = "int8" if dtype_of(runtime) == "int8" else "float32"
    written = write_file(model, path, precision=precision, cache=cache)
    inputs = model.architecture.inputs
    runs = prepare_file(path, inputs, runtime=runtime, threads=threads)
    return ShippedFile(
        name=path.name,
        runtime=runtime,
        size_bytes=written.size_bytes,
        float32_bytes=written.float32_bytes,
        layers=written.layers,
        checks=real_checks(model, cache, runs.predict, folder),
    )


def remove_files(folder: Path) -> None:
    """Remove the files of all runtimes from a folder: they are of a network that is there no
    more."""
    for name in {ONNX_FILE, *RUNTIME_FILES.values()}:
        path = folder / name
        for suffix in (path.suffix, *format_of(path).besides):
            path.with_suffix(suffix).unlink(missing_ok=True)
