"""A page that cannot be written costs nothing but itself."""

from __future__ import annotations

import base64
import errno
import gzip
import json
import re
import shutil
from pathlib import Path

import pytest
from commands import SEARCH, Vidnas, call, read_json

from vidnas.evolution.study import Study
from vidnas.workflows import in_browser, page
from vidnas.workflows.listener import Listener
from vidnas.workflows.web_runtime import WebRuntime


@pytest.fixture
def finished(study: Path, tmp_path: Path) -> Path:
    """A copy of the finished study, without its page."""
    shutil.copytree(study, tmp_path / "study")
    (tmp_path / "study" / "report.html").unlink()
    return tmp_path / "study"


def test_the_page_is_written_anew(vidnas: Vidnas, finished: Path) -> None:
    assert vidnas("page", finished).stdout.strip() == str(finished / "report.html")
    assert "Test accuracy" in (finished / "report.html").read_text(encoding="utf-8")


def test_a_search_whose_page_has_no_place(vidnas: Vidnas, clips: Path, finished: Path) -> None:
    (finished / "report.html").mkdir()
    (finished / "report.html" / "mine").touch()
    arguments = ("search", clips, "--out", finished, "--evaluations", 3, *SEARCH)
    done = vidnas(*arguments, "--json")
    assert f"{finished / 'report.html'} could not be written" in done.stderr
    assert f"`vidnas page {finished}`" in done.stderr
    assert read_json(done)["report"] is None
    assert (finished / "best" / "model.json").is_file()
    failed = vidnas("page", finished, check=False)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
    shutil.rmtree(finished / "report.html")
    assert f"report  {finished / 'report.html'}" in vidnas(*arguments).stdout


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "DejaVuSans.ttf"),
        RuntimeError("plot \x1b[31m\nfailed"),
    ],
)
def test_whatever_fails_is_said_in_one_sentence(
    finished: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(page, "write_report", fail)
    remarks: list[str] = []
    listener = Listener()
    monkeypatch.setattr(listener, "remark", remarks.append)
    assert page.try_page(Study.read(finished), "clips", listener) is None
    (sentence,) = remarks
    assert str(getattr(error, "strerror", None) or error).split()[0] in sentence
    assert "\n" not in sentence


def test_a_folder_that_is_no_study(tmp_path: Path) -> None:
    done = call("page", tmp_path)
    assert done.returncode == 2
    assert "is not a study" in done.stderr


RUNTIME = WebRuntime("export const here = 1;", b"\0asm")


def test_a_page_with_its_network(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_browser, "web_runtime", lambda: RUNTIME)
    done = call("page", finished, "--with-runtime")
    path = finished / "report-with-runtime.html"
    assert (done.returncode, done.stdout.strip()) == (0, str(path))
    text = path.read_text(encoding="utf-8")
    packed = dict(re.findall(r'id="packed-(network|clips)">([^<]+)<', text))
    network, clips = (gzip.decompress(base64.b64decode(packed[name])) for name in packed)
    assert network == (finished / "best" / "model.onnx").read_bytes()
    clips = json.loads(clips)
    assert len(clips["classes"]) == 3 and clips["activation"] == "softmax"
    assert "Try it here" in text
    assert not (finished / "report.html").exists()
    assert call("page", finished).returncode == 0  # which replaces its own page only
    assert "packed-network" not in (finished / "report.html").read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_a_search_that_is_not_finished_has_no_network(finished: Path) -> None:
    shutil.rmtree(finished / "best")
    done = call("page", finished, "--with-runtime")
    assert done.returncode == 2
    assert "has no exported network yet" in done.stderr
