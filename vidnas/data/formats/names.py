"""Names of classes and files that a program can keep: valid text, in one normal form."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.names import listed
from vidnas.core.text import escaped
from vidnas.data.formats.base import FEW
from vidnas.data.splits import split_named

_LONGEST = 255
_BROKEN = re.compile("[\ud800-\udfff]")


def normal(name: str) -> str:
    """Return the name in the normal form (NFC) in which equal letters are equal characters."""
    return unicodedata.normalize("NFC", name)


def path_flaw(path: Path) -> str | None:
    """Return what is wrong with a path, or None: bytes that are no text, which no table holds."""
    return "is not valid UTF-8" if _BROKEN.search(str(path)) else None


def _flaw(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if _BROKEN.search(name):
        return "is not valid UTF-8"
    if escaped(name) != name:
        return "has control characters"
    if len(name) > _LONGEST:
        return f"has {len(name):,} characters, more than {_LONGEST}"
    return None


def check_classes(source: Path, classes: Iterable[str]) -> None:
    """Reject names that no report, file or database could hold.

    Raises:
        UserError: one is empty, absurdly long, not text, or has control characters.
    """
    for name in classes:
        if wrong := _flaw(name):
            raise UserError(
                f"{source}: the class name '{escaped(name[:_LONGEST])}' {wrong}; rename it."
            )


def remarks_on_classes(classes: Iterable[str]) -> list[str]:
    """Say which classes differ in case, blanks or the like only, or are called like a split."""
    alike = defaultdict(list)
    names = list(classes)
    for name in names:
        key = unicodedata.normalize("NFKC", name).casefold()
        alike["".join(key.replace("_", " ").split())].append(name)
    remarks = []
    pairs = [own for own in alike.values() if len(own) > 1]
    if pairs:
        shown = [" and ".join(f"'{name}'" for name in own) for own in pairs]
        remarks.append(
            f"Classes that look alike are kept apart: {listed(shown, FEW)}; rename one if "
            "they are the same."
        )
    called = [name for name in names if split_named(name)]
    if called:
        remarks.append(f"A class is called like a split: {listed(called, FEW)}.")
    return remarks
