"""How much of a machine a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vidnas.core import process
from vidnas.core.process import available_cores


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        (None, 8),
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),  # one and a half
        ("50000 100000", 1),
        ("6400000 100000", 8),
    ],
)
def test_the_quota_of_a_container_counts(
    quota: str | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(f"{quota}\n")
    monkeypatch.setattr(process, "_QUOTA", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(8)}, raising=False)
    assert available_cores() == cores
