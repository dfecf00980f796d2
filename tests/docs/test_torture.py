"""A sample of the attack that benchmarks/torture.py makes in full."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_a_sample_of_the_attack_breaks_no_promise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import torture

    monkeypatch.setattr("sys.argv", ["torture", "--quick"])
    torture.main()
    said = capsys.readouterr().out
    for name in ("fuzzed clips", "checkpoints read", "hostile folders: status"):
        assert name in said
