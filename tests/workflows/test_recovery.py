"""A search that goes on says what it found, what it mended and what was lost."""

from __future__ import annotations

from pathlib import Path

from search_toys import Toy, toy_config

from vidnas.core import Cost, Evaluation, Latency, LatencyProtocol
from vidnas.deploy.card import ModelCard
from vidnas.evolution.states import StateFolder
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal
from vidnas.workflows.recovery import (
    finished_otherwise,
    recovery,
    timed_otherwise,
    unusable_states,
)

OK = Evaluation(status="ok", fitness=0.5)


def test_a_new_study_has_nothing_to_tell(tmp_path: Path) -> None:
    with Study.create_or_resume(tmp_path / "study", toy_config()) as study:
        assert list(recovery(study)) == []


def test_a_resumed_study_says_what_it_found_mended_and_lost(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    states = StateFolder(folder / "states")
    with Study.create_or_resume(folder, toy_config(rungs=3)) as study:
        for width in (1, 2, 3):
            study.record(Proposal(Toy(widths=(width,))), OK, elapsed_s=0.0)
        study.climb(0, OK, elapsed_s=1.0)
        study.record(
            Proposal(Toy(widths=(4,))), Evaluation(status="failed", reason="why"), elapsed_s=2.0
        )
        study.keep_unrecorded(Toy(widths=(5,)), 0, OK)
        states.path.mkdir()
        for trial in study.trials[:3]:
            states.file(trial.architecture.digest).touch()
    (folder / "models" / "trial-0").mkdir(parents=True)
    (folder / "models" / "trial-0" / "model.json").touch()
    with Study.create_or_resume(folder, toy_config(rungs=3)) as study:
        assert list(recovery(study)) == [
            f"Resuming {folder}: found candidates (4), evaluations on their rungs (5), states to "
            "go on from (3), finished models (1), evaluations that wait for their turn (1).",
            "Lost: nothing.",
        ]
    states.file(Toy(widths=(2,)).digest).unlink()
    for place in (folder, states.path):
        (place / ".report.html.4194305-0123abcd.tmp").touch()
    with Study.create_or_resume(folder, toy_config(rungs=3)) as study:
        _, repaired, lost = recovery(study)
    assert repaired == "Repaired: half-written files (2)."
    assert lost == (
        "Lost: no candidate; 1 of them has no state any more and is trained up again where it "
        "climbs."
    )


def protocol(runtime: str = "onnxruntime 1.31.1", threads: int = 1) -> LatencyProtocol:
    return LatencyProtocol(
        device="cpu (A)", runtime=runtime, threads=threads, dtype="float32", batch=1, warmup=3,
        repeats=60,
    )  # fmt: skip


def timed(one: LatencyProtocol) -> Evaluation:
    latency = Latency(p50_ms=1.0, p90_ms=1.0, spread=0.0, protocol=one)
    cost = Cost(parameters=1, macs=1, activation_bytes=1, latency=latency)
    return OK.model_copy(update={"cost": cost})


def test_candidates_that_were_timed_otherwise_are_counted(tmp_path: Path) -> None:
    with Study.create_or_resume(tmp_path / "study", toy_config()) as study:
        here = protocol()
        assert timed_otherwise(study, "onnxruntime", here) == ""
        study.record(Proposal(Toy(widths=(1,))), OK, elapsed_s=0.0)
        for width in (2, 3):
            one = Proposal(Toy(widths=(width,)))
            study.record(one, timed(here), elapsed_s=1.0)
        assert timed_otherwise(study, "onnxruntime", here) == ""
        openvino = protocol("openvino 2026.4.1", threads=2)
        assert timed_otherwise(study, "openvino-int8", openvino) == (
            "2 candidates were timed in onnxruntime 1.31.1, float32, on 1 thread of cpu (A); those "
            "to come are timed in openvino-int8 on 2 threads of cpu (A), and what is finished is "
            "measured again there."
        )
        assert timed_otherwise(study, "onnxruntime-int8", here).startswith("2 candidates were")
        elsewhere = here.model_copy(update={"device": "cpu (B) at ssh://pi@robot"})
        assert "on 1 thread of cpu (B) at ssh://pi@robot, and" in timed_otherwise(
            study, "onnxruntime", elsewhere
        )


def test_states_that_could_not_be_used_are_said_once(tmp_path: Path) -> None:
    states = StateFolder(tmp_path)
    assert unusable_states(states) == ""
    for digest in ("good", "bad", "worse"):
        states.file(digest).touch()
    for digest in ("bad", "worse", "gone"):
        states.set_aside(digest)
    assert unusable_states(states).startswith(f"2 state(s) in {tmp_path} could not be used and")
    assert unusable_states(states) == ""
    assert list(tmp_path.iterdir()) == [states.file("good")]


def test_networks_that_are_finished_again_are_named() -> None:
    cards = [ModelCard(trial=number, versions={"vidnas": "0.5.3"}) for number in (3, 7)]
    assert finished_otherwise(cards) == (
        "Finished before, for another time or in another way, by vidnas 0.5.3: trial 3 and "
        "trial 7; the plan of this search finishes them again, and the better of both stays."
    )
