"""Text from outside, such as names of files, as text that every picture and page can hold."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML and HTML have no place for: control characters, and halves of broken UTF-8 names."""


def printable(text: str) -> str:
    """Return the text with a replacement character for each one that no document can hold."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
