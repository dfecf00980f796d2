"""What candidates have learned, on disk, for the next rung and for their children."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vidnas.training.checkpoint import learned_weights
from vidnas.training.errors import UnusableCheckpoint

_SUFFIX, _ASIDE = ".state", ".unusable"


@dataclass(frozen=True)
class StateFolder:
    """One checkpoint per candidate, named by the digest of its architecture.

    A state that is gone or damaged costs time and nothing else: its candidate is trained up again
    when it climbs, and its children start from scratch.
    """

    path: Path
    most_bytes: int = 4 << 30
    """The most that the folder may grow to."""

    def file(self, digest: str) -> Path:
        """Return the file of a candidate's state; it may not exist."""
        return self.path / f"{digest}{_SUFFIX}"

    def weights(self, digest: str, data: str) -> dict[str, Tensor]:
        """Return what a candidate learned, by name; nothing where that is gone, or cannot be used
        and is set aside.

        Args:
            digest: of the candidate.
            data: the fingerprint of the clips; what was learned from others cannot be used.

        Raises:
            UserError: the machine could not read it, so that it may be as good as ever.
        """
        try:
            return learned_weights(self.file(digest), data)
        except UnusableCheckpoint:
            self.set_aside(digest)
            return {}

    def set_aside(self, digest: str) -> None:
        """Take a state that cannot be used out of the way; it stays until the search says so."""
        with suppress(FileNotFoundError):  # the search removes states at any time
            self.file(digest).replace(self.path / f"{digest}{_ASIDE}")

    def aside(self) -> list[str]:
        """Return the digests of the candidates whose states were set aside."""
        return [file.stem for file in self.path.glob(f"*{_ASIDE}")]

    def clear_aside(self) -> int:
        """Remove what was set aside; return how many states that were."""
        if self.path.is_symlink():  # nothing there is ours
            return 0
        found = self.aside()
        for digest in found:
            (self.path / f"{digest}{_ASIDE}").unlink(missing_ok=True)
        return len(found)

    def make_room(self, digests: Iterable[str], began_s: float) -> None:
        """Remove the states that the folder has no room for.

        Args:
            digests: the recorded candidates, the most promising first; nobody is asked for them
                while there is room.
            began_s: when the search was started or resumed, in seconds since the epoch. States of
                others that were written since are of candidates in training, and stay; older ones
                were in training when it was stopped, and go first.
        """
        if self.path.is_symlink():  # nothing there is ours
            return
        states = self._states()
        left = self.most_bytes - sum(state.st_size for state in states.values())
        if left >= 0:
            return
        ranked = dict.fromkeys(name for digest in digests if (name := self.file(digest)) in states)
        stopped = [
            file
            for file, state in states.items()
            if file not in ranked and state.st_mtime < began_s
        ]
        for file in (*stopped, *reversed(ranked)):
            if left >= 0:
                return
            with suppress(OSError):
                file.unlink()
                left += states[file].st_size

    def _states(self) -> dict[Path, os.stat_result]:
        found = {}
        for file in self.path.glob(f"*{_SUFFIX}"):
            with suppress(OSError):
                found[file] = file.stat()
        return found
