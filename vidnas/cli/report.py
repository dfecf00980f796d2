"""`vidnas report`: the page of a study, written anew."""

from __future__ import annotations

from pathlib import Path

from vidnas.cli.console import show
from vidnas.workflows.options import Request


class ReportRequest(Request):
    """What `vidnas report` is asked for."""

    study: Path
    """Folder of a study; a search may be running in it."""


def command(request: ReportRequest) -> None:
    """Write the page of a study anew, from what is in its folder.

    For example:

        vidnas report study
    """
    from vidnas.workflows.page import rewrite_page

    show(str(rewrite_page(request.study)))
