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
from pages import COMMANDS, FENCE, PAGES, ROOT, named, shell_lines

FOREIGN_FLAGS = {"--num-gpus", "--host"}  # of `ray start`, and of the agent of targets
_FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")


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


@pytest.mark.parametrize(("page", "line"), named())
def test_a_named_command_exists(page: str, line: str) -> None:
    _check(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_search_has_an_end(page: Path) -> None:
    """Also where it is run by another program, and tested elsewhere."""
    searches = [line for line in shell_lines(page) if re.search(r"\bvidnas search\b", line)]
    assert [one for one in searches if not re.search("--(budget|evaluations) ", one)] == []


def test_the_documentation_says_how_to_install_as_the_readme_does() -> None:
    readme, quick_start = (
        shell_lines(ROOT / name) for name in ("README.md", "docs/quick-start.md")
    )
    installing = [line for line in readme if line.startswith("pip install")]
    assert installing and set(installing) <= set(quick_start)


def test_extras_are_quoted() -> None:
    """Because zsh, the shell of macOS, takes brackets for a pattern."""
    texts = [*PAGES, *(ROOT / "vidnas").rglob("*.py")]
    bare = re.compile(r"(?<!['\"])\bvidnas\[.*?\]")
    assert [
        f"{path.name}: {found}"
        for path in texts
        for found in bare.findall(path.read_text(encoding="utf-8"))
    ] == []


@pytest.mark.parametrize(
    "line", ["vidnas serch clips/", "vidnas data chek clips/", "vidnas search clips/ --limits a"]
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        _check(line)


def test_commands_that_the_program_names_exist() -> None:
    """In what it says, and on its pages."""
    texts = [*(ROOT / "vidnas").rglob("*.py"), *(ROOT / "vidnas/report/templates").iterdir()]
    said = {
        words
        for path in texts
        for words in re.findall(
            r"`vidnas ([a-z][a-z-]*(?: [a-z]+)?)", path.read_text(encoding="utf-8")
        )
    }
    assert len(said) > 20
    known = {*COMMANDS, *(command.split()[0] for command in COMMANDS if " " in command)}
    assert [one for one in said if one not in known and one.split()[0] not in COMMANDS] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_flag_named_alone_belongs_to_a_command(page: Path) -> None:
    known = {flag for command in COMMANDS for flag in _FLAG.findall(_help(*command.split()))}
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    assert set(re.findall(r"`(--[a-z][\w-]*)", text)) <= known | FOREIGN_FLAGS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_make_targets_and_benchmarks_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"(?:`|^)make ([a-z]+)\b", text, flags=re.MULTILINE)
    assert set(named) <= set(targets)
    for name in re.findall(r"python -m benchmarks\.(\w+)", text):
        assert (ROOT / "benchmarks" / f"{name}.py").is_file(), name
