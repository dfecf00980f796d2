"""The notebook of docs/python.md runs from top to bottom, as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_every_cell_runs(tmp_path: Path) -> None:
    cells = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    # As in a notebook, the main module is no file that workers could import.
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(cells)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "unseen clips" in done.stdout and "left_000.mp4: " in done.stdout
    assert (tmp_path / "study" / "report.html").is_file()
    assert (tmp_path / "tvn" / "model.json").is_file()
