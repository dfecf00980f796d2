"""The real command on real files: a few generated clips, one small study."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from commands import SEARCH, Done, Vidnas, call


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A clip cache of its own, and a wide terminal."""
    return {"VIDNAS_CACHE": str(tmp_path_factory.mktemp("cache")), "COLUMNS": "200"}


@pytest.fixture(scope="session")
def program(surroundings: dict[str, str]) -> Vidnas:
    """Run the command as users do, in a process of its own, which takes seconds to start."""

    def run(
        *arguments: object, check: bool = True, largest_file_bytes: int = resource.RLIM_INFINITY
    ) -> Done:
        def limit_files() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, resource.RLIM_INFINITY))

        done = subprocess.run(
            [sys.executable, "-m", "vidnas.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **surroundings},
            check=False,
            preexec_fn=limit_files,
        )
        return _checked(Done(done.returncode, done.stdout, done.stderr), arguments, check)

    return run


@pytest.fixture(scope="session")
def vidnas(surroundings: dict[str, str]) -> Vidnas:
    """Run the command in this process."""

    def run(*arguments: object, check: bool = True) -> Done:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in surroundings.items():
                patch.setenv(name, value)
            return _checked(call(*arguments), arguments, check)

    return run


def _checked(done: Done, arguments: tuple[object, ...], check: bool) -> Done:
    if check and done.returncode:
        command = " ".join(map(str, ("vidnas", *arguments)))
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


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
