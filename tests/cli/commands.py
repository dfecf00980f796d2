"""What the tests of commands share."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

Vidnas = Callable[..., "subprocess.CompletedProcess[str]"]

SEARCH = (
    "--limit", "latency=20ms", "--candidate-time", "2s", "--train-time", "4s", "--size", "32",
    "--population", "2", "--tournament", "1",
)  # fmt: skip


def read_json(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)
