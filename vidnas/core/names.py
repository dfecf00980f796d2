"""Names in sentences: what a mistyped one may mean, and the first of many."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_NAMED = 3


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on an unknown name: what it resembles, and what there is.

    "did you mean tvn1? Choose one of tvn1, tvn2.", or without a likeness "choose one of ..."
    """
    names = list(known)
    choice = f"hoose one of {', '.join(names)}."
    close = get_close_matches(name, names)
    return f"did you mean {' or '.join(close)}? C{choice}" if close else f"c{choice}"


def some(names: Iterable[object], total: int) -> str:
    """Return the first few of so many names, and how many more there are."""
    shown = ", ".join(map(str, islice(names, _NAMED)))
    return f"{shown} and {total - _NAMED:,} more" if total > _NAMED else shown
