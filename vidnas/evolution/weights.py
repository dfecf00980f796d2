"""The weights of candidates, on disk, for their children to start from."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vidnas.core.files import replacing

_UNUSABLE = (OSError, SafetensorError)


@dataclass(frozen=True)
class WeightFolder:
    """Weights by the digest of their architecture; the least recently used are removed first.

    Nothing here makes a candidate fail: one whose parent's weights are gone or damaged trains from
    scratch, and weights that the disk has no room for are not kept.
    """

    path: Path
    most_bytes: int = 1 << 30
    """The most that the folder may grow to."""

    def read(self, digest: str) -> dict[str, Tensor]:
        """Return the weights of a network by name, on the CPU; nothing where none can be used."""
        try:
            weights = load_file(self._file(digest))
            os.utime(self._file(digest))  # in use: the last to be removed
        except _UNUSABLE:
            return {}
        return weights

    def write(self, digest: str, network: nn.Module) -> None:
        """Keep the weights of a network."""
        state = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
        with suppress(*_UNUSABLE):
            self.path.mkdir(parents=True, exist_ok=True)
            with replacing(self._file(digest)) as temporary:
                save_file(state, temporary)
            self._make_room()

    def _make_room(self) -> None:
        """Remove the least recently used files, those of killed workers among them."""
        files = [(file.stat(), file) for file in self.path.iterdir()]
        total = 0
        for stat, file in sorted(files, key=lambda one: one[0].st_mtime, reverse=True):
            total += stat.st_size
            if total > self.most_bytes:
                file.unlink(missing_ok=True)

    def _file(self, digest: str) -> Path:
        return self.path / f"{digest}.safetensors"
