"""Connections that do not wait forever for a request that hardly comes."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_S = 5.0
"""For the head of a request to arrive, and for the rest of a body that nobody reads any more."""


class PunctualProtocol(H11Protocol):
    """Uvicorn's connection with a deadline for the head of each request.

    Uvicorn has one for idle connections between two requests, which a single byte calls off, and
    none for the first: a sender of a byte now and then holds a connection for as long as it likes.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first head."""
        super().connection_made(transport)
        self._expect_head()

    def handle_events(self) -> None:
        """Expect nothing more once there is a request to answer."""
        super().handle_events()
        if self._late and self.cycle is not None and not self.cycle.response_complete:
            self._late.cancel()

    def on_response_complete(self) -> None:
        """Expect the next head."""
        self._expect_head()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        super().connection_lost(exc)
        if self._late:
            self._late.cancel()

    def _expect_head(self) -> None:
        if self._late:
            self._late.cancel()
        self._late = self.loop.call_later(_HEAD_S, self.transport.abort)
