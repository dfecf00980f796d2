"""Text from outside (names of files, labels, messages that hold them) as text to be shown."""

from __future__ import annotations

import re

# Control characters, line breaks, what reverses the order of reading, and what UTF-8 and XML have
# no place for, such as the halves of characters that stand for a broken name of a file.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def escaped(text: str) -> str:
    r"""Return the text as one line that every terminal, page and picture can hold.

    What would move the cursor, colour a terminal, break the line, turn the reading around or be no
    character at all is written as in Python: `\x1b`, `\n`, `\u202e`.
    """
    return _UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def counted(count: int, one: str, several: str = "") -> str:
    """Return a number with the words that it takes: "1 clip", "1,200 clips", "1 is", "2 are".

    Args:
        count: the number.
        one: what stands behind a 1.
        several: what stands behind any other number; by default `one` with an s.
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def cause_of(error: BaseException) -> str:
    """Return why something went wrong, in a few words on one line, without a full stop."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return escaped(" ".join(reason.split())).rstrip(".")
