"""A search whose candidates are timed elsewhere, and what becomes of it when that is gone."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from agents import TOKEN, agent
from commands import SEARCH, Vidnas, call, read_json

from vidnas.core import UserError
from vidnas.evolution.study import Study

_PATIENCE_S = 240


def _events(folder: Path) -> int:
    with suppress(UserError):
        return len(Study.read(folder).history)
    return 0


def test_a_search_pauses_while_its_target_is_gone(
    program: Vidnas, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDNAS_TARGET_TOKEN", TOKEN)
    folder = tmp_path / "study"
    asked = ("search", clips, "--out", folder, *SEARCH, "--budget", "10m", "--workers", 1)
    with ThreadPoolExecutor() as threads, agent(tmp_path) as (process, port):
        target = f"tcp://127.0.0.1:{port}"
        paused = threads.submit(program, *asked, "--target", target, check=False)
        end = time.monotonic() + _PATIENCE_S
        while _events(folder) < 2 and time.monotonic() < end and not paused.done():
            time.sleep(0.2)
        process.kill()
        done = paused.result()
    assert (done.returncode, done.stdout) == (2, "")
    sentence = " ".join(done.stderr.splitlines()[-1].split())
    assert sentence.startswith(
        f"Error: The search is paused, and loses nothing. The target {target} does not answer"
    )
    before = Study.read(folder).history
    assert len(before) >= 2
    assert {trial.evaluation.status for trial in before} <= {"ok", "rejected"}
    elsewhere = program(*asked, "--evaluations", 1, check=False)
    assert elsewhere.returncode == 2
    assert f"were timed on {target}, not on this machine" in " ".join(elsewhere.stderr.split())

    with agent(tmp_path, "--port", str(port)):
        program(*asked, "--target", target, "--evaluations", 1)
    resumed = Study.read(folder).history
    assert resumed[: len(before)] == before
    latency = json.loads((folder / "best" / "model.json").read_text())["card"]["cost"]["latency"]
    assert latency["protocol"]["device"].endswith(f" at {target}")


def test_bench_on_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDNAS_TARGET_TOKEN", TOKEN)
    with agent(tmp_path) as (_, port):
        target = f"tcp://127.0.0.1:{port}"
        done = call("bench", "tvn_mobile_1", "--target", target, "--repeats", 3, "--json")
    assert done.returncode == 0, done.stderr
    protocol = read_json(done)["tvn_mobile_1"]["latency"]["protocol"]
    assert protocol["device"].endswith(f" at {target}")
    assert protocol["repeats"] == 3


def test_the_agent_is_written(tmp_path: Path) -> None:
    done = call("agent", tmp_path / "agent.py")
    assert done.returncode == 0
    compile((tmp_path / "agent.py").read_text(), "agent.py", "exec")
    wrong = call("bench", "tvn1", "--target", "robot")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "is neither ssh://user@host nor tcp://host:port" in " ".join(wrong.stderr.split())
