"""The page of a study on this machine's own address, made anew while a search runs in it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.text import cause_of
from vidnas.deploy.finalists import MODELS_FOLDER
from vidnas.deploy.model import MODEL_FILE
from vidnas.evolution.storage import DATABASE_NAME
from vidnas.workflows.examination import BLOCKS_FILE, MISTAKES_FILE
from vidnas.workflows.page import BEST_FOLDER, ENSEMBLE_FILE, render_page
from vidnas.workflows.request import REQUEST_FILE
from vidnas.workflows.study_clips import CLIPS_FILE

_HOST = "127.0.0.1"
_POLL_MS = 5_000
_LEAST_S = 10.0
"""Between two pages: whoever looks must not slow the search, whose latencies are measured."""
_CALM = 10
"""Times what a page took to make, likewise: that of a long study takes a while."""
_SERVER_S = 30.0
"""How often trials on a database server are taken to be new."""


def version_of(folder: Path) -> str:
    """Return a text that changes when something that the page shows does, without reading it."""
    found = []
    for path in _shown_files(folder):
        with suppress(OSError):
            found.append(f"{path} {path.stat().st_mtime_ns}")
    if not (folder / DATABASE_NAME).exists():
        found.append(str(time.time() // _SERVER_S))
    # Names from outside do not come into the page that carries its version.
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def _shown_files(folder: Path) -> Iterator[Path]:
    """Yield what the page is made from, in the order of its names; some may not be there yet."""
    trials = (DATABASE_NAME, f"{DATABASE_NAME}-wal")
    yield from (folder / name for name in (*trials, REQUEST_FILE, CLIPS_FILE, ENSEMBLE_FILE))
    yield from (folder / BEST_FOLDER / name for name in (MODEL_FILE, MISTAKES_FILE, BLOCKS_FILE))
    with suppress(OSError):
        yield from sorted((folder / MODELS_FOLDER).glob(f"*/{MODEL_FILE}"))


class LivePage:
    """The page of a study as it is now, made when somebody asks for it and something is new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._version, self._html = "", b""
        self._made, self._took_s = float("-inf"), 0.0
        script = (files("vidnas.report") / "templates" / "live.js").read_text(encoding="utf-8")
        self._script = f"<script>{script.replace('POLL_MS', str(_POLL_MS))}</script></body>"

    @property
    def version(self) -> str:
        """That of the page, or the study's where that may be shown by now."""
        if time.monotonic() - self._made < max(_LEAST_S, _CALM * self._took_s):
            return self._version
        return version_of(self._folder)

    def html(self) -> bytes:
        """Return the page with the script that shows it anew.

        Raises:
            UserError: it cannot be made.
            OSError: a file went away or cannot be read.
        """
        with self._lock:
            version = self.version
            if version != self._version or not self._html:
                began = time.monotonic()
                before, _, after = render_page(self._folder).rpartition("</body>")
                script = self._script.replace("PAGE_VERSION", version)
                self._html = (before + script + after).encode()
                self._version, self._made = version, time.monotonic()
                self._took_s = self._made - began
            return self._html


@contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """Serve the page of a study to this machine alone, and yield its address.

    Args:
        folder: of the study, in which a search may be running.
        port: 0 for any that is free.

    Raises:
        UserError: the page cannot be made, or the port is taken.
    """
    page = LivePage(folder)
    page.html()  # what is wrong with the study is said here, and not to the browser
    try:
        server = _Server((_HOST, port), _Handler)
    except OSError as error:
        raise UserError(
            f"The page cannot be shown on port {port} ({cause_of(error)}); give another --port, or "
            "0 for any that is free."
        ) from error
    server.page = page
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{_HOST}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    page: LivePage


class _Handler(BaseHTTPRequestHandler):
    """Answers for two addresses, and only to whoever names this machine: a foreign page that has
    its own name lead here is refused."""

    server: _Server

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").split(":")[0]
        if host not in (_HOST, "localhost"):
            self._answer(HTTPStatus.FORBIDDEN, b"", "text/plain")
        elif self.path == "/":
            self._show_page()
        elif self.path == "/version":
            known = json.dumps({"version": self.server.page.version}).encode()
            self._answer(HTTPStatus.OK, known, "application/json")
        elif self.path == "/favicon.ico":  # which every browser asks for
            self._answer(HTTPStatus.NO_CONTENT, b"", "image/x-icon")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _show_page(self) -> None:
        try:
            html, status = self.server.page.html(), HTTPStatus.OK
        except (UserError, OSError) as error:  # what a search is writing is whole a moment later
            said = cause_of(error) if isinstance(error, OSError) else str(error)
            html, status = said.encode(errors="replace"), HTTPStatus.SERVICE_UNAVAILABLE
        kind = "text/html" if status == HTTPStatus.OK else "text/plain"
        self._answer(status, html, f"{kind}; charset=utf-8")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        with suppress(ConnectionError):  # whoever asked has gone
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal shows the study."""
