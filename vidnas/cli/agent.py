"""`vidnas agent`: the file that times networks on another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vidnas.cli.console import say, show
from vidnas.workflows.options import Request


class AgentRequest(Request):
    """What `vidnas agent` is asked for."""

    file: Annotated[Path, Parameter(metavar="FILE.py")]
    """The file to write."""


def command(request: AgentRequest) -> None:
    """Write the file that times networks on a target without ssh.

    Copy it there and start it with a Python that has numpy and onnxruntime; it
    listens on port 7070 of that machine alone, unless --host says otherwise.

    For example:

        vidnas agent vidnas-agent.py
    """
    from vidnas.core.files import replacing
    from vidnas.profiling.target import agent_source

    with replacing(request.file) as temporary:
        temporary.write_text(agent_source(), encoding="utf-8")
    show(f"Wrote {request.file}")
    say(
        f"There: python3 {request.file.name} --host ADDRESS. Here: set VIDNAS_TARGET_TOKEN to the "
        "token that it prints, and give --target tcp://ADDRESS."
    )
