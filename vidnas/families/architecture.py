"""The base of every architecture: a value that says what a network is, and builds none."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import Self

from vidnas.core import ClipSpec, bounds
from vidnas.core.value import Value


class Architecture(Value):
    """A network described as a frozen, comparable value that reads from and writes to JSON.

    What is only looked up in a table or sent to a simulator needs nothing but `family` and its
    genes; what is trained on clips has `inputs` as well. The `Family` says what builds and draws
    it.
    """

    family: ClassVar[str]

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """The clips that the network takes, in the order of `forward`'s arguments; empty where
        there is no network."""
        return ()

    @property
    def centres_clips(self) -> bool:
        """Whether the network normalises every clip by itself; see `Normalization`."""
        return False

    def canonical(self) -> Self:
        """The same network with every gene that cannot matter set to its neutral value."""
        return self

    @property
    def digest(self) -> str:
        """Hash of the canonical form: equal for two values that build the same network."""
        return hashlib.sha256(self.canonical().to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """One line of JSON with sorted keys and the family's name."""
        return json.dumps({"family": self.family, **self.model_dump(mode="json")}, sort_keys=True)


Width = Annotated[float, Field(gt=0, le=bounds.WIDTH)]
"""A factor on published numbers of channels."""


def require_few(parts: int) -> None:
    """Reject an architecture whose own checks would take for ever.

    Raises:
        ValueError: it has more parts than are ever built.
    """
    if parts > bounds.PARTS:
        raise ValueError(
            f"{parts} blocks, modules or members with their repeats are more than {bounds.PARTS}, "
            "the most that a network is built of"
        )


def scaled(channels: int, width: float) -> int:
    """Channels of a layer in a network of this width."""
    return max(round(width * channels), 1)
