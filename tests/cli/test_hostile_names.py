"""Every command, with names that try to be markup, code, colours or another line.

Whatever terminal it is: what is printed has no character in it that acts, or that it does not know.
"""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from commands import SEARCH, Vidnas, call

from vidnas.cli.console import json_entries, say, show, show_bars, show_facts, show_json, show_table
from vidnas.cli.live import Display

CLASSES = ("[id] [/b]", ":smile: <script>\"'", "עברית é")
"""What formats accept as classes."""
FILE = b"[id] \x1b[31m\n\xff\xe2\x80\xae.mp4"
"""A name of a file may hold any byte but two."""
FOLDER = "[b] \x1b[31m\n\u202e :smile: %41?#<b>"
BROKEN = "[/b] \x1b[31m\n\u202e\udcff :smile: <b>"
_ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def require_plain(text: str) -> None:
    assert _ACTING.findall(text) == [], text
    assert "Traceback" not in text


@pytest.fixture(scope="module")
def hostile_clips(vidnas: Vidnas, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / FOLDER
    vidnas("data", "demo", folder, "--classes", 3, "--clips-per-class", 8, "--size", 16)
    table = folder / "labels [i] \x1b[31m.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label"))
        for place, label in zip(sorted(folder.glob("*/")), CLASSES, strict=True):
            rows.writerows((video.relative_to(folder), label) for video in place.iterdir())
    extra = folder / "more"
    extra.mkdir()
    shutil.copy(next(folder.glob("*/*.mp4")), extra / os.fsdecode(FILE))
    return table


@pytest.fixture(scope="module")
def hostile_study(
    vidnas: Vidnas, hostile_clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("studies") / FOLDER
    events = folder.with_name("events.jsonl")
    done = vidnas(
        "search", hostile_clips, "--out", folder, "--evaluations", 2, *SEARCH, "--events", events
    )
    require_plain(done.stdout)
    require_plain(done.stderr)
    assert r"[b] \x1b[31m\n\u202e :smile: %41?#<b>/report.html" in done.stdout
    return folder


@pytest.mark.parametrize("name", [BROKEN, *CLASSES])
def test_whatever_prints(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(name, (name, "bold"))
    say(name)
    show_table(name, name, figures=(name,), rows=[(name, name, "1"), (), (name, name, "2")])
    show_facts({name: name, "more": [name, name]})
    show_bars(name, {name: 3})
    show_json({name: name})
    with json_entries() as entry:
        entry(name, {name: 1})
    with Display() as display:
        display.say(name)
        display.remark(name)
        display.progress(name, 1, 2)
    printed = capsys.readouterr()
    require_plain(printed.out)
    require_plain(printed.err)


@pytest.mark.parametrize(
    "words",
    [
        [BROKEN],
        [f"--{BROKEN}"],
        ["search", BROKEN],
        ["search", ".", f"--{BROKEN}"],
        ["search", ".", "--limit", BROKEN, "--evaluations", "1"],
        ["search", ".", "--budget", BROKEN],
        ["search", ".", "--strategy", BROKEN],
        ["search", ".", "--out", BROKEN],
        ["search", ".", BROKEN, BROKEN],
        ["status", BROKEN],
        ["page", BROKEN],
        ["ensemble", BROKEN],
        ["train", BROKEN, "tvn1"],
        ["eval", BROKEN, "."],
        ["predict", BROKEN, BROKEN],
        ["bench", BROKEN],
        ["export", BROKEN, BROKEN],
        ["models", BROKEN],
        ["draw", BROKEN],
        ["draw", "tvn1", "--out", BROKEN],
        ["data", BROKEN],
        ["data", "check", BROKEN],
        ["data", "show", BROKEN],
        ["data", "flow", ".", "--method", BROKEN],
        ["data", "demo", f"/proc/{BROKEN}"],
        ["study", "fork", BROKEN, BROKEN],
        ["study", "merge", BROKEN, BROKEN],
    ],
)
def test_mistakes(words: list[str]) -> None:
    done = call(*words)
    assert done.returncode == 2, done
    require_plain(done.stdout + done.stderr)
    (*_, last) = done.stderr.splitlines()
    assert last.startswith("Error: ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize(
    "words",
    [
        ["status", "STUDY"],
        ["status", "STUDY", "--json"],
        ["page", "STUDY"],
        ["ensemble", "STUDY", "--votes", 1, "--train-time", "1s", "--out", "OUT"],
        ["train", "CLIPS", "tvn_mobile_1", "--gene", "size_px=32", "--epochs", 1, "--out", "OUT"],
        ["eval", "STUDY", "CLIPS"],
        ["eval", "STUDY", "CLIPS", "--json"],
        ["predict", "STUDY", "VIDEOS", "--top", 2],
        ["predict", "STUDY", "VIDEOS", "--json"],
        ["bench", "STUDY", "--repeats", 2],
        ["export", "STUDY", "OUT.onnx"],
        ["draw", "STUDY", "--out", "OUT.svg"],
        ["draw", "STUDY", "--out", "OUT.png"],
        ["data", "check", "CLIPS", "--picture", "OUT.svg"],
        ["data", "check", "CLIPS", "--json"],
        ["data", "show", "CLIPS", "--out", "OUT.png", "--count", 4],
        ["data", "demo", "OUT", "--classes", 2, "--clips-per-class", 3, "--size", 16],
        ["study", "fork", "STUDY", "OUT"],
        ["study", "merge", "STUDY", "STUDY", "--out", "OUT"],
    ],
)
def test_commands_that_work(
    words: list[object],
    encoding: str,
    hostile_study: Path,
    hostile_clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In this process, with streams as a terminal of this encoding has them."""
    from vidnas.cli import main

    if encoding != "utf-8" and words[0] not in ("status", "eval", "predict"):
        pytest.skip("prints with the same functions as others")
    monkeypatch.setenv("VIDNAS_CACHE", str(hostile_clips.parent / "cache"))
    places = {"STUDY": hostile_study, "CLIPS": hostile_clips, "VIDEOS": hostile_clips.parent}
    places |= {f"OUT{end}": tmp_path / f"{FOLDER}{end}" for end in ("", ".svg", ".png", ".onnx")}
    arguments = [str(places.get(str(word), word)) for word in words]
    printed = [tmp_path / "out", tmp_path / "err"]
    with (
        printed[0].open("w", encoding=encoding) as out,
        printed[1].open("w", encoding=encoding) as err,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as stopped:
            main.main(arguments)
    texts = [path.read_bytes().decode(encoding) for path in printed]
    assert stopped.value.code == 0, texts
    for text in texts:
        require_plain(text)


def test_a_program_of_its_own_in_the_c_locale(hostile_study: Path, hostile_clips: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vidnas.cli.main", "predict", hostile_study, hostile_clips.parent],
        env={
            **os.environ,
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        },
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() and done.stderr.isascii()
    require_plain(done.stdout.decode())
    assert rb"\u05e2\u05d1\u05e8\u05d9\u05ea \xe9" in done.stdout


def test_a_terminal_with_colours(hostile_study: Path, tmp_path: Path) -> None:
    """What is printed has the styles of this program, and none from a name."""
    shutil.copytree(hostile_study, tmp_path / FOLDER)
    (tmp_path / FOLDER / "config.yaml").unlink()
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vidnas.cli.main", "status", tmp_path / FOLDER],
        env={**os.environ, "TERM": "xterm-256color"},
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    printed = b""
    try:
        while piece := os.read(controller, 4096):
            printed += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    assert process.wait(60) == 2
    text = printed.decode().replace("\r\n", "\n")
    assert "\x1b[1;31mError: " in text
    require_plain(_STYLE.sub("", text))
    assert r"[b] \x1b[31m\n\u202e :smile:" in _STYLE.sub("", text)


def test_what_is_written_down(hostile_study: Path) -> None:
    page = (hostile_study / "report.html").read_text(encoding="utf-8")
    require_plain(page.partition("<body>")[2].replace("\t", ""))
    assert "<script>\"'" not in page
    exported = onnx.load(hostile_study / "best" / "model.onnx")
    metadata = {one.key: one.value for one in exported.metadata_props}
    assert metadata["classes"].isascii()
    assert set(json.loads(metadata["classes"])) == set(CLASSES)
    (events,) = hostile_study.parent.glob("events.jsonl")
    require_plain(events.read_text(encoding="utf-8"))
