"""A trained network as a folder: `model.json` for programs, `README.md` for people, weights as
safetensors, and the list of the videos that it has seen."""

from __future__ import annotations

import json
import reprlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from vidnas.core import UserError, bounds
from vidnas.core.bounds import bounded_bytes
from vidnas.core.files import replacing
from vidnas.core.value import Value
from vidnas.deploy.card import ModelCard
from vidnas.deploy.contract import Contract
from vidnas.deploy.readme import readme_of, write_readme
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.families import Architecture, Network, architecture_from_json, create_network
from vidnas.profiling import affordable_network

MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
SEEN_FILE = "training-videos.txt"


@dataclass(frozen=True, repr=False)
class Model:
    """A network with the names of its classes."""

    network: Network
    classes: tuple[str, ...]
    card: ModelCard
    seen: SeenVideos | None = None
    """The videos that it learned from; None where nobody wrote them down."""

    @property
    def architecture(self) -> Architecture:
        """The architecture that the network was built from."""
        return self.network.architecture

    @property
    def contract(self) -> Contract:
        """How it is to be shown videos."""
        return Contract.of(self.architecture.inputs, self.classes, self.card)

    @property
    def readme(self) -> str:
        """Its card for people, as it is written beside it."""
        return readme_of(self.architecture, self.contract, self.card, self.seen)

    def save(self, folder: Path | str) -> None:
        """Write it into a folder; see `save_model`.

        Raises:
            UserError: the weights cannot be written.
        """
        save_model(self, folder)

    def __repr__(self) -> str:
        test, said = self.card.test, ""
        if test is not None:
            said = f", test {test.headline_name} {test.headline_share:.1%}"
        return f"Model({self.architecture.family}, {len(self.classes)} classes{said})"


class _Description(Value):
    """The content of `model.json`."""

    format: Literal[2] = 2
    architecture: dict[str, JsonValue]
    classes: tuple[str, ...] = Field(min_length=1)
    contract: dict[str, JsonValue] = Field(default_factory=dict)
    """For other programs; it follows from the rest. Earlier versions wrote none."""
    card: ModelCard


def save_model(model: Model, folder: Path | str) -> None:
    """Write the model into the folder, replacing one that is there.

    The card there names an exported file only if that is there, too.

    Raises:
        UserError: the weights cannot be written.
    """
    folder = Path(folder)
    shipped = model.card.shipped
    if shipped is not None and not (folder / shipped.name).is_file():
        model = replace(model, card=model.card.model_copy(update={"shipped": None}))
    description = _Description(
        architecture=json.loads(model.architecture.to_json()),
        classes=model.classes,
        contract=model.contract.model_dump(mode="json"),
        card=model.card,
    )
    state = {name: t.detach().cpu().contiguous() for name, t in model.network.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    if model.seen is None:
        (folder / SEEN_FILE).unlink(missing_ok=True)  # of a model that was there
    else:
        model.seen.write(folder / SEEN_FILE)
    # Both are complete before either replaces what is there.
    with replacing(folder / WEIGHTS_FILE) as weights, replacing(folder / MODEL_FILE) as text:
        try:
            save_file(state, weights)
        except SafetensorError as error:  # names the error of the system
            raise UserError(
                f"{folder / WEIGHTS_FILE} cannot be written ({error}); free some space, and run "
                "the same command again."
            ) from error
        text.write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")
    write_readme(folder, model.readme)


def load_model(path: Path | str) -> Model:
    """Read a model folder, or the best model of a study folder, in evaluation mode on the CPU.

    Nothing in the folder is executed, and no memory is taken for a network before its weights are
    known to fit.

    Raises:
        UserError: the folder is missing or not a model, its files are damaged or do not fit each
            other, or the network costs more than any ordinary one.
    """
    folder = _model_folder(Path(path))
    description = _read_description(folder / MODEL_FILE)
    architecture, weights = _architecture(folder, description), folder / WEIGHTS_FILE
    try:
        planned = affordable_network(architecture, len(description.classes))
    except UserError as error:
        raise UserError(f"{folder / MODEL_FILE}: {error}") from error
    _require_fitting(planned, weights)
    _require_contract(folder, description, architecture)
    network = create_network(architecture, len(description.classes))
    network.load_state_dict(load_file(weights))
    seen = SeenVideos.read(folder / SEEN_FILE) if (folder / SEEN_FILE).is_file() else None
    return Model(network.eval(), description.classes, description.card, seen)


def load_card(path: Path | str) -> ModelCard:
    """Read only the card of a model folder or a study folder.

    Raises:
        UserError: the folder is missing or not a model, or its description is damaged.
    """
    return _read_description(_model_folder(Path(path)) / MODEL_FILE).card


def load_architecture(path: Path | str) -> Architecture:
    """Read only the architecture of a model folder or a study folder.

    Raises:
        UserError: the folder is missing or not a model, or its description is damaged.
    """
    folder = _model_folder(Path(path))
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
        # Not by pydantic's reader of JSON, which takes twice the memory for a large matrix.
        return _Description.model_validate(json.loads(bounded_bytes(path, bounds.CARD)))
    except (ValueError, RecursionError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            problem = error.errors()[0]
            reason = f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        raise UserError(
            f"{path} is damaged or from another version ({reason}); save the model again."
        ) from error


def _architecture(folder: Path, description: _Description) -> Architecture:
    try:
        return architecture_from_json(json.dumps(description.architecture))
    except UserError as error:
        raise UserError(f"{folder / MODEL_FILE}: {error}") from error


def _require_contract(folder: Path, description: _Description, architecture: Architecture) -> None:
    """Compare the contract that is written down with the one that follows from the rest.

    Raises:
        UserError: they differ: whoever changed it would believe that it counts.
    """
    contract = Contract.of(architecture.inputs, description.classes, description.card)
    expected, shown = contract.model_dump(mode="json"), reprlib.repr
    for name, written in description.contract.items():
        if name in expected and written != expected[name]:
            raise UserError(
                f"{folder / MODEL_FILE} says {name} {shown(written)} in its contract, and the "
                f"model was trained with {shown(expected[name])}; copy the file again."
            )


def _require_fitting(network: Network, path: Path) -> None:
    """Compare the shapes that a network has with those that a file of weights names.

    Raises:
        UserError: they differ, or the file is missing or damaged.
    """
    expected = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    found = _shapes(path)
    if found != expected:
        name = next(n for n in expected | found if expected.get(n) != found.get(n))
        raise UserError(
            f"{path} does not fit the architecture and classes of {MODEL_FILE}: {name} is "
            f"{found.get(name, 'missing')} where {expected.get(name, 'nothing')} is expected; "
            "use the two files that were saved together."
        )


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes that the header of a file of weights names, each backed by the file."""
    if not path.is_file():
        raise UserError(f"{path} is missing; copy the whole folder of the model.")
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
        if header_bytes > bounds.WEIGHTS_HEADER_BYTES:
            raise SafetensorError(f"a header of {header_bytes} bytes")
        with safe_open(path, framework="pt") as weights:
            names = weights.keys()
            return {name: tuple(weights.get_slice(name).get_shape()) for name in names}
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged or not a safetensors file ({error}); copy it again."
        ) from error
