"""The study opens in Optuna's dashboard."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.error import URLError

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from pydantic import Field
from search_toys import Toy, toy_config

from vidnas.core import ClipSpec, Evaluation
from vidnas.evolution.dashboard import parameters
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal
from vidnas.families import Architecture

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
        for number, widths in enumerate([(1,), (2, 2), (3,), (4, 1, 1)]):
            evaluation = Evaluation(status="ok", fitness=widths[0] / 10)
            parent = number - 1 if number else None
            study.record(Proposal(Toy(widths=widths), parent), evaluation, elapsed_s=0.0)
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
            assert [trial["values"] for trial in shown["trials"]] == [[0.1], [0.2], [0.3], [0.4]]
            assert shown["objective_names"] == ["fitness"]
            genes = [one["param_external_value"] for one in shown["trials"][1]["params"]]
            assert sorted(genes) == ["2", "child"]  # how many widths, and where it came from
            importances = get(f"http://127.0.0.1:{port}/api/studies/1/param_importances")
            (ranked,) = importances["param_importances"]
            assert {one["name"] for one in ranked} == {"number of widths", "origin"}
        finally:
            server.terminate()


class Exotic(Architecture):
    """Genes of all kinds."""

    family = "exotic"
    frames: Annotated[int, Field(ge=1, le=64)] = 8
    shift: Annotated[int, Field(ge=0, le=3)] = 0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    sampling: Literal["dense", "uniform"] = "dense"
    gated: bool = False
    name: str = ""
    inner: ClipSpec | None = None
    layers: tuple[int, ...] = (1, 2)


def test_genes_are_parameters() -> None:
    found = parameters(Proposal(Exotic(), design=True), {})
    assert {name: value for name, (value, _) in found.items()} == {
        "origin": "design", "frames": 8, "shift": 0, "dropout": 0.5, "sampling": "dense",
        "gated": False, "number of layers": 2,
    }  # fmt: skip
    assert found["frames"][1] == IntDistribution(1, 64, log=True)
    assert found["sampling"][1] == CategoricalDistribution(("dense", "uniform"))


def test_a_family_that_has_changed_stays_writable(tmp_path: Path) -> None:
    """Optuna refuses other choices under a known name: such a gene is left out of the display."""
    known = {"sampling": CategoricalDistribution(("dense", "sparse"))}
    assert "sampling" not in parameters(Proposal(Exotic()), known)
    out_of_range = Exotic.model_construct(frames=1000, layers=(1,))
    assert "frames" not in parameters(Proposal(out_of_range), {})


def test_a_resumed_study_goes_on_with_the_same_parameters(tmp_path: Path) -> None:
    for width in (1, 2):
        with Study.create_or_resume(tmp_path / "study", toy_config()) as study:
            evaluation = Evaluation(status="ok", fitness=width / 10)
            study.record(Proposal(Toy(widths=(width,) * width)), evaluation, elapsed_s=0.0)
    url = f"sqlite:///{tmp_path / 'study' / 'study.db'}"
    stored = optuna.load_study(study_name="vidnas", storage=url)
    assert [trial.params["number of widths"] for trial in stored.trials] == [1, 2]
