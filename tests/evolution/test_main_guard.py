"""A script without a `__main__` guard ends with a sentence: no hang, no storm of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vidnas.evolution.study import Study

SEARCH = """
import vidnas
from search_toys import ToyEvaluator, ToySpace
from vidnas.evolution import LocalExecutor

executor = LocalExecutor(workers=2)
vidnas.search(
    ToySpace(), ToyEvaluator(), evaluations=50, folder="study", executor=executor
)
"""
DECODE = """
from pathlib import Path
from vidnas.data.cache import build_cache
from vidnas.data.datasets import load_dataset

build_cache(load_dataset(Path("clips")), size_px=16, directory=Path("cache"))
"""


def run(script: str, folder: Path) -> str:
    """What a script says before it fails."""
    path = folder / "script.py"
    path.write_text(script)
    toys = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([toys, *sys.path])}
    done = subprocess.run(
        [sys.executable, str(path)], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_a_search_without_a_guard(tmp_path: Path) -> None:
    said = run(SEARCH, tmp_path)
    assert "UserError: The worker processes end as they start (exit code 1)" in said
    assert "A worker process imports the script that started it" in said
    assert said.count("if __name__ == '__main__'") <= 3  # two workers and this process
    assert Study.read(tmp_path / "study").trials == []


def test_decoding_without_a_guard(tmp_path: Path) -> None:
    from vidnas.data.demo import write_clips

    write_clips(tmp_path / "clips", classes=("left", "right"), clips_per_class=4, size_px=16)
    said = run(DECODE, tmp_path)
    assert "UserError: The worker processes end as they start (exit code 1)" in said


@pytest.mark.parametrize("failing", ["raise ImportError('no such module')", "raise SystemExit(4)"])
def test_a_script_that_cannot_be_imported(tmp_path: Path, failing: str) -> None:
    script = f"if __name__ == '__mp_main__':\n    {failing}\n"
    said = run(f"{script}\nelse:\n" + SEARCH.replace("\n", "\n    "), tmp_path)
    assert "they cannot import the script that started them" in said
