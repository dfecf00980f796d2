"""Names that people mistype."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on an unknown name: what it resembles, and what there is.

    "did you mean tvn1? Choose one of tvn1, tvn2.", or without a likeness "choose one of ..."
    """
    names = list(known)
    choice = f"hoose one of {', '.join(names)}."
    close = get_close_matches(name, names)
    return f"did you mean {' or '.join(close)}? C{choice}" if close else f"c{choice}"
