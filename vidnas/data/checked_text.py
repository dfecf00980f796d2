"""Lines of text that tell whether they are whole."""

from __future__ import annotations

import json
import zlib
from typing import Any


def checked_line(value: Any) -> str:
    """Return a value as one line of JSON, its CRC-32 in front."""
    text = json.dumps(value)
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


def read_line(line: str) -> Any:
    """Return the value of a line.

    Raises:
        ValueError: the line is damaged.
    """
    checksum, _, text = line.rstrip("\n").partition(" ")
    if f"{zlib.crc32(text.encode(errors='replace')):08x}" != checksum:
        raise ValueError("the line is damaged")
    return json.loads(text)
