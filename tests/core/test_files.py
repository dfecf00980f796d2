from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vidnas.core.files import replacing

KILLED = """
import os, signal, sys
from pathlib import Path
from vidnas.core.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of i")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "[report] .html"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    beside = tmp_path / left.name.replace(".html", ".html.other")
    beside.touch()
    mine = left.with_name(left.name.replace(left.name.split("-")[-1], f"{os.getppid()}.tmp"))
    mine.touch()  # of a writer that is running
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, beside, mine])
    assert path.read_text() == "whole"


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), replacing(tmp_path / "a") as temporary:
        temporary.touch()
        raise OSError("full")
    assert not list(tmp_path.iterdir())
