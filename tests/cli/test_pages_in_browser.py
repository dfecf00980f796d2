"""What `watch`, `compare` and `page --with-runtime` show, as a browser shows it.

Skipped where there is no Playwright or no Chromium.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import Vidnas, call

from vidnas.core import Evaluation
from vidnas.data.cache_folder import default_directory
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.study import CONFIG_NAME, Study
from vidnas.evolution.trial import Proposal
from vidnas.families import find_architecture
from vidnas.workflows import watching, web_runtime
from vidnas.workflows.watching import serving

VISIBLE = "document.querySelector('header').textContent.includes('1 rejected')"


def grow(folder: Path) -> None:
    """Add a candidate to a study, as a search does."""
    study = Study.create_or_resume(folder, StudyConfig.read(folder / CONFIG_NAME))
    rejected = Evaluation(status="rejected", reason="latency 99 ms > 20 ms", broken_limit="latency")
    study.record(Proposal(find_architecture("tvn1")), rejected, study.history[-1].elapsed_s + 1.0)
    study.close()


@pytest.fixture
def growing(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished study, whose live page hurries."""
    monkeypatch.setattr(watching, "_POLL_MS", 100)
    monkeypatch.setattr(watching, "_LEAST_S", 0.0)
    monkeypatch.setattr(watching, "_CALM", 0)
    return Path(shutil.copytree(study, tmp_path / "study"))


def test_the_live_page_grows_with_the_study(
    growing: Path, visit: Any, draw_all: Any, serious_violations: Any
) -> None:
    with serving(growing, 0) as address:
        page = visit(address)
        draw_all(page)
        assert serious_violations(page) == []
        assert not page.evaluate(VISIBLE)
        grow(growing)
        page.wait_for_function(VISIBLE)
        page.close()  # which asks for news, as long as there is somebody to answer


def test_the_live_page_notices_what_came_before_it_first_asked(
    growing: Path, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_POLL_MS", 3_000)
    with serving(growing, 0) as address:
        page = visit(address)
        grow(growing)
        page.wait_for_function(VISIBLE)
        page.close()


def test_the_live_page_waits_for_whoever_reads_it(growing: Path, visit: Any) -> None:
    with serving(growing, 0) as address:
        page = visit(address)
        page.keyboard.press("PageDown")
        grow(growing)
        news = page.locator("#news")
        news.wait_for()
        assert not page.evaluate(VISIBLE)
        news.click()
        page.wait_for_function(VISIBLE)
        page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 400), ("dark", 1400)])
def test_the_page_of_a_comparison(
    study: Path, tmp_path: Path, visit: Any, draw_all: Any, serious_violations: Any,
    scheme: str, width: int,
) -> None:  # fmt: skip
    shutil.copytree(study, tmp_path / "<b>other")
    out = tmp_path / "comparison.html"
    assert call("compare", study, tmp_path / "<b>other", "--out", out).returncode == 0
    page = visit(out.as_uri(), width=width, color_scheme=scheme, offline=True)
    draw_all(page)
    assert page.locator(".plot .main-svg").count() >= 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "<b>other" in page.locator("table").first.inner_text()
    assert serious_violations(page) == []


def test_the_page_runs_its_network(
    vidnas: Vidnas, study: Path, clips: Path, tmp_path: Path, visit: Any, serious_violations: Any
) -> None:
    """It says of a video what `vidnas predict` says, as far as decoders agree."""
    if not (default_directory() / web_runtime.FILE).is_file():
        pytest.skip("ONNX Runtime for browsers is not here")
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    assert call("page", folder, "--with-runtime").returncode == 0
    page = visit((folder / "report-with-runtime.html").as_uri(), offline=True)
    video = next(iter(sorted(clips.rglob("*.mp4"))))
    page.set_input_files("#try-file", video)
    page.wait_for_function("/clips in/.test(document.getElementById('try-said').textContent)")
    shown = page.locator("#try-scores tr").all_inner_texts()
    scores = {row.split("\t")[0]: float(re.findall(r"[\d.]+(?=%)", row)[0]) for row in shown}
    predicted = json.loads(call("predict", folder, video, "--json").stdout)[str(video)]
    assert scores == pytest.approx({name: 100 * one for name, one in predicted.items()}, abs=5.0)
    assert serious_violations(page) == []
