"""Every command that README and documentation name exists, with the flags that they name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = (
    "", "search", "status", "report", "ensemble", "train", "eval", "calibrate", "predict", "serve",
    "bench", "agent", "export", "import-tf", "models", "draw", "data check", "data show",
    "data flow", "data cache",
    "data demo", "study fork", "study merge",
)  # fmt: skip
FOREIGN_FLAGS = {"--num-gpus", "--host"}  # of `ray start`, and of the agent of targets
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(vidnas [^`]+)`")
_FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")


def _named() -> list[tuple[str, str]]:
    """Every page with every `vidnas ...` on it, in fenced blocks and within sentences."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [block for language, block in _FENCE.findall(text) if language in ("", "bash")]
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
        lines = [line for line in lines if line.startswith("vidnas ")]
        lines += [" ".join(line.split()) for line in _INLINE.findall(_FENCE.sub("", text))]
        found += [(page.name, line) for line in dict.fromkeys(lines)]
    return found


@cache
def _help(*command: str) -> str:
    """What `vidnas COMMAND --help` prints; empty if there is no such command."""
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "vidnas.cli.main", *command, "--help"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else ""


def _check(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = words[:1]
    if "COMMAND" in _help(*command):
        command = words[:2]
    text = _help(*command)
    assert text, f"there is no command: vidnas {' '.join(command)}"
    known = set(_FLAG.findall(text))
    flags = {flag for word in words if (flag := word.split("=")[0]).startswith("--")}
    assert flags <= known, f"unknown to vidnas {' '.join(command)}: {', '.join(flags - known)}"


@pytest.mark.parametrize(("page", "line"), _named())
def test_a_named_command_exists(page: str, line: str) -> None:
    _check(line)


@pytest.mark.parametrize(
    "line", ["vidnas serch clips/", "vidnas data chek clips/", "vidnas search clips/ --limits a"]
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        _check(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_flag_named_alone_belongs_to_a_command(page: Path) -> None:
    known = {flag for command in COMMANDS for flag in _FLAG.findall(_help(*command.split()))}
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    assert set(re.findall(r"`(--[a-z][\w-]*)", text)) <= known | FOREIGN_FLAGS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_make_targets_and_benchmarks_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"(?:`|^)make ([a-z]+)\b", text, flags=re.MULTILINE)
    assert set(named) <= set(targets)
    for name in re.findall(r"python -m benchmarks\.(\w+)", text):
        assert (ROOT / "benchmarks" / f"{name}.py").is_file(), name
