"""A model folder of a stranger is refused before it costs memory or time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vidnas.core import UserError, bounds
from vidnas.deploy import load_model, resolve_network
from vidnas.deploy.model import MODEL_FILE
from vidnas.families import find_architecture, list_architectures
from vidnas.profiling import affordable_network

ROOT = Path(__file__).resolve().parents[2]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT)
    from benchmarks import hostile


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    return folder


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """End what would take memory for weights."""

    def allocate(*_: object) -> None:
        raise AssertionError("memory is taken")

    monkeypatch.setattr("vidnas.deploy.model.create_network", allocate)
    monkeypatch.setattr("vidnas.deploy.resolving.create_network", allocate)


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize("name", hostile.MODELS)
def test_hostile_models_are_refused(tmp_path: Path, outside: Path, name: str) -> None:
    hostile.write_model(tmp_path / "model")
    hostile.MODELS[name](tmp_path / "model", outside)
    with pytest.raises(UserError) as caught:
        load_model(tmp_path / "model")
    assert len(str(caught.value)) < 2000
    assert [path.read_text() for path in outside.iterdir()] == ["precious"]


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"filters": 12_000, "expand": 8}, "parameters, more than 1 G, which is refused"),
        ({"repeats": 1_000_000}, "1000001 blocks, modules or members with their repeats"),
        ({"repeats": 900, "squeeze": 0.5, "non_local": 8}, "more than 20000 operations"),
        ({"spatial_kernel": 10**18}, "cannot be built"),
    ],
)
def test_an_architecture_of_a_stranger_is_refused(tmp_path: Path, changes: dict, said: str) -> None:
    genes = json.loads(hostile.TINY)
    genes["blocks"][0] |= changes
    (tmp_path / "net.json").write_text(json.dumps(genes))
    with pytest.raises(UserError, match=said):
        resolve_network(tmp_path / "net.json", 10)


@pytest.mark.usefixtures("no_weights")
def test_weights_of_another_architecture_are_named_before_a_network_is_built(tmp_path) -> None:
    hostile.write_model(tmp_path)
    description = json.loads((tmp_path / MODEL_FILE).read_text())
    description["architecture"]["blocks"][0]["filters"] = 512
    (tmp_path / MODEL_FILE).write_text(json.dumps(description))
    with pytest.raises(UserError, match=r"does not fit .*: \S+ is \(8, .* where \(512, "):
        load_model(tmp_path)


@pytest.mark.parametrize("name", list_architectures())
def test_published_networks_are_affordable(name: str) -> None:
    network = affordable_network(find_architecture(name), 400)
    assert {one.device for one in network.parameters()} == {torch.device("meta")}


def test_a_text_is_bounded_in_size_and_in_what_it_makes(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for text, said in (
        (b" " * (bounds.RECORD.size_bytes + 1), "more than 1048576 bytes"),
        (b"1," * (bounds.RECORD.values + 1), "more than 200000 values"),
        (b"[" * (bounds.RECORD.groups + 1), "more than 50000 lists and objects"),
    ):
        path.write_bytes(text)
        with pytest.raises(UserError, match=said):
            bounds.bounded_bytes(path)
    path.write_bytes(b"[" * bounds.RECORD.groups)
    assert bounds.bounded_bytes(path) == path.read_bytes()
    with pytest.raises(UserError, match="is not a file"):
        bounds.bounded_bytes(tmp_path)
