"""What can be said of an architecture without its family."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field

from vidnas.families import Architecture, architecture_from_json, families


class UnknownArchitecture(Architecture):
    """An architecture of a family that this process does not know: its genes as they were stored.

    A study of it can be looked at and copied, but not resumed.
    """

    genes: str
    """The JSON that its own `to_json` wrote."""
    stored_digest: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    """Names the files of what it learned."""

    @property
    def family(self) -> str:  # type: ignore[override]
        """The name of the family, as it was stored."""
        return str(json.loads(self.genes)["family"])

    @property
    def digest(self) -> str:
        """The digest that it was stored with."""
        return self.stored_digest

    def to_json(self) -> str:
        """Return the genes as they were stored, with the family's name."""
        return self.genes


def read_architecture(text: str, digest: str) -> Architecture:
    """Read an architecture of any family; one of a family that is unknown here stays unread.

    Raises:
        UserError: its genes are invalid.
        ValueError: the text is not JSON.
    """
    family = json.loads(text).get("family")
    if isinstance(family, str) and family in families():
        return architecture_from_json(text)
    return UnknownArchitecture(genes=text, stored_digest=digest)
