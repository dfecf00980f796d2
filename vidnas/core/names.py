"""Names that people mistype, and lists of names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on an unknown name: what it resembles, and what there is.

    "did you mean tvn1? Choose one of tvn1, tvn2.", or without a likeness "choose one of ..."
    """
    names = list(known)
    choice = f"hoose one of {', '.join(names)}."
    close = get_close_matches(name, names)
    return f"did you mean {' or '.join(close)}? C{choice}" if close else f"c{choice}"


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return names for people, "a, b and c", and how many more there are beyond the first ones."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
