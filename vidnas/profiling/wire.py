"""Messages between this machine and a target, over whatever connects them.

Part of the agent's file, so it takes nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import select
import struct
from typing import Any

GREETING = b"\nvidnas-agent 1\n"
"""Comes first; what a login prints before it does not count."""
BEAT_S = 1.0
"""How often a busy agent says that it is still there."""
SILENCE_S = 10.0
"""How long a link that should speak may be silent until it counts as lost."""
MOST_BYTES = 1 << 31
_HEADER = struct.Struct(">IQ")
_MOST_HEADER_BYTES = 1 << 22
_CHUNK_BYTES = 1 << 16
_MOST_NOISE_BYTES = 1 << 16


class LinkLost(Exception):
    """The other end is gone, silent or speaks another language."""


class Link:
    """Sends and receives messages: an object as JSON, and bytes.

    Args:
        source: file descriptor to read from.
        sink: file descriptor to write to.
        most_bytes: what a message may hold.
    """

    def __init__(self, source: int, sink: int, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.patience_s = SILENCE_S
        """How long it may be silent."""
        self._source, self._sink = source, sink
        os.set_blocking(sink, False)

    def send(self, message: dict[str, Any], data: bytes = b"") -> None:
        """Send a message.

        Raises:
            LinkLost: the other end does not take it.
        """
        text = json.dumps(message).encode()
        self.write(_HEADER.pack(len(text), len(data)) + text)
        self.write(data)

    def receive(self, *, at_leisure: bool = False) -> tuple[dict[str, Any], bytes]:
        """Return the next message; at leisure it may begin whenever it likes.

        Raises:
            LinkLost: none came, or none that is one.
        """
        first = self._read(1, None if at_leisure else self.patience_s)
        header = first + self.read(_HEADER.size - 1)
        text_bytes, data_bytes = _HEADER.unpack(header)
        if text_bytes > min(_MOST_HEADER_BYTES, self.most_bytes) or data_bytes > self.most_bytes:
            raise LinkLost("it sends more than there can be to say")
        try:
            message = json.loads(self.read(text_bytes))
        except ValueError as error:
            raise LinkLost("it sends no message") from error
        if not isinstance(message, dict):
            raise LinkLost("it sends no message")
        return message, self.read(data_bytes)

    def write(self, data: bytes) -> None:
        """Send bytes as they are.

        Raises:
            LinkLost: the other end does not take them.
        """
        left = memoryview(data)
        while left:
            if not select.select([], [self._sink], [], SILENCE_S)[1]:
                raise LinkLost(f"it has taken nothing for {SILENCE_S:g} s")
            try:
                left = left[os.write(self._sink, left[:_CHUNK_BYTES]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise LinkLost(error.strerror or str(error)) from error

    def read(self, size: int) -> bytes:
        """Receive this many bytes.

        Raises:
            LinkLost: they do not come.
        """
        parts = []
        while size:
            part = self._read(min(size, _CHUNK_BYTES), self.patience_s)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def await_greeting(self) -> None:
        """Read until the agent has greeted.

        Raises:
            LinkLost: it does not.
        """
        heard = b"\n"
        while not heard.endswith(GREETING):
            if len(heard) > _MOST_NOISE_BYTES:
                raise LinkLost("it is no agent of vidnas")
            heard += self.read(1)

    def _read(self, size: int, patience_s: float | None) -> bytes:
        if not select.select([self._source], [], [], patience_s)[0]:
            raise LinkLost(f"it has said nothing for {patience_s:g} s")
        try:
            part = os.read(self._source, size)
        except OSError as error:
            raise LinkLost(error.strerror or str(error)) from error
        if not part:
            raise LinkLost("it has closed the connection")
        return part
