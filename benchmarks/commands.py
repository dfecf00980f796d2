"""Searches by the command, as a user runs them: wall time from outside, results from the study."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import Line
from vidnas.deploy.model import load_card
from vidnas.evolution import Study, Trial
from vidnas.workflows.page import read_accounting


def search_by_command(clips: Path, folder: Path, options: Mapping[str, object]) -> Line:
    """Run `vidnas search CLIPS --out FOLDER` and return what it came to.

    A search that was interrupted starts anew, because its wall time is what is measured. What the
    command prints is kept beside the study.

    Args:
        clips: folder or CSV.
        folder: of the study.
        options: by name; a tuple is given once per value, an empty text is a flag.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "vidnas.cli.main", "search", str(clips), "--out", str(folder)]
    for name, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            command += [f"--{name}", *([str(one)] if one != "" else [])]
    load, began = os.getloadavg()[0], time.monotonic()
    with folder.with_suffix(".log").open("w", encoding="utf-8") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
    return {"wall_s": time.monotonic() - began, "load": load, **result_of(folder)}


def result_of(folder: Path) -> Line:
    """Return what a finished study holds: its best model, where that came from, and what the search
    did."""
    card, study = load_card(folder), Study.read(folder)
    accounting = read_accounting(study)
    assert card.trial is not None and card.test and card.validation and card.cost
    winner, latency = study.trials[card.trial], card.cost.latency
    return {
        "top1": card.test.shares["top1"],
        "test_clips": card.test.clips,
        "validation_top1": card.validation.shares["top1"],
        "latency_ms": latency and latency.p50_ms,
        "within_limits": card.within_limits,
        "parameters": card.cost.parameters,
        "epochs": card.epochs,
        "winner": "design"
        if winner.proposal.design
        else f"generation {_generation(winner, study)}",
        "architecture": winner.architecture.digest,
        "core_s": accounting and accounting.model_dump(),
        "candidates": Counter(trial.evaluation.status for trial in study.trials),
        "highest_rungs": Counter(
            trial.rung for trial in study.trials if trial.evaluation.status == "ok"
        ),
    }


def _generation(trial: Trial, study: Study) -> int:
    """Return how many ancestors a candidate has; random ones have none."""
    parent = trial.proposal.parent
    return 0 if parent is None else 1 + _generation(study.trials[parent], study)
