"""What candidates have learned, on disk, for the next rung and for their children."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vidnas.core import UserError
from vidnas.training.checkpoint import learned_weights

_SUFFIX = ".state"


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

    def weights(self, digest: str) -> dict[str, Tensor]:
        """Return what a candidate learned, by name; nothing where none can be used."""
        try:
            return learned_weights(self.file(digest))
        except (OSError, UserError):
            return {}

    def make_room(self, digests: Iterable[str]) -> None:
        """Remove the states that the folder has no room for.

        Args:
            digests: the recorded candidates, the most promising first; states of others, which are
                being trained, stay.
        """
        if self.path.is_symlink():  # nothing there is ours
            return
        left = self.most_bytes
        for digest in digests:
            with suppress(OSError):
                left -= self.file(digest).stat().st_size
                if left < 0:
                    self.file(digest).unlink()
