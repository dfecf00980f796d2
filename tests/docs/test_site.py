"""The documentation as a reader sees it: built, and without a marker that was not rendered."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNRENDERED = {
    "a snippet": r"-+\s*8\s*<\s*-+",  # also as a code formatter would write it
    "an object of the API": r":::",
    "a link": r"\]\(",
    "a fence": r"```",
    "a table": r"\|\s*-{3}",
    "an admonition": r"^!!!",
    "a template": r"\{\{|\{%",
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of every page, without tags, scripts and styles."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {
        page.relative_to(site).as_posix(): _text(page.read_text(encoding="utf-8"))
        for page in site.rglob("*.html")
    }


def _text(page: str) -> str:
    page = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def test_nothing_is_left_unrendered(pages: dict[str, str]) -> None:
    found = [
        f"{page}: {what}, {match.group()!r}"
        for page, text in pages.items()
        for what, marker in UNRENDERED.items()
        for match in re.finditer(marker, text, flags=re.MULTILINE)
    ]
    assert not found


def test_an_included_example_is_there_in_full(pages: dict[str, str]) -> None:
    example = (ROOT / "docs" / "examples" / "table_search.py").read_text(encoding="utf-8")
    assert example.strip() in pages["own-search/index.html"]


@pytest.mark.parametrize("written", ['--8<-- "a.py"', "--8<--\na.py", '--8 < --"a.py"'])
def test_the_markers_of_a_snippet_are_recognised(written: str) -> None:
    assert re.search(UNRENDERED["a snippet"], written)
