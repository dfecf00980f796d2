"""Text from users reaches every terminal as it is, whatever it holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import call

from vidnas.cli import console
from vidnas.cli.console import show, show_table
from vidnas.families import list_architectures

STRANGE = "[/b] [id] :smile: [red]é"


def test_lines_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    show(STRANGE, (STRANGE, "bold"))
    show_table(STRANGE, STRANGE, figures=(STRANGE,), rows=[(STRANGE, STRANGE, STRANGE)])
    assert capsys.readouterr().out.count(STRANGE) == 8


def test_brackets_in_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "[id]" / "[b]"
    done = call("status", folder)
    assert done.returncode == 2
    assert f"{folder}" in done.stderr


@pytest.fixture
def strange_clips(tmp_path: Path) -> Path:
    """Clips of two classes, one of which has a strange name."""
    folder = tmp_path / "[id] é"
    call("data", "demo", folder, "--classes", 2, "--clips-per-class", 8, "--size", 16)
    next(folder.iterdir()).rename(folder / "[b] é :smile:")
    return folder


def test_a_label_with_brackets(strange_clips: Path) -> None:
    done = call("data", "check", strange_clips)
    assert done.returncode == 0, done.stderr
    assert "[b] é :smile:" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["search", "--help"], ["data", "check", "CLIPS"]]
)
def test_a_terminal_that_knows_ascii_only(strange_clips: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vidnas.cli.main", *arguments[:-1],
         str(strange_clips) if arguments[-1] == "CLIPS" else arguments[-1]],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "80"},
        capture_output=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert done.stderr.isascii()
    if arguments[-1] == "CLIPS":
        assert rb"[b] \xe9" in done.stdout


@pytest.mark.parametrize("figures", [2, 6])
def test_no_name_is_cut_in_80_columns(
    figures: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.results, "width", 80)
    names = [*list_architectures(), "assemblenet_plus_lite_pruned_for_a_phone"]
    titles = ("Params", "MACs", "Memory", "p50 ms", "p90 ms", "Spread")[:figures]
    values = ("26.0 M", "104 G", "12.0 MB", "1804.36", "1901.22", "100%")[:figures]
    show_table("Name", figures=titles, rows=[(name, *values) for name in names])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    lines = printed.splitlines()
    for name in names[:-1]:
        assert any(line.startswith(f"{name} ") for line in lines), printed
    for value in values:
        assert printed.count(value) == len(names)
    assert names[-1] in "".join(line.split(" ")[0] for line in lines)


def test_no_heading_is_cut_where_rows_have_no_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.results, "width", 80)
    titles = ("Votes", "Val", "Test", "Params", "MACs", "p50 ms")
    rows = [("trial 10", "2", "63.8%", "63.2%", "262 k", "64 M", "1.3"), ("the best " * 5, "2")]
    show_table("Network", figures=titles, rows=rows)
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["Network", *" ".join(titles).split()]
    assert "…" not in "".join(lines)


def test_the_published_architectures_in_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.results, "width", 80)
    lines = call("models").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for name in list_architectures():
        assert any(line.startswith(f"{name} ") for line in lines)
