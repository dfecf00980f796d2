"""`vidnas watch`: the page of a study on this machine, and its state on the terminal."""

from __future__ import annotations

import errno
import http.client
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from commands import call

from vidnas.core import UserError
from vidnas.workflows import watching
from vidnas.workflows.watching import LivePage, serving, version_of

PATIENCE_S = 60.0


@pytest.fixture
def finished(study: Path, tmp_path: Path) -> Path:
    """A copy of the finished study."""
    return Path(shutil.copytree(study, tmp_path / "study"))


def ask(address: str, path: str, host: str | None = None) -> tuple[int, bytes]:
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE_S)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read()


def touch(folder: Path) -> None:
    """Change the study as a search does that records something."""
    moment = time.time_ns() + 1_000_000_000
    os.utime(folder / "study.db", ns=(moment, moment))


def test_the_same_page_as_in_the_folder(finished: Path) -> None:
    assert call("page", finished).returncode == 0
    written = (finished / "report.html").read_bytes()
    with serving(finished, 0) as address:
        assert address.startswith("http://127.0.0.1:")
        status, page = ask(address, "/")
        assert status == 200
        assert page.startswith(written.rpartition(b"</body>")[0])
        assert page.count(b"</body>") == written.count(b"</body>")
        assert b'fetch("version")' in page
        assert ask(address, "/study.db")[0] == 404
        assert ask(address, "/../request.json")[0] == 404
        first = json.loads(ask(address, "/version")[1])
        assert first == {"version": version_of(finished)}
        assert f'version === "{first["version"]}"'.encode() in page  # that which it shows


def test_watching_writes_no_file(finished: Path) -> None:
    """A page with a runtime, say, stays what it is."""

    def files() -> dict[Path, int]:
        return {one: one.stat().st_mtime_ns for one in finished.rglob("*") if one.is_file()}

    (finished / "report.html").write_text("mine", encoding="utf-8")
    before = files()
    with serving(finished, 0) as address:
        assert b"Test accuracy" in ask(address, "/")[1]
    assert files() == before


@pytest.mark.parametrize(
    "name",
    [
        "study.db", "study.db-wal", "request.json", "clips.json", "ensemble/ensemble.json",
        "best/model.json", "best/mistakes.json", "best/blocks.json", "models/trial-99/model.json",
    ],
)  # fmt: skip
def test_whatever_the_page_shows_is_noticed(finished: Path, name: str) -> None:
    """Also what is written after the answer, and networks that are finished before it."""
    before = version_of(finished)
    assert version_of(finished) == before
    (finished / name).parent.mkdir(exist_ok=True)
    (finished / name).touch()
    moment = time.time_ns() + 1_000_000_000
    os.utime(finished / name, ns=(moment, moment))
    assert version_of(finished) != before


def test_only_this_machine_by_its_own_name(finished: Path) -> None:
    """A page from elsewhere whose name leads here reads nothing."""
    with serving(finished, 0) as address:
        port = urlsplit(address).port
        assert ask(address, "/", f"evil.example:{port}")[0] == 403
        assert ask(address, "/version", "evil.example")[0] == 403
        assert ask(address, "/version", f"localhost:{port}")[0] == 200
        with socket.socket() as other, pytest.raises(UserError, match="another --port"):
            other.bind(("127.0.0.1", 0))
            other.listen()
            with serving(finished, other.getsockname()[1]):
                pass


def test_it_is_made_anew_when_something_is_new_and_not_too_often(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    original = watching.render_page

    def render(folder: Path) -> str:
        made.append(folder)
        return original(folder)

    monkeypatch.setattr(watching, "render_page", render)
    page = LivePage(finished)
    page.html(), page.html()
    assert len(made) == 1
    before = page.version
    touch(finished)
    page.html()
    assert (page.version, len(made)) == (before, 1)  # too soon: who looks must not slow a search
    monkeypatch.setattr(watching, "_LEAST_S", 0.0)
    assert page.version == before  # nor at once after one that took long to make
    monkeypatch.setattr(watching, "_CALM", 0)
    assert page.version != before
    page.html()
    assert len(made) == 2


def test_a_folder_that_is_no_study_and_one_that_breaks(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="is not a study"), serving(tmp_path / "nowhere", 0):
        pass
    with serving(finished, 0) as address:
        (finished / "study.db").write_bytes(b"broken")
        monkeypatch.setattr(watching, "_LEAST_S", 0.0)
        monkeypatch.setattr(watching, "_CALM", 0)
        status, said = ask(address, "/")
        assert status == 503
        assert b"study.db" in said


def test_a_file_that_cannot_be_read_is_said(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """To the browser, and without a traceback on the terminal."""

    def fail(folder: Path) -> str:
        raise OSError(errno.EIO, "Input/output error")

    with serving(finished, 0) as address:
        monkeypatch.setattr(watching, "render_page", fail)
        monkeypatch.setattr(watching, "_LEAST_S", 0.0)
        monkeypatch.setattr(watching, "_CALM", 0)
        touch(finished)
        assert ask(address, "/") == (503, b"Input/output error")
    assert "Traceback" not in capfd.readouterr().err


def test_the_terminal_shows_the_state(finished: Path) -> None:
    """In a real terminal; Ctrl-C ends it in peace."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vidnas.cli.main", "watch", str(finished), "--port", "0"],
        stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "COLUMNS": "160", "TERM": "xterm"},
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip
    os.close(theirs)
    said, deadline = "", time.monotonic() + PATIENCE_S
    try:
        while "Finished" not in said and time.monotonic() < deadline:
            said += os.read(ours, 65536).decode(errors="replace")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0, said
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert "http://127.0.0.1:" in said
    assert "no search is running" in said and "test clips" in said
