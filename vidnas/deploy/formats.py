"""The formats of exported files: how each is written, and opened again."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.deploy.model import Model
from vidnas.profiling.engines import (
    Clips,
    Predict,
    in_onnxruntime,
    in_openvino,
    openvino,
    openvino_model,
)
from vidnas.profiling.quantizing import quiet

OPENVINO_SECTION = "vidnas"
"""Where the metadata is in the `rt_info` of an OpenVINO model."""


@dataclass(frozen=True)
class Format:
    """One kind of file."""

    suffix: str
    name: str
    graph: Callable[[Model, onnx.ModelProto], Any]
    """What is to be written, given the network and its ONNX graph with metadata."""
    write: Callable[[Any, Mapping[str, str], Path], None]
    """Write a graph and metadata; all files appear whole or not at all."""
    open: Callable[[Path], Predict]
    """Open a file to run it."""
    predict: Callable[[Any], Predict] | None = None
    """Open a graph that is not written yet; None where int8 is not offered."""
    besides: tuple[str, ...] = ()
    """Suffixes of the files that belong to it."""

    def copy(self, origin: Path, path: Path) -> None:
        """Copy a file and what belongs to it; the file that names the others comes last."""
        parts = [(origin.with_suffix(one), path.with_suffix(one)) for one in self.besides]
        for part, place in (*parts, (origin, path)):
            with replacing(place) as temporary:
                shutil.copyfile(part, temporary)

    def size_bytes(self, path: Path) -> int:
        """Return the size of a file and what belongs to it."""
        return sum(
            path.with_suffix(suffix).stat().st_size for suffix in (path.suffix, *self.besides)
        )


def format_of(path: Path) -> Format:
    """Return the format of a file by its suffix.

    Raises:
        UserError: there is none.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        known = ", ".join(f"{one.suffix} ({one.name})" for one in FORMATS.values())
        raise UserError(
            f"{path} has no suffix of a format that models are exported to; end it in one of "
            f"{known}."
        )
    return found


def _write_onnx(graph: onnx.ModelProto, metadata: Mapping[str, str], path: Path) -> None:
    onnx.helper.set_model_props(graph, dict(metadata))
    with replacing(path) as temporary:
        temporary.write_bytes(graph.SerializeToString())


def _openvino_model(_: Model, graph: onnx.ModelProto) -> Any:
    return openvino_model(graph.SerializeToString())


def _write_openvino(model: Any, metadata: Mapping[str, str], path: Path) -> None:
    for key, value in metadata.items():
        model.set_rt_info(value, [OPENVINO_SECTION, key])
    # The weights are in place before the file that names them.
    with (
        replacing(path) as text,
        replacing(path.with_suffix(".bin")) as weights,
        tempfile.TemporaryDirectory() as folder,
    ):
        made = Path(folder) / "model.xml"  # it takes no other suffixes
        openvino().serialize(model, str(made), str(made.with_suffix(".bin")))
        shutil.copyfile(made, text)
        shutil.copyfile(made.with_suffix(".bin"), weights)


def _exported_program(model: Model, _: onnx.ModelProto) -> Any:
    clips = tuple(torch.rand(spec.shape(2)) for spec in model.architecture.inputs)
    batch = torch.export.Dim("N", min=1)
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    for clip in clips:
        shapes[clip] = {0: batch}
    network = model.network.eval()
    with torch.no_grad():
        return torch.export.export(network, clips, dynamic_shapes=shapes)


def _write_program(program: Any, metadata: Mapping[str, str], path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.export.save(program, file, extra_files={"metadata.json": json.dumps(dict(metadata))})


def _open_program(path: Path) -> Predict:
    module = torch.export.load(path).module()

    @torch.inference_mode()
    def predict(clips: Clips) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = module(*map(torch.from_numpy, clips)).numpy()
        return logits

    return predict


def _litert_model(model: Model, _: onnx.ModelProto) -> Any:
    try:
        with quiet():
            import litert_torch
    except ImportError as error:
        raise UserError(
            "LiteRT files need Google's converter; run pip install 'vidnas[litert]'."
        ) from error
    clips = tuple(torch.rand(spec.shape()) for spec in model.architecture.inputs)
    # The converter copies weights that are not contiguous, and then takes two whose copies had the
    # same place in memory for one (https://github.com/google-ai-edge/litert-torch/issues/1061).
    network = copy.deepcopy(model.network).eval()
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.contiguous()
    with quiet():
        return litert_torch.convert(network, clips)


def _write_litert(converted: Any, metadata: Mapping[str, str], path: Path) -> None:
    with replacing(path) as temporary:
        with quiet():
            converted.export(str(temporary))
        # Files that belong to a model are appended to it as an archive, as its makers do.
        with zipfile.ZipFile(temporary, "a") as files:
            files.writestr("vidnas.json", json.dumps(dict(metadata)))


def _open_litert(path: Path) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    takes = sorted(interpreter.get_input_details(), key=lambda one: str(one["name"]))
    gives = interpreter.get_output_details()[0]["index"]

    def predict(clips: Clips) -> NDArray[np.float32]:
        for place, clip in zip(takes, clips, strict=True):
            interpreter.set_tensor(place["index"], clip)
        interpreter.invoke()
        logits: NDArray[np.float32] = interpreter.get_tensor(gives)
        return logits

    return predict


FORMATS: Mapping[str, Format] = {
    one.suffix: one
    for one in (
        Format(
            ".onnx",
            "ONNX",
            graph=lambda _, graph: graph,
            write=_write_onnx,
            open=in_onnxruntime,
            predict=lambda graph: in_onnxruntime(graph.SerializeToString()),
        ),
        Format(
            ".xml",
            "OpenVINO, for one clip at a time, with the weights in a .bin file beside it",
            graph=_openvino_model,
            write=_write_openvino,
            open=in_openvino,
            predict=in_openvino,
            besides=(".bin",),
        ),
        Format(
            ".pt2",
            "torch.export",
            graph=_exported_program,
            write=_write_program,
            open=_open_program,
        ),
        Format(
            ".tflite",
            "LiteRT, for one clip at a time",
            graph=_litert_model,
            write=_write_litert,
            open=_open_litert,
        ),
    )
}
"""By their suffix."""
