"""What the tests of commands share."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest

from vidnas.cli.main import main

SEARCH = (
    "--limit", "latency=20ms", "--candidate-time", "1s", "--train-time", "2s", "--size", "32",
    "--population", "2", "--tournament", "1",
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """What a command came to; named as in `subprocess`."""

    returncode: int
    stdout: str
    stderr: str


Vidnas = Callable[..., Done]
"""Runs the command with these arguments; `check=False` where it may fail."""


def call(*arguments: object) -> Done:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return Done(int(stopped.value.code or 0), out.getvalue(), err.getvalue())


def read_json(done: Done | subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)
