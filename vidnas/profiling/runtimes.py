"""The runtimes in which a network can be timed and run, by the name that people type."""

from __future__ import annotations

import copy
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vidnas.core import ClipSpec, LatencyProtocol, UserError
from vidnas.core.names import suggest
from vidnas.profiling.engines import (
    Clips,
    Precision,
    Predict,
    in_onnxruntime,
    in_openvino,
    openvino,
    openvino_model,
    require_bfloat16,
)
from vidnas.profiling.onnx import export_onnx, export_step, input_names
from vidnas.profiling.onnx_stream import OnnxStream
from vidnas.profiling.quantizing import CalibrationClips, nncf, quantize
from vidnas.profiling.streaming import StreamingStep


@dataclass(frozen=True)
class Prepared:
    """A network ready to run in a runtime."""

    run: Callable[[], object]
    """Run one clip to the end; on one thread of a CPU it runs in the calling thread."""
    predict: Predict
    runtime: str
    """Name and version."""
    device: str
    """Name with the model of the chip."""
    dtype: str
    """In which its convolutions are computed."""
    size_bytes: Callable[[], int]
    """The size of what is run, as a file."""


@dataclass(frozen=True)
class _Task:
    """What a runtime is asked to prepare."""

    network: nn.Module
    inputs: Sequence[ClipSpec]
    device: str
    threads: int
    calibration: CalibrationClips | None

    @property
    def graph(self) -> bytes:
        return export_onnx(self.network, self.inputs)

    def quantized(self, graph: Any) -> Any:
        """Quantise a graph. How long a run takes does not depend on the clips."""
        names = input_names(self.inputs)
        if self.calibration is None:
            return quantize(graph, names, [_random_clips(self.inputs)], for_time=True)
        return quantize(graph, names, self.calibration)


def prepare(
    network: nn.Module,
    inputs: Sequence[ClipSpec],
    *,
    runtime: str,
    device: str,
    threads: int,
    calibration: CalibrationClips | None = None,
) -> Prepared:
    """Load a network and one random clip into a runtime; the network itself stays as it is.

    Args:
        network: the network.
        inputs: the clips that it takes.
        runtime: one of `RUNTIMES`.
        device: "cpu"; in torch also "cuda" or "cuda:N".
        threads: on the CPU.
        calibration: clips for int8; random ones do where only time matters.

    Raises:
        UserError: the runtime is unknown, not installed or cannot use the device, the device does
            not exist, or the network cannot be quantised.
    """
    require_runtime(runtime)
    if runtime != "torch" and device != "cpu":
        raise UserError(f"Runtime {runtime!r} runs on cpu, not {device!r}; use torch instead.")
    return RUNTIMES[runtime](_Task(network, inputs, device, threads, calibration))


def prepare_step(step: StreamingStep, *, threads: int) -> Prepared:
    """Load a streaming step and random frames into ONNX Runtime; each run is one step."""
    import onnxruntime

    graph = export_step(step)
    stream = OnnxStream(graph, threads)
    generator = np.random.default_rng(0)
    frames = [generator.random(shape, np.float32) for shape in step.takes]
    version = f"onnxruntime {onnxruntime.__version__}"
    return Prepared(
        lambda: stream(frames), stream, version, _cpu_name(), "float32", partial(len, graph)
    )


def prepare_file(path: Path, inputs: Sequence[ClipSpec], *, runtime: str, threads: int) -> Prepared:
    """Load an exported file and one random clip into the runtime that it is for.

    Raises:
        UserError: the runtime is not installed, or runs no files.
    """
    engine, dtype = engine_of(runtime), dtype_of(runtime)
    files = [path]
    if engine == "onnxruntime":
        predict = in_onnxruntime(path, threads)
    elif engine == "openvino":
        predict = in_openvino(path, threads, precision=_precision(dtype))
        files.append(path.with_suffix(".bin"))
    else:
        raise UserError(f"Runtime {runtime!r} runs no exported files; choose another.")
    size = sum(file.stat().st_size for file in files)
    return _prepared(inputs, predict, _version(engine), dtype, lambda: size)


def require_runtime(runtime: str) -> None:
    """Reject a runtime that cannot be used, before anything is done for it.

    Raises:
        UserError: it is unknown or not installed, or computes in what this CPU does not have.
    """
    if runtime not in RUNTIMES:
        raise UserError(f"Runtime {runtime!r} is unknown; {suggest(runtime, RUNTIMES)}")
    if engine_of(runtime) == "openvino":
        openvino()
    if runtime.endswith("-int8"):
        nncf()
    if dtype_of(runtime) == "bfloat16":
        require_bfloat16()


def engine_of(runtime: str) -> str:
    """Return the engine of a runtime: "openvino" for "openvino-int8"."""
    return runtime.partition("-")[0]


def dtype_of(runtime: str) -> str:
    """Return in what the convolutions of a runtime compute: "int8" for "openvino-int8"."""
    precision = runtime.partition("-")[2]
    return {"": "float32", "bf16": "bfloat16"}.get(precision, precision)


def measured_in(protocol: LatencyProtocol, runtime: str, reference: LatencyProtocol) -> bool:
    """Return whether a protocol is of a runtime, in whatever version, on the machine and the
    threads of a reference."""
    asked = (engine_of(runtime), dtype_of(runtime), reference.device, reference.threads)
    known = (protocol.runtime.partition(" ")[0], protocol.dtype, protocol.device, protocol.threads)
    return known == asked


def _random_clips(inputs: Sequence[ClipSpec], seed: int = 0) -> list[NDArray[np.float32]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(spec.shape(), generator=generator).numpy() for spec in inputs]


def _prepare_onnxruntime(task: _Task, *, int8: bool = False) -> Prepared:
    import onnx

    graph = task.graph
    if int8:
        graph = task.quantized(onnx.load_from_string(graph)).SerializeToString()
    predict = in_onnxruntime(graph, task.threads)
    dtype = "int8" if int8 else "float32"
    return _prepared(task.inputs, predict, _version("onnxruntime"), dtype, partial(len, graph))


def _prepare_openvino(task: _Task, *, dtype: str = "float32") -> Prepared:
    model = openvino_model(task.graph)
    if dtype == "int8":
        model = task.quantized(model)
    predict = in_openvino(model, task.threads, precision=_precision(dtype))
    size = partial(_openvino_bytes, model)
    return _prepared(task.inputs, predict, _version("openvino"), dtype, size)


def _precision(dtype: str) -> Precision:
    return "bf16" if dtype == "bfloat16" else "f32"


def _version(engine: str) -> str:
    if engine == "openvino":
        return f"openvino {openvino().__version__.split('-')[0]}"
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


def _openvino_bytes(model: Any) -> int:
    with tempfile.TemporaryDirectory() as folder:
        openvino().serialize(model, f"{folder}/model.xml", f"{folder}/model.bin")
        return sum(file.stat().st_size for file in Path(folder).iterdir())


def _prepared(
    inputs: Sequence[ClipSpec],
    predict: Predict,
    runtime: str,
    dtype: str,
    size_bytes: Callable[[], int],
) -> Prepared:
    clips = _random_clips(inputs)
    return Prepared(lambda: predict(clips), predict, runtime, _cpu_name(), dtype, size_bytes)


def _prepare_torch(task: _Task) -> Prepared:
    place = _torch_device(task.device)
    module = copy.deepcopy(task.network).eval().to(place)
    clips = [torch.from_numpy(clip).to(place) for clip in _random_clips(task.inputs)]
    on_cpu = place.type == "cpu"

    @torch.inference_mode()
    def forward(clips: Sequence[torch.Tensor]) -> torch.Tensor:
        before = torch.get_num_threads()
        torch.set_num_threads(task.threads)
        try:
            logits: torch.Tensor = module(*clips)
            if not on_cpu:
                torch.cuda.synchronize(place)
            return logits
        finally:
            torch.set_num_threads(before)

    def predict(values: Clips) -> NDArray[np.float32]:
        logits: NDArray[np.float32]
        logits = forward([torch.from_numpy(value).to(place) for value in values]).cpu().numpy()
        return logits

    name = _cpu_name() if on_cpu else f"{place} ({torch.cuda.get_device_name(place)})"
    version = f"torch {torch.__version__}"
    size = sum(tensor.nbytes for tensor in module.state_dict().values())
    return Prepared(lambda: forward(clips), predict, version, name, "float32", lambda: size)


def _torch_device(device: str) -> torch.device:
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"Device {device!r} is unknown; choose cpu, cuda or cuda:N.") from error
    if place.type not in ("cpu", "cuda"):
        raise UserError(f"Device {device!r} cannot be timed; choose cpu, cuda or cuda:N.")
    if place.type == "cuda":
        count = torch.cuda.device_count()
        if (place.index or 0) >= count:
            raise UserError(
                f"Device {device!r} does not exist: torch sees {count} CUDA device(s); use another."
            )
    return place


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"cpu ({models[0] if models else platform.processor() or platform.machine()})"


RUNTIMES: dict[str, Callable[[_Task], Prepared]] = {
    "onnxruntime": _prepare_onnxruntime,
    "onnxruntime-int8": partial(_prepare_onnxruntime, int8=True),
    "openvino": _prepare_openvino,
    "openvino-bf16": partial(_prepare_openvino, dtype="bfloat16"),
    "openvino-int8": partial(_prepare_openvino, dtype="int8"),
    "torch": _prepare_torch,
}
"""How to prepare a network for each runtime, by the name that people type."""
