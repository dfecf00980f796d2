"""What a model sees stands in its files, and is enough to see the same without vidnas."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import onnxruntime
import pytest

import vidnas
from vidnas.core import UserError
from vidnas.data.cache import ClipSettings
from vidnas.deploy import Model, ModelCard, export_model, predict_video
from vidnas.deploy.contract import Contract
from vidnas.deploy.model import MODEL_FILE
from vidnas.deploy.stream_export import StreamContract
from vidnas.families import create_network

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "docs" / "examples" / "classify_onnx.py"


def changed(model: Model, **genes: object) -> Model:
    """The same weights on other clips."""
    network = create_network(model.architecture.model_copy(update=genes), len(model.classes)).eval()
    network.load_state_dict(model.network.state_dict())
    return replace(model, network=network)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a video of blurred noise that grows brighter."""

    def video(name: str, rate: Fraction, size: tuple[int, int], count: int) -> Path:
        rng = np.random.default_rng(len(name))
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for step in range(count):
                noise = rng.integers(0, 40 + 200 * step // count, (size[1], size[0], 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
            container.mux(stream.encode())
        return path

    return video


def test_model_json_says_what_the_model_sees(model: Model, tmp_path: Path) -> None:
    settings = ClipSettings(size_px=48, rate_fps=12.5)
    card = ModelCard(clips=settings, multi_label=True)
    replace(model, card=card).save(tmp_path)
    contract = json.loads((tmp_path / MODEL_FILE).read_text())["contract"]
    assert contract == {
        "classes": ["left", "right", "päuse"],
        "inputs": [
            {
                "modality": "rgb",
                "frames": 4,
                "frame_stride": 2,
                "size_px": 32,
                "sampling": "dense",
            }
        ],
        "rate_fps": 12.5,
        "stored_px": 48,
        "crop": "centre square",
        "resize": "bilinear, antialiased",
        "colours": "RGB",
        "layout": "NCTHW",
        "values": "float32, level / 255",
        "normalisation": "inside",
        "flow_method": None,
        "clips_per_video": 3,
        "window_frames": 7,
        "hop_frames": 3,
        "activation": "sigmoid",
        "pooling": "max",
    }
    assert Contract.model_validate(contract) == vidnas.load(tmp_path).contract


def test_a_clip_that_is_spread_over_the_video_has_the_window_of_its_training(model: Model) -> None:
    spread = changed(model, sampling="uniform")
    assert (spread.contract.window_frames, spread.contract.hop_frames) == (None, None)
    known = replace(spread, card=ModelCard(typical_frames=75)).contract
    assert (known.window_frames, known.hop_frames) == (75, 37)


@pytest.mark.parametrize(("key", "value"), [("rate_fps", 50), ("classes", ["a", "b", "c"])])
def test_a_contract_that_was_changed_is_rejected(
    model: Model, tmp_path: Path, key: str, value: object
) -> None:
    model.save(tmp_path)
    description = json.loads((tmp_path / MODEL_FILE).read_text())
    description["contract"][key] = value
    (tmp_path / MODEL_FILE).write_text(json.dumps(description))
    with pytest.raises(UserError, match=rf"says {key} .* in its contract"):
        vidnas.load(tmp_path)


def test_models_without_a_contract_are_read(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    description = json.loads((tmp_path / MODEL_FILE).read_text())
    del description["contract"]
    (tmp_path / MODEL_FILE).write_text(json.dumps(description))
    assert vidnas.load(tmp_path).contract == model.contract


def test_exported_files_hold_it(model: Model, tmp_path: Path) -> None:
    export_model(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert {**model.contract.metadata, "architecture": metadata["architecture"]} == metadata
    assert (metadata["colours"], metadata["stored_px"], metadata["rate_fps"]) == (
        "RGB",
        "32",
        "null",
    )


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    documented = [*Contract.model_fields, *StreamContract.model_fields]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == documented


@pytest.mark.parametrize("name", ["model.tflite", "model", "model.onnx.bin"])
def test_an_onnx_file_has_the_name_of_one(model: Model, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"no name of an ONNX file.*\.onnx"):
        export_model(model, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_script_needs_no_vidnas() -> None:
    imports = re.findall(r"^(?:import|from) (\w+)", SCRIPT.read_text(), re.MULTILINE)
    assert imports == ["json", "sys", "av", "numpy", "onnxruntime"]


@pytest.mark.parametrize(
    ("genes", "card"),
    [
        ({}, ModelCard()),
        ({}, ModelCard(clips=ClipSettings(size_px=56, rate_fps=12.5))),
        ({}, ModelCard(clips=ClipSettings(size_px=24, rate_fps=30), multi_label=True)),
        ({"sampling": "uniform"}, ModelCard(clips=ClipSettings(size_px=64, rate_fps=25))),
        ({}, ModelCard(clips=ClipSettings(size_px=48), clips_per_video=2, squares=3)),
    ],
)
def test_the_file_alone_predicts_as_vidnas_does(
    model: Model,
    tmp_path: Path,
    write: Callable[..., Path],
    genes: dict[str, object],
    card: ModelCard,
) -> None:
    own = replace(changed(model, **genes), card=card)
    export_model(own, tmp_path / "model.onnx")
    videos = [
        write("wide.mp4", Fraction(25), (96, 64), 30),
        write("high.mkv", Fraction(30000, 1001), (72, 90), 41),
        write("short.avi", Fraction(10), (64, 64), 3),
    ]
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "model.onnx", *videos],
        capture_output=True,
        text=True,
        check=True,
    )
    for line, video in zip(done.stdout.splitlines(), videos, strict=True):
        found = json.loads(line)[str(video)]
        assert found == pytest.approx(dict(predict_video(own, video)), abs=3e-3)
