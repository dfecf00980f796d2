"""The names under which a server may be asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from vidnas.deploy.serving.answers import Refusal

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\[\]:/@]*)(:\d*)?", re.IGNORECASE | re.ASCII)
_SHOWN_CHARACTERS = 100


def host_in_url(host: str) -> str:
    """Return a host as addresses have it: those of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


class KnownHosts:
    """Answers requests for known names, and refuses those of a site that had its own lead here.

    Starlette has such a middleware, which refuses without a word of what to do.

    Args:
        app: answers the others.
        names: as addresses have them.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app, self._names = app, [name.lower() for name in names]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        asked = Headers(scope=scope).get("host", "") if scope["type"] == "http" else None
        if asked is None or self._knows(asked):
            await self._app(scope, receive, send)
        else:
            refusal = JSONResponse(Refusal(detail=self._sentence(asked)).model_dump(), 400)
            await refusal(scope, receive, send)

    def _knows(self, asked: str) -> bool:
        found = _HOST.fullmatch(asked)
        return found is not None and found["name"].lower() in self._names

    def _sentence(self, asked: str) -> str:
        return (
            f"The host {asked[:_SHOWN_CHARACTERS]!r} does not belong here; ask for "
            f"{' or '.join(self._names)}, which a proxy in front of this has to do, too."
        )
