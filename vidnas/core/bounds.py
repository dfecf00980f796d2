"""How much a file from somebody else may ask for: what asks for more is refused before any work.

Every file that may have come from a stranger is read through `bounded_bytes`.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from vidnas.core.errors import UserError

FRAMES = 4096
"""Of a clip."""
SIZE_PX = 2048
"""Side of a clip."""
CLIPS_PER_VIDEO = 1000
"""That a model looks at."""
WIDTH = 100.0
"""Factor on the published numbers of channels."""
CLASSES = 4096
"""That a network tells apart where each video shows one: what is taken for what grows with the
square of them."""
PARTS = 1000
"""Blocks, modules or members of an architecture, each as often as it is repeated."""
OPERATIONS = 20_000
"""To build a network and to run it once, those on single tensors."""
PARAMETERS = 1_000_000_000
"""And no more than the file of the weights holds."""
ACTIVATION_BYTES = 4 << 30
"""Peak for one clip."""
MACS = 5_000_000_000_000
"""For one clip."""
WEIGHTS_HEADER_BYTES = 4 << 20


@dataclass(frozen=True)
class TextBounds:
    """How much a text in JSON or YAML may hold."""

    size_bytes: int
    values: int
    """About: the commas."""
    strings: int
    groups: int
    """Lists and objects, each of which costs a reader a hundred times its two brackets."""


RECORD = TextBounds(size_bytes=1 << 20, values=200_000, strings=100_000, groups=50_000)
"""A record of a study, an architecture, and each value in a study's database."""
CARD = TextBounds(size_bytes=64 << 20, values=2_200_000, strings=200_000, groups=100_000)
"""The description of a model: two whole confusion matrices of 1,000 classes, as earlier versions
wrote them, or what is not 0 in larger ones."""

LISTING = TextBounds(size_bytes=256 << 20, values=5_000_000, strings=5_000_000, groups=1_000_000)
"""The list of the videos that a study was searched on."""


def bounded_bytes(path: Path, bounds: TextBounds = RECORD) -> bytes:
    """Return what a file holds.

    Raises:
        UserError: it is no file, or holds more than is to be expected.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # to open a pipe could take for ever
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{path} is not a file; put a copy of what it leads to in its place.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            text = file.read(bounds.size_bytes + 1)
    finally:
        os.close(descriptor)
    require_within(text, str(path), bounds)
    return text


def require_within(text: bytes, name: str, bounds: TextBounds = RECORD) -> None:
    """Reject a text that would take more memory than it is worth.

    Raises:
        UserError: it holds more than is to be expected.
    """
    counted = {
        "bytes": (len(text), bounds.size_bytes),
        "values": (text.count(b","), bounds.values),
        "strings": (text.count(b'"') // 2, bounds.strings),
        "lists and objects": (text.count(b"[") + text.count(b"{"), bounds.groups),
    }
    for what, (count, most) in counted.items():
        if count > most:
            raise UserError(
                f"{name} has more than {most} {what}, which is refused because its reader would "
                "run out of memory or time; it is damaged, or made to do harm: get another copy."
            )
