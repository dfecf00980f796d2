"""Names that people mistype."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on an unknown name: the names it resembles, or else all.

    "did you mean tvn1 or tvn2?", "choose one of rgb, flow."
    """
    names = list(known)
    if close := get_close_matches(name, names):
        return f"did you mean {' or '.join(close)}?"
    return f"choose one of {', '.join(names)}."
