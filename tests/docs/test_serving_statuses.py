"""The page on serving says what the server answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serving.md"


def test_every_status_of_a_refusal_is_told() -> None:
    pytest.importorskip("fastapi")
    from vidnas.deploy.serving.app import _REFUSALS

    told = re.findall(r"^\| (\d{3}) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(status) for status in told] == [*_REFUSALS]
