"""Benchmarks are run by hand, so that tests must tell when they no longer fit the package."""

from __future__ import annotations

import importlib
import re
from argparse import Namespace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = {
    "__init__",
    "__main__",
    "attacked_search",
    "camera",
    "clips",
    "commands",
    "decoders",
    "fidelity_ladder",
    "hostile",
    "hostile_requests",
    "original_network",
    "results",
    "searching",
    "serving_user",
    "timing",
}
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in SHARED)


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.parametrize("name", [*NAMES, "__main__"])
def test_every_benchmark_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    assert (module.__doc__ or "").splitlines()[0][:40] in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_is_listed(name: str) -> None:
    listed = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{name}\b", listed)


def test_results_resume_and_are_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import results

    monkeypatch.setattr(results, "FOLDER", tmp_path)
    measured: list[int] = []

    def measure() -> results.Line:
        measured.append(1)
        return {"top1": 0.5}

    for _ in range(2):  # the second is the same command, after an interruption
        interrupted = results.Results("lips", Namespace(seeds=3))
        assert interrupted.measure(measure, seed=0) == {"seed": 0, "top1": 0.5}
    assert len(measured) == 1
    other = results.Results("lips", Namespace(seeds=4))
    other.measure(measure, seed=0)
    other.finish(mean=0.5)
    assert len(measured) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["lips.jsonl"]
    first, *_, last = results.Log(tmp_path / "lips.jsonl").lines
    assert first["options"] == {"seeds": 4}
    assert {"machine", "cores", "load", "vidnas", "torch"} <= set(first["environment"])
    assert last == {"summary": {"mean": 0.5}}


def test_what_is_not_kept_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import results

    monkeypatch.setattr(results, "FOLDER", tmp_path)
    results.Results("gpu", Namespace(), keep=False).finish()
    assert not list(tmp_path.iterdir())


def test_a_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.results import over_seeds, print_table

    print_table(("network", "top-1"), [("a", over_seeds([1.0, 3.0]))])
    assert capsys.readouterr().out.splitlines() == [
        "| network |            top-1 |",
        "| ------- | ---------------: |",
        "| a       | 2.0 (1.0 to 3.0) |",
    ]
