"""What is wrong with the machine is one sentence, too."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Done, call

from vidnas.cli import main


def sentence_of(done: Done) -> str:
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("home", ["/proc/nothing", "/dev/null"])
def test_a_home_that_cannot_be_made(
    clips: Path, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("VIDNAS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    done = call("train", clips, "tvn_mobile_1", "--epochs", 1, "--out", tmp_path / "model")
    assert f"{home}/.cache/vidnas" in sentence_of(done)
    assert "VIDNAS_CACHE" in sentence_of(done)


def test_no_home(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.delenv("VIDNAS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    done = call("train", clips, "tvn_mobile_1", "--epochs", 1, "--out", tmp_path / "model")
    assert "VIDNAS_CACHE" in sentence_of(done)


@pytest.mark.parametrize("words", ["models", "status study", "train clips tvn1", "data demo new"])
def test_a_working_directory_that_was_deleted(tmp_path: Path, words: str) -> None:
    script = f"""
import os, sys
folder = {str(tmp_path / "gone")!r}
os.mkdir(folder); os.chdir(folder); os.rmdir(folder)
from vidnas.cli.main import main
main({words.split()!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        "Error: The working directory no longer exists; change to a folder that does.\n"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errno.ENAMETOOLONG, "too long"),
        (errno.ENOSPC, "disk is full"),
        (errno.ENOTDIR, "Not a directory"),
        (errno.ELOOP, "symbolic links"),
    ],
)
def test_whatever_the_system_refuses(
    error: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(error, os.strerror(error), "clips\n")

    monkeypatch.setattr(main, "make_app", lambda _: fail)
    sentence = sentence_of(call("models"))
    assert sentence.startswith(r"Error: clips\n: ")
    assert words in sentence


def test_a_reader_that_has_enough() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "vidnas.cli.main", "models", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
