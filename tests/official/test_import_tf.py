"""`vidnas import-tf`: from a checkpoint to a model."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import call, read_json
from golden import TOLERANCE, check_outputs, difference, fill, needs_vectors, recorded, uniform
from written_checkpoints import TENSORFLOW, write_bundle

import vidnas
from vidnas import official
from vidnas.families import Network


@pytest.fixture
def checkpoint(network: Network, arrays: dict[str, np.ndarray], tmp_path: Path) -> Path:
    (tmp_path / "tiny.json").write_text(network.architecture.to_json())
    write_bundle(tmp_path / "model.ckpt-7", arrays | {"unknown/Momentum": np.ones(3, np.float32)})
    return tmp_path / "model.ckpt-7"


def test_a_model_is_made(
    checkpoint: Path, network: Network, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("run\nsit\nstand up\n")
    asked = ("import-tf", checkpoint, "--as", tmp_path / "tiny.json", "--out", tmp_path / "model")
    done = call(*asked, "--class-names", tmp_path / "names.txt", "--multi-label", "--json")
    assert done.returncode == 0, done.stderr
    assert read_json(done) == {
        "model": str(tmp_path / "model"),
        "classes": 3,
        "variables": len(arrays),
        "unused": ["unknown/Momentum"],
    }
    model = vidnas.load_model(tmp_path / "model")
    assert model.classes == ("run", "sit", "stand up")
    assert model.card.multi_label
    official.load_variables(network, arrays)
    clip = torch.rand(model.architecture.inputs[0].shape(2))
    with torch.inference_mode():
        assert torch.equal(model.network(clip), network(clip))
    again = call(*asked)
    assert (again.returncode, again.stdout) == (2, "")
    assert "already holds another model" in again.stderr


def test_clips_are_brought_to_the_levels_of_the_weights(
    checkpoint: Path, network: Network, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    asked = ("import-tf", checkpoint, "--as", tmp_path / "tiny.json", "--out", tmp_path / "model")
    done = call(*asked, "--levels", "-1", "1")
    assert done.returncode == 0, done.stderr
    model = vidnas.load_model(tmp_path / "model")
    official.load_variables(network, arrays)
    clip = torch.rand(model.architecture.inputs[0].shape(2))
    with torch.inference_mode():
        logits = model.network(clip)
        assert torch.allclose(logits, network(2 * clip - 1), rtol=1e-4)
        assert not torch.allclose(logits, network(clip), rtol=1e-2)


def test_what_does_not_fit_is_said(checkpoint: Path, tmp_path: Path) -> None:
    tiny, out = tmp_path / "tiny.json", tmp_path / "model"
    (tmp_path / "names.txt").write_text("run\nsit\n")
    for words, sentence in (
        ((checkpoint, "--as", tiny, "--class-names", tmp_path / "names.txt"), "names 2 classes"),
        ((checkpoint, "--as", "evanet_a"), "lacks 417 of the 417 variables"),
        ((checkpoint, "--as", tiny, "--gene", "image_size=3"), "changes no gene"),
        ((checkpoint, "--as", tiny, "--levels", "1", "-1"), "1 -1 does not ascend"),
        ((checkpoint, "--as", "tvn9"), "neither a published architecture"),
        ((tmp_path / "other", "--as", tiny), "There is no checkpoint"),
    ):
        done = call("import-tf", *words, "--out", out)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert sentence in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    assert not out.exists()


@pytest.mark.parametrize("mark", [pytest.param("tvn_mobile_1", marks=needs_vectors)])
def test_published_logits(mark: str, tmp_path: Path) -> None:
    description, expected = recorded(mark)
    write_bundle(tmp_path / "ckpt", {v["name"]: fill(v) for v in description["variables"]})
    done = call("import-tf", tmp_path, "--as", mark, "--out", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    network = vidnas.load_model(tmp_path / "model").network
    check_outputs(network, description | {"blocks": []}, expected, {})


@pytest.mark.skipif(not TENSORFLOW, reason="needs VIDNAS_TENSORFLOW_PYTHON")
@pytest.mark.parametrize("name", [pytest.param("evanet_rgb1", marks=needs_vectors)])
def test_published_logits_from_tensorflow(name: str, tmp_path: Path) -> None:
    description, expected = recorded(name)
    np.savez(tmp_path / "arrays.npz", **{v["name"]: fill(v) for v in description["variables"]})
    script = Path(__file__).with_name("write_checkpoint.py")
    asked = (tmp_path / "arrays.npz", tmp_path / "model.ckpt", 2, 1)
    subprocess.run([TENSORFLOW, script, *map(str, asked)], check=True, capture_output=True)
    done = call("import-tf", tmp_path, "--as", "evanet_a", "--out", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    clips = torch.from_numpy(uniform(description["input"])).permute(0, 4, 1, 2, 3)
    with torch.inference_mode():
        logits = vidnas.load_model(tmp_path / "model").network(clips[:1]).numpy()
    assert difference(logits, expected["logits"][:1]) < TOLERANCE
