"""Architectures by what people have at hand: a name, a file, a folder."""

from __future__ import annotations

from pathlib import Path

from vidnas.core import UserError
from vidnas.core.bounds import bounded_bytes
from vidnas.core.names import suggest
from vidnas.deploy.model import load_architecture, load_model
from vidnas.families import (
    Architecture,
    Network,
    architecture_from_json,
    create_network,
    find_architecture,
    list_architectures,
)
from vidnas.profiling import affordable_network


def resolve_architecture(text: str | Path) -> Architecture:
    """Find an architecture by a published name, a JSON file, or the folder of a model or study.

    Raises:
        UserError: it is none of these.
    """
    path, name = Path(text), str(text)
    if name in list_architectures():
        return find_architecture(name)
    if path.is_dir():
        return load_architecture(path)
    if path.is_file():
        try:
            return architecture_from_json(bounded_bytes(path).decode())
        except (UserError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: {error}") from error
    raise UserError(
        f"{name!r} is neither a published architecture nor a file or folder that exists; "
        f"{suggest(name, list_architectures())}"
    )


def resolve_network(text: str | Path, num_classes: int) -> Network:
    """Build the architecture that `resolve_architecture` finds; a folder's network comes trained.

    Raises:
        UserError: it is none of these, or costs more than any ordinary network.
    """
    if is_folder(text):
        return load_model(text).network
    architecture = resolve_architecture(text)
    affordable_network(architecture, num_classes)
    return create_network(architecture, num_classes)


def resolve_connection_weights(text: str | Path) -> dict[str, float]:
    """Return what the connections of a folder's network learned; nothing for what is not trained.

    Raises:
        UserError: the folder is not a model, or damaged.
    """
    return load_model(text).network.connection_weights() if is_folder(text) else {}


def is_folder(text: str | Path) -> bool:
    """Return whether a text names a folder, of a model or a study."""
    return str(text) not in list_architectures() and Path(text).is_dir()
