"""What a network has learned so far, on disk: enough to train on as if nothing had happened.

Every pass over the clips seeds its generators from the seed and the number of steps before it. Only
within a pass they are stored.
"""

from __future__ import annotations

import errno
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from vidnas.core import UserError
from vidnas.core.faults import is_out_of_memory, machine_fault
from vidnas.core.files import replacing
from vidnas.data.cache import ClipSettings
from vidnas.training.errors import UnusableCheckpoint

# It is gone, or it is damaged and leads to a place before its beginning.
_OF_THE_FILE = (None, errno.ENOENT, errno.EINVAL)
_PARTS = {"identity", "state", "network", "optimizer", "average"}


@dataclass
class TrainingState:
    """How far a network is trained, apart from what it has learned."""

    steps: int = 0
    """Batches that it was trained on, over all runs."""
    run: str = ""
    """How far the run that is under way, or ended last, trains; as JSON."""
    began: int = 0
    """Steps before that run."""
    spent: float = 0.0
    """Share of that run that is done, at most 1."""
    seconds: float = 0.0
    """Time since that run began, over all resumptions."""
    history: list[str] = field(default_factory=list)
    """One `EpochReport` per pass of that run, as JSON."""
    pass_began: int | None = None
    """Steps before the pass that is under way; None where none is."""
    losses: list[float] = field(default_factory=list)
    """Of the steps of that pass."""


_STATE = TypeAdapter(TrainingState)
Learned = Mapping[str, Any]
"""State dicts by part: "network", "optimizer" and "average"; and "generators", within a pass."""


def save_checkpoint(
    path: Path, identity: dict[str, str], state: TrainingState, learned: Learned
) -> None:
    """Replace the checkpoint in one step: a kill leaves the old one or the new one.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # To a file of Python's: torch's own forgets why it could not go on.
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save({"identity": identity, "state": vars(state), **learned}, file)
    except (OSError, RuntimeError) as error:  # torch's writer complains of its place in the file
        cause = error.__context__ if isinstance(error, RuntimeError) else error
        if not isinstance(cause, OSError):
            raise
        raise UserError(
            f"{path} cannot be written ({cause.strerror}); free some space, and run the same "
            "command again."
        ) from error


def load_checkpoint(path: Path, identity: dict[str, str]) -> tuple[TrainingState, Learned]:
    """Return how far a network is trained, and what it has learned.

    Raises:
        UnusableCheckpoint: the file is not a checkpoint, or one of another training run.
    """
    saved = _read(path)
    found = saved.pop("identity")
    differing = [name for name in identity if identity[name] != found.get(name)]
    if differing:
        raise UnusableCheckpoint(
            f"{path} is of a training run that differs in its {' and '.join(differing)}; repeat "
            "that run as it was, or remove the file to start again."
        )
    return saved.pop("state"), saved


@contextmanager
def plain_checkpoint_errors(path: Path) -> Iterator[None]:
    """Say in one sentence that what is in a checkpoint cannot be used, whatever is wrong with it.

    Where memory runs out, nothing is known of the file, and what was raised is raised on.

    Raises:
        UnusableCheckpoint: something is wrong with it.
        UserError: the machine could not read it, so that it may be as good as ever.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise
        number, cause = None, str(error)
        if isinstance(error, OSError):
            number, cause = error.errno, error.strerror or cause
        if number not in _OF_THE_FILE or machine_fault(error):
            raise UserError(
                f"{path} cannot be read ({cause}); mend that, and run the same command again."
            ) from error
        raise UnusableCheckpoint(
            f"{path} is not a checkpoint that can be read; remove it to start again."
        ) from error


def learned_weights(path: Path, data: str) -> dict[str, Tensor]:
    """Return the averaged weights of a checkpoint by name, as the network has them.

    Args:
        path: the checkpoint.
        data: the fingerprint of the clips that they must have been learned from. Who inherits what
            was learned from others may have seen the videos that it is judged on.

    Raises:
        UnusableCheckpoint: the file is not a checkpoint, or one of other clips.
    """
    saved = _read(path)
    if saved["identity"].get("data") != data:
        raise UnusableCheckpoint(
            f"{path} is of a training run on other clips; remove it to start again."
        )
    weights: dict[str, Tensor] = saved["average"]
    return weights


def trained_clips(path: Path) -> ClipSettings:
    """Return what the clips are that the network of a checkpoint was trained on.

    Raises:
        UnusableCheckpoint: the file is not a checkpoint.
    """
    identity = _read(path)["identity"]
    with plain_checkpoint_errors(path):
        return ClipSettings.model_validate_json(identity["clips"])


def _read(path: Path) -> dict[str, Any]:
    with plain_checkpoint_errors(path):
        _require_whole(path)
        # On the CPU first, without executing code; `load_state_dict` moves to the device.
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not all(isinstance(saved[part], dict) for part in _PARTS):
            raise TypeError("other parts")
        if not all(isinstance(one, Tensor) for one in saved["average"].values()):
            raise TypeError("no weights")
        saved["state"] = _STATE.validate_python(vars(TrainingState(**saved["state"])))
    return saved


def _require_whole(path: Path) -> None:
    """Compare all parts with their checksums, which torch does not.

    Raises:
        ValueError: one differs, or is packed, so that it may be far larger than it looks.
    """
    with zipfile.ZipFile(path) as archive:
        packed = any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist())
        if packed or archive.testzip() is not None:
            raise ValueError("damaged")
