"""Agents for the tests, as a person or ssh starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vidnas.profiling.target import agent_source

TOKEN = "between us"


@contextmanager
def agent(
    folder: Path,
    *options: str,
    before: Sequence[str] = (),
    environment: dict[str, str] | None = None,
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start an agent from its file, with what to put before it, and give its process and port."""
    file = folder / "vidnas-agent.py"
    file.write_text(agent_source())
    process = subprocess.Popen(
        [*before, sys.executable, file, "--port", "0", *options],  # the last port counts
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "VIDNAS_TARGET_TOKEN": TOKEN, **(environment or {})},
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().partition(";")[0].rpartition(":")[2])
        yield process, port
    finally:
        process.kill()
        process.wait()
