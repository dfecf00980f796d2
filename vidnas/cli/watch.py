"""`vidnas watch`: a study in the browser and on the terminal, while a search runs in it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from rich.live import Live

from vidnas.cli.console import facts_table, results, say, show
from vidnas.cli.status import facts_of
from vidnas.workflows.options import Request

if TYPE_CHECKING:
    from rich.table import Table

_POLL_S = 2.0
_CALM = 10
"""The share of the time in which nothing is read, against the time that reading takes."""


class WatchRequest(Request):
    """What `vidnas watch` is asked for."""

    study: Path
    """Folder of a study; a search may be running in it."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8420
    """Port to listen on, on this machine; 0 for one that is free."""


def command(request: WatchRequest) -> None:
    """Show a study while a search runs in it: its page in the browser, its state on the terminal.

    The page is served to this machine alone, and shown anew when there is something new.
    Ctrl-C ends the watch, and not the search.

    For example:

        vidnas watch study
    """
    from vidnas.workflows.watching import serving

    with serving(request.study, request.port) as address:
        show(f"page  {address}")
        say("Ctrl-C ends the watch; a search goes on.")
        with suppress(KeyboardInterrupt):
            if results.is_terminal:
                _watch(request.study)
            while True:
                time.sleep(_POLL_S)


def _watch(study: Path) -> None:
    """Show the state of a study until Ctrl-C, read anew when something has changed."""
    from vidnas.workflows.watching import version_of

    version, due = "", 0.0
    with Live(console=results, auto_refresh=False) as live:
        while True:
            now = time.monotonic()
            if now >= due and version != (latest := version_of(study)):
                live.update(_state(study), refresh=True)
                version, due = latest, time.monotonic() + _CALM * (time.monotonic() - now)
            time.sleep(_POLL_S)


def _state(study: Path) -> Table:
    from vidnas.workflows.status import read_status

    return facts_table(facts_of(read_status(study)))
