"""The real command on real files: a few generated clips, one small study."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from commands import SEARCH, Vidnas


@pytest.fixture(scope="session")
def vidnas(tmp_path_factory: pytest.TempPathFactory) -> Vidnas:
    """Run the command with a clip cache of its own."""
    cache = tmp_path_factory.mktemp("cache")

    def run(
        *arguments: object, check: bool = True, largest_file_bytes: int = resource.RLIM_INFINITY
    ) -> subprocess.CompletedProcess[str]:
        def limit_files() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, resource.RLIM_INFINITY))

        done = subprocess.run(
            [sys.executable, "-m", "vidnas.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "VIDNAS_CACHE": str(cache), "COLUMNS": "200"},
            check=False,
            preexec_fn=limit_files,
        )
        if check and done.returncode:
            pytest.fail(f"{done.args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    return run


@pytest.fixture(scope="session")
def clips(vidnas: Vidnas, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ten clips."""
    folder = tmp_path_factory.mktemp("data") / "clips"
    vidnas("data", "demo", folder, "--classes", 3, "--clips-per-class", 10, "--size", 32)
    return folder


@pytest.fixture(scope="session")
def study(vidnas: Vidnas, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of three candidates."""
    folder = tmp_path_factory.mktemp("studies") / "study"
    vidnas("search", clips, "--out", folder, "--evaluations", 3, *SEARCH)
    return folder
