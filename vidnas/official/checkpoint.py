"""A checkpoint of TensorFlow on the disk, whichever of its two versions it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.core.bounds import bounded_bytes
from vidnas.official.bundle import INDEX_SUFFIX, Bundle
from vidnas.official.slices import Slices
from vidnas.official.table import Damaged

_STATE_FILE = "checkpoint"
_LATEST = re.compile(r'^model_checkpoint_path: "(.*)"', re.MULTILINE)
_PART = re.compile(r"(\.index|\.meta|\.data-\d{5}-of-\d{5})$")
_SHARD = re.compile(r"-[\d?]{5}-of-\d{5}$")
_OBJECTS = "/.ATTRIBUTES/VARIABLE_VALUE"
"""How the names end that `tf.train.Checkpoint` gives: of attributes, not of variables."""


@dataclass(frozen=True)
class Checkpoint:
    """Variables that TensorFlow saved."""

    path: Path
    shapes: dict[str, tuple[int, ...]] = field(repr=False)
    """The shapes of those that may be weights, by name, as they lie there."""
    _read: Callable[[Collection[str]], dict[str, NDArray[np.float32]]] = field(repr=False)

    def read(self, names: Collection[str]) -> dict[str, NDArray[np.float32]]:
        """Return variables by name as float32.

        Raises:
            UserError: a file is damaged or missing.
        """
        with _explained(self.path):
            found = self._read(names)
            for name, array in found.items():
                if not np.isfinite(array).all():
                    raise Damaged(f"{name} is not all there, or not finite")
        return found


def open_checkpoint(path: Path | str) -> Checkpoint:
    """Open a checkpoint that `tf.train.Saver` wrote; TensorFlow is not needed, and nothing is run.

    Args:
        path: its prefix, such as `model.ckpt-1234`, one of its files, or the folder in which it is
            the latest.

    Raises:
        UserError: there is no checkpoint, it is damaged, or `tf.train.Checkpoint` wrote it.
    """
    prefix = _prefix(Path(path))
    with _explained(prefix):
        found = Slices(files) if (files := _slices(prefix)) else Bundle(prefix)
    if any(name.endswith(_OBJECTS) for name in found.shapes):
        raise UserError(
            f"{prefix} was written by tf.train.Checkpoint, which names attributes instead of "
            "variables; save the variables with tf.compat.v1.train.Saver."
        )
    return Checkpoint(prefix, found.shapes, found.read)


def _prefix(path: Path) -> Path:
    """Return what the names of all files of a checkpoint begin with."""
    if path.is_dir():
        return _latest(path)
    return path.with_name(_PART.sub("", path.name))


def _latest(folder: Path) -> Path:
    state = folder / _STATE_FILE
    if state.is_file():
        named = _LATEST.search(bounded_bytes(state).decode(errors="replace"))
        if named:  # where it was trained, the folder had another name
            return folder / Path(named[1]).name
    found = sorted(folder.glob(f"*{INDEX_SUFFIX}"))
    if len(found) != 1:
        raise UserError(
            f"{folder} holds {len(found) or 'no'} checkpoints; name one, such as "
            f"{folder / 'model.ckpt-1234'}."
        )
    return _prefix(found[0])


def _slices(prefix: Path) -> list[Path]:
    """Return the files of a checkpoint of version 1; none if it is of version 2.

    Raises:
        UserError: there is no checkpoint, or not all of it.
    """
    if prefix.with_name(prefix.name + INDEX_SUFFIX).is_file():
        return []
    if prefix.is_file() and not _SHARD.search(prefix.name):
        return [prefix]
    stem = _SHARD.sub("", prefix.name)
    folder = prefix.parent
    shards = [
        one
        for one in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if _SHARD.search(one.name) and _SHARD.sub("", one.name) == stem
    ]
    if not shards:
        raise UserError(
            f"There is no checkpoint {prefix}; give the prefix of one, such as model.ckpt-1234 "
            "where the folder holds model.ckpt-1234.index, or its folder."
        )
    if {one.name.rpartition("-of-")[2] for one in shards} != {f"{len(shards):05}"}:
        raise UserError(f"{prefix} has {len(shards)} of its shards; copy all of them.")
    return shards


@contextmanager
def _explained(prefix: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename} is missing; copy all files of the checkpoint."
        ) from error
    except (Damaged, ValueError) as error:
        raise UserError(
            f"{prefix} is not a whole checkpoint of TensorFlow: {error}; copy it again."
        ) from error
