"""A model served until somebody stops it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn
from starlette.types import ASGIApp

from vidnas.core import UserError
from vidnas.core.text import cause_of
from vidnas.deploy.model import Model
from vidnas.deploy.serving.app import create_app
from vidnas.deploy.serving.hosts import host_in_url
from vidnas.deploy.serving.limits import ServingLimits
from vidnas.deploy.serving.punctual import PunctualProtocol

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_CONNECTIONS_MAX = 256
_HEAD_BYTES_MAX = 16 << 10
_FAREWELL_S = 5
"""For answers in progress when the server is stopped."""


def serve(
    model: Model,
    limits: ServingLimits,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Answer requests until the process is told to stop.

    Args:
        model: what scores the videos.
        limits: what is refused.
        host: address to listen on.
        port: to listen on; 0 for one that is free.
        on_ready: called with the URL when connections are accepted.

    Raises:
        UserError: nobody can listen there, or the network takes what cannot be computed from a
            video here.
    """
    with closing(listen(host, port)) as listening:
        app = create_app(model, limits, known_names(host, listening))
        Server(app, lambda: on_ready(url_of(listening))).run(sockets=[listening])


def known_names(host: str, listening: socket.socket) -> tuple[str, ...] | None:
    """Return under which names a server may be asked for that listens on this host.

    None for any: a machine that others reach has names that it does not know itself.
    """
    address = listening.getsockname()[0]
    if not is_loopback(address):
        return None
    return tuple(dict.fromkeys((*_LOOPBACK, host_in_url(address), host_in_url(host))))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens on an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Server(uvicorn.Server):
    """Uvicorn as strangers may meet it: bounded, punctual, and silent about what they send."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=PunctualProtocol,
                ws="none",
                access_log=False,
                log_level="error",
                server_header=False,
                headers=[("X-Content-Type-Options", "nosniff")],
                limit_concurrency=_CONNECTIONS_MAX,
                h11_max_incomplete_event_size=_HEAD_BYTES_MAX,
                timeout_graceful_shutdown=_FAREWELL_S,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say when requests are answered."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UserError: the address is unknown, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_CONNECTIONS_MAX)
        # Connections inherit it; asyncio sets it only where it has made the socket. Without it the
        # body of an answer waits until its head is acknowledged, which takes clients 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except (OSError, UnicodeError) as error:
        cause = cause_of(error).partition(" (while ")[0]  # Python repeats the address
        raise UserError(
            f"{host} port {port} cannot be listened on ({cause}); choose another --host or --port, "
            "or --port 0 for one that is free."
        ) from error


def url_of(listening: socket.socket) -> str:
    """Return the address of a server that listens."""
    host, port = listening.getsockname()[:2]
    return f"http://{host_in_url(host)}:{port}"
