"""The study opens in Optuna's dashboard."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from search_toys import Toy, toy_config

from vidnas.core import Evaluation
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal

PATIENCE_S = 60.0


def get(url: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
                return json.load(answer)
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_the_dashboard_shows_a_study(tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="needs the extra dashboard")
    with Study.create_or_resume(tmp_path / "study", toy_config()) as study:
        for width in (1, 2):
            evaluation = Evaluation(status="ok", fitness=width / 10)
            study.record(Proposal(Toy(widths=(width,))), evaluation, elapsed_s=0.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"sqlite:///{tmp_path / 'study' / 'study.db'}"
    script = "import sys; from optuna_dashboard._cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, url, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            summary = get(f"http://127.0.0.1:{port}/api/studies")["study_summaries"]
            assert [one["study_name"] for one in summary] == ["vidnas"]
            shown = get(f"http://127.0.0.1:{port}/api/studies/{summary[0]['study_id']}")
            assert [trial["values"] for trial in shown["trials"]] == [[0.1], [0.2]]
        finally:
            server.terminate()
