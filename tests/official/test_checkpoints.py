"""Checkpoints of TensorFlow, read without it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from written_checkpoints import CLASSES, GENOME, TENSORFLOW, write_bundle, write_slices

from vidnas import official
from vidnas.core import UserError
from vidnas.families import Network, create_network, find_architecture, official_variables
from vidnas.families.tinyvideonet import from_official
from vidnas.official.checkpoint import Checkpoint
from vidnas.official.crc32c import crc32c


def others(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What training leaves beside the variables."""
    slots = {f"{name}/Momentum": 0 * array for name, array in arrays.items()}
    return slots | {"global_step": np.array(7, np.int64)}


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"123456789", 0xE3069283), (b"", 0), (b"a", 0xC1D04330), (bytes(32), 0x8A9136AA)],
)
def test_known_checksums(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


def test_checksums_of_any_length() -> None:
    data = np.random.default_rng(0).bytes(300)
    for size in range(300):
        state = 0xFFFFFFFF
        for byte in data[:size]:
            state ^= byte
            for _ in range(8):
                state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
        assert crc32c(data[:size]) == state ^ 0xFFFFFFFF


@pytest.mark.parametrize("write", [write_bundle, write_slices])
def test_a_network_is_what_was_saved(
    write: object, network: Network, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    prefix = tmp_path / "model.ckpt-7"
    write(prefix, arrays | others(arrays))  # type: ignore[operator]
    checkpoint = official.open_checkpoint(prefix)
    assert official.count_classes(network.architecture, checkpoint) == CLASSES
    imported = official.import_network(network.architecture, CLASSES, checkpoint)
    official.load_variables(network, arrays)
    clip = torch.rand(network.architecture.inputs[0].shape(2))
    with torch.inference_mode():
        assert torch.equal(imported.network(clip), network(clip))
    assert imported.variables == len(arrays)
    assert set(imported.unused) == {name for name in others(arrays) if name != "global_step"}


def test_wide_numbers_are_narrowed_and_axes_of_one_may_be_missing(
    network: Network, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    wide = {name: np.squeeze(array).astype(np.float64) for name, array in arrays.items()}
    for number, write in enumerate((write_bundle, write_slices)):
        write(tmp_path / f"{number}", wide)
        checkpoint = official.open_checkpoint(tmp_path / f"{number}")
        imported = official.import_network(network.architecture, CLASSES, checkpoint)
        official.load_variables(network, arrays)
        expected = network.state_dict()
        for name, tensor in imported.network.state_dict().items():
            assert torch.equal(tensor, expected[name])


def test_another_shape_is_named_before_memory_is_taken(
    network: Network, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    name = next(iter(arrays))
    write_bundle(tmp_path / "model", arrays)
    checkpoint = official.open_checkpoint(tmp_path / "model")
    checkpoint.shapes[name] = (1 << 40, 1 << 20)
    with pytest.raises(UserError, match=rf"{name} is \(1099511627776, .* where this architecture"):
        official.import_network(network.architecture, CLASSES, checkpoint)


def test_a_folder_has_a_latest_checkpoint(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_bundle(tmp_path / "model.ckpt-1", {"a": np.ones(2, np.float32)})
    assert official.open_checkpoint(tmp_path).path.name == "model.ckpt-1"
    write_bundle(tmp_path / "model.ckpt-2", {"b": np.ones(2, np.float32)})
    with pytest.raises(UserError, match="holds 2 checkpoints; name one"):
        official.open_checkpoint(tmp_path)
    elsewhere = 'model_checkpoint_path: "/home/somebody/model.ckpt-2"\n'
    (tmp_path / "checkpoint").write_text(elsewhere)
    assert [*official.open_checkpoint(tmp_path).shapes] == ["b"]
    one_file = tmp_path / "model.ckpt-1.data-00000-of-00001"
    assert [*official.open_checkpoint(one_file).shapes] == ["a"]


def test_names_that_the_original_script_changes() -> None:
    architecture = find_architecture("evanet_a")
    with torch.device("meta"):
        slots = official_variables(create_network(architecture, 400))
    shapes = {name.replace("Conv/", "Conv3d/"): slot.shape for name, slot in slots.items()}
    assert shapes["VidIncRes/Logits/Conv3d/biases"] == (400,)
    checkpoint = Checkpoint(Path("model.ckpt"), shapes, lambda names: {})
    assert official.count_classes(architecture, checkpoint) == 400


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", [0, 40, 200, -60, -30, -1])
@pytest.mark.parametrize("file", ["model.index", "model.data-00000-of-00001", "old"])
def test_damage_is_noticed(
    file: str, place: int, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_bundle(tmp_path / "model", arrays)
    write_slices(tmp_path / "old", arrays)
    padding = range(-48, -8)
    if file != "model.data-00000-of-00001" and place in padding:
        pytest.skip("nobody reads what fills the footer")
    _flip(tmp_path / file, place)
    prefix = tmp_path / file.partition(".")[0]
    with pytest.raises(UserError, match="not a whole checkpoint"):
        official.open_checkpoint(prefix).read(set(arrays))


def test_what_is_cut_off_or_missing_is_noticed(
    arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    prefix = tmp_path / "model"
    write_bundle(prefix, arrays)
    data = tmp_path / "model.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(UserError, match="ends before its variables do"):
        official.open_checkpoint(prefix).read(set(arrays))
    data.unlink()
    with pytest.raises(UserError, match="is missing; copy all"):
        official.open_checkpoint(prefix).read(set(arrays))
    with pytest.raises(UserError, match="There is no checkpoint"):
        official.open_checkpoint(tmp_path / "other")
    (tmp_path / "text").write_text("no table")
    with pytest.raises(UserError, match="its end is missing"):
        official.open_checkpoint(tmp_path / "text")
    (tmp_path / "empty").write_text("")
    with pytest.raises(UserError, match="not a whole checkpoint"):
        official.open_checkpoint(tmp_path / "empty")


def test_another_network_is_named(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_bundle(tmp_path / "model", {"conv/kernel": np.ones((3, 3), np.float32)})
    checkpoint = official.open_checkpoint(tmp_path / "model")
    with pytest.raises(UserError, match="lacks 27 of the 27 variables"):
        official.count_classes(from_official(GENOME), checkpoint)
    name = "layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    write_bundle(tmp_path / "objects", {name: np.ones((3, 3), np.float32)})
    with pytest.raises(UserError, match=r"written by tf\.train\.Checkpoint"):
        official.open_checkpoint(tmp_path / "objects")


@pytest.mark.skipif(not TENSORFLOW, reason="needs VIDNAS_TENSORFLOW_PYTHON")
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("version", [1, 2])
def test_checkpoints_of_tensorflow(
    version: int, parts: int, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    saved = arrays | {"scope/Conv/weights": np.ones((70, 3), np.float32)}
    np.savez(tmp_path / "arrays.npz", **saved)
    script = Path(__file__).with_name("write_checkpoint.py")
    asked = (tmp_path / "arrays.npz", tmp_path / "model.ckpt", version, parts)
    subprocess.run([TENSORFLOW, script, *map(str, asked)], check=True, capture_output=True)
    checkpoint = official.open_checkpoint(tmp_path)
    renamed = {name.replace("Conv/", "Conv3d/"): array for name, array in saved.items()}
    assert checkpoint.shapes == {name: array.shape for name, array in renamed.items()}
    for name, array in checkpoint.read(set(renamed)).items():
        assert np.array_equal(array, renamed[name]), name
