"""A trained network as a folder: `model.json` for people and programs, weights as safetensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, JsonValue, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vidnas.core import Cost, UserError
from vidnas.core.files import replacing
from vidnas.core.value import Value
from vidnas.core.version import VERSION
from vidnas.families import Architecture, Network, architecture_from_json, create_network
from vidnas.training.metrics import Metrics

MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"


class ModelCard(Value):
    """Where a model comes from and what it was seen to do."""

    validation: Metrics | None = None
    """On the split that chose the model."""
    test: Metrics | None = None
    """On the split that nothing was chosen by."""
    cost: Cost | None = None
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """How it was trained."""
    data: str = ""
    """Fingerprint of the clips it was trained on."""
    versions: dict[str, str] = Field(
        default_factory=lambda: {"vidnas": VERSION, "torch": torch.__version__}
    )


@dataclass(frozen=True)
class Model:
    """A network with the names of its classes."""

    network: Network
    classes: tuple[str, ...]
    card: ModelCard

    @property
    def architecture(self) -> Architecture:
        """What the network was built from."""
        return self.network.architecture


class _Description(Value):
    """What `model.json` holds."""

    format: Literal[1] = 1
    architecture: dict[str, JsonValue]
    classes: tuple[str, ...] = Field(min_length=1)
    card: ModelCard


def save_model(model: Model, folder: Path) -> None:
    """Write the model into the folder, replacing one that is there."""
    description = _Description(
        architecture=json.loads(model.architecture.to_json()),
        classes=model.classes,
        card=model.card,
    )
    state = {name: t.detach().cpu().contiguous() for name, t in model.network.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    # Both are complete before either replaces what is there.
    with replacing(folder / WEIGHTS_FILE) as weights, replacing(folder / MODEL_FILE) as text:
        save_file(state, weights)
        text.write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_model(path: Path) -> Model:
    """Read a model folder, or the best model of a study folder, in evaluation mode on the CPU.

    Nothing in the folder is executed.

    Raises:
        UserError: the folder is missing or not a model, or its files are damaged or do not fit
            each other.
    """
    folder = _model_folder(path)
    description = _read_description(folder / MODEL_FILE)
    network = create_network(_architecture(folder, description), len(description.classes))
    _load_weights(network, folder / WEIGHTS_FILE)
    return Model(network.eval(), description.classes, description.card)


def load_architecture(path: Path) -> Architecture:
    """Read only the architecture of a model folder or a study folder.

    Raises:
        UserError: the folder is missing or not a model, or its description is damaged.
    """
    folder = _model_folder(path)
    return _architecture(folder, _read_description(folder / MODEL_FILE))


def _model_folder(path: Path) -> Path:
    for folder in (path, path / "best"):
        if (folder / MODEL_FILE).is_file():
            return folder
    if not path.exists():
        raise UserError(f"{path} does not exist; give the folder of a model or of a study.")
    if not path.is_dir():
        raise UserError(f"{path} is a file, not a model; give the folder of a model or of a study.")
    raise UserError(
        f"{path} holds no model: there is neither {MODEL_FILE} nor best/{MODEL_FILE}; give a "
        "folder that vidnas train or a finished vidnas search wrote."
    )


def _read_description(path: Path) -> _Description:
    try:
        return _Description.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise UserError(
            f"{path} is damaged or of another version ({where or 'JSON'}: {problem['msg']}); save "
            "the model again."
        ) from error


def _architecture(folder: Path, description: _Description) -> Architecture:
    try:
        return architecture_from_json(json.dumps(description.architecture))
    except UserError as error:
        raise UserError(f"{folder / MODEL_FILE}: {error}") from error


def _load_weights(network: Network, path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path} is missing; copy the whole folder of the model.")
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} is damaged or no safetensors file: {error}.") from error
    expected = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in state.items()}
    if found != expected:
        name = next(n for n in expected | found if expected.get(n) != found.get(n))
        raise UserError(
            f"{path} does not fit the architecture and classes of {MODEL_FILE}: {name} is "
            f"{found.get(name, 'missing')} where {expected.get(name, 'nothing')} is expected; "
            "use the two files that were saved together."
        )
    network.load_state_dict(state)
