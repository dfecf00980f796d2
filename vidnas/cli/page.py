"""`vidnas page`: the page of a study, written anew."""

from __future__ import annotations

from pathlib import Path

from vidnas.cli.console import show
from vidnas.workflows.options import Request


class PageRequest(Request):
    """What `vidnas page` is asked for."""

    study: Path
    """Folder of a study; a search may be running in it."""
    with_runtime: bool = False
    """Write report-with-runtime.html, which holds the network and ONNX Runtime for browsers, too:
    it classifies videos that are dropped on it, and what the camera sees, without sending anything
    anywhere. The runtime is downloaded once, 33 MB, and makes the page 6 MB larger."""


def command(request: PageRequest) -> None:
    """Write the page of a study anew, from what is in its folder.

    For example:

        vidnas page study --with-runtime
    """
    from vidnas.workflows.in_browser import write_page_with_runtime
    from vidnas.workflows.page import rewrite_page

    write = write_page_with_runtime if request.with_runtime else rewrite_page
    show(str(write(request.study)))
