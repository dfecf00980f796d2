"""The engines in which networks run outside torch: from a graph to a function of clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.profiling.session import session_options

Clips = Sequence[NDArray[np.float32]]
"""A clip `(N, C, T, H, W)` in [0, 1] for each input of a network."""
Predict = Callable[[Clips], NDArray[np.float32]]
"""From clips to logits `(N, classes)`; on one thread it runs in the calling thread."""
Precision = Literal["f32", "bf16"]


def in_onnxruntime(graph: bytes | Path, threads: int | None = None) -> Predict:
    """Open an ONNX graph in ONNX Runtime; on all cores, unless the threads are given."""
    session = onnxruntime_session(graph, threads)
    names = [node.name for node in session.get_inputs()]

    def predict(clips: Clips) -> NDArray[np.float32]:
        logits: NDArray[np.float32]
        logits = session.run(None, dict(zip(names, clips, strict=True)))[0]
        return logits

    return predict


def onnxruntime_session(graph: bytes | Path, threads: int | None = None) -> Any:
    """Open an ONNX graph in ONNX Runtime on the CPU."""
    import onnxruntime

    options = session_options(threads or 0)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def in_openvino(model: Any, threads: int | None = None, *, precision: Precision = "f32") -> Predict:
    """Compile an OpenVINO model, or the file of one, for the CPU, if it is not compiled.

    Raises:
        UserError: OpenVINO is not installed.
    """
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    library = openvino()
    if not isinstance(model, library.CompiledModel):
        model = library.Core().compile_model(model, "CPU", settings)
    request = model.create_infer_request()

    def predict(clips: Clips) -> NDArray[np.float32]:
        request.infer(list(clips), share_inputs=True)
        logits: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
        return logits

    return predict


def openvino_model(graph: bytes) -> Any:
    """Read an ONNX graph into OpenVINO, for one clip at a time: it is several times slower with
    small networks where the batch is open.

    Raises:
        UserError: OpenVINO is not installed.
    """
    model = openvino().Core().read_model(graph)
    shapes = {node: node.get_partial_shape() for node in model.inputs}
    for shape in shapes.values():
        shape[0] = 1
    model.reshape(shapes)
    # A copy leaves behind what is left of the import of loops, at which NNCF stops.
    return model.clone()


def require_bfloat16() -> None:
    """Reject a CPU that has no bfloat16: OpenVINO would compute in float32 there, and not say so.

    Raises:
        UserError: the CPU has none, or OpenVINO is not installed.
    """
    if "BF16" not in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UserError(
            "This CPU does not compute in bfloat16, and OpenVINO would use float32 instead; choose "
            "the runtime openvino or openvino-int8."
        )


def openvino() -> Any:
    """Return the module.

    Raises:
        UserError: it is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise UserError(
            "Runtime 'openvino' is not installed; run pip install 'vidnas[openvino]'."
        ) from error
    return openvino
