"""How large a population a search starts with, if nothing is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import call

from vidnas.core import UserError
from vidnas.data.cache import ClipSettings
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.limits import Limits
from vidnas.families import families
from vidnas.training import TrainingSettings
from vidnas.workflows.plan import Plan, planned_inheritance, planned_strategy, rung_training
from vidnas.workflows.request import SearchRequest


def requested(folder: Path, **asked: Any) -> SearchRequest:
    return SearchRequest(clips=folder, out=folder / "study", **asked)


def planned(request: SearchRequest) -> Plan:
    return Plan.of(request, clips=200, workers=2)


def typed(folder: Path, *options: object) -> SearchRequest:
    """Return what a search is asked for on the command line."""
    read: list[SearchRequest] = []

    def run(request: SearchRequest, _: object) -> None:
        read.append(request)
        raise UserError("read")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vidnas.workflows.search_clips.run", run)
        done = call("search", folder, "--out", folder / "study", *options)
    assert "Error: read" in done.stderr, done.stderr
    return read[0]


def described(folder: Path, **asked: Any) -> dict[str, Any]:
    request = requested(folder, **asked)
    return planned_strategy(request, planned(request)).describe()


def test_the_settings_are_those_of_the_family(tmp_path: Path) -> None:
    settings = described(tmp_path, evaluations=500)
    defaults = families()["tinyvideonet"].evolution
    assert settings == {
        "name": "evolution", "discard": "worst", "guided": True, **defaults.model_dump()
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "population", "tournament"),
    [
        ({"evaluations": 1}, 1, 1),
        ({"evaluations": 16}, 8, 4),
        ({"budget_s": 600.0, "candidate_time_s": 30.0}, 5, 2),
        ({"evaluations": 16, "budget_s": 36000.0}, 8, 4),
        ({"evaluations": 500, "population": 3}, 3, 3),
        ({"evaluations": 2, "population": 30, "tournament": 7}, 30, 7),
    ],
)
def test_half_of_the_evaluations_are_left_to_children(
    tmp_path: Path, asked: dict[str, Any], population: int, tournament: int
) -> None:
    settings = described(tmp_path, **asked)
    assert (settings["population"], settings["tournament"]) == (population, tournament)


def test_a_study_that_is_there_keeps_its_settings(tmp_path: Path) -> None:
    there = described(tmp_path, evaluations=16)
    write_config(tmp_path / "study", there)
    assert described(tmp_path, evaluations=500) == there
    assert described(tmp_path, evaluations=500, mutations=9)["mutations"] == 9


def test_a_fork_of_a_study_without_evolution_has_the_settings_of_the_family(tmp_path: Path) -> None:
    asked = {"family": "evanet", "evaluations": 200}
    whole = described(tmp_path, **asked)
    assert (whole["population"], whole["tournament"], whole["mutations"]) == (50, 25, 5)
    write_config(tmp_path / "study", {"name": "random"})
    assert described(tmp_path, **asked) == whole


def write_config(study: Path, strategy: dict[str, Any]) -> None:
    """Write what a study was started with."""
    training = TrainingSettings(epochs=1)
    evaluation = ClipEvaluation(training=training, clips=ClipSettings(size_px=32))
    config = StudyConfig(
        family="tinyvideonet", space={}, classes=("a", "b"), data_fingerprint="", limits=Limits(),
        strategy=strategy, evaluator=evaluation.model_dump(mode="json"), seed=0,
    )  # fmt: skip
    study.mkdir()
    config.write(study / "config.yaml")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("random",), {"name": "random"}),
        (("local", "--no-guided"), {"name": "local", "guided": False}),
        (("evolution", "--population", "7"), {"name": "evolution", "population": 7}),
        (("pareto",), {"name": "pareto", "objectives": ["accuracy", "latency"]}),
        (
            ("pareto", "--objective", "macs", "--objective", "accuracy", "--population", "7"),
            {"name": "pareto", "objectives": ["macs", "accuracy"], "population": 7},
        ),
    ],
)
def test_strategies_by_name(
    flags: tuple[str, ...], expected: dict[str, Any], tmp_path: Path
) -> None:
    request = typed(tmp_path, "--evaluations", 40, "--strategy", *flags)
    described = planned_strategy(request, planned(request)).describe()
    assert described.items() >= expected.items()


@pytest.mark.parametrize(
    ("strategy", "asked", "sentence"),
    [
        ("random", {"objectives": ("accuracy", "macs")}, "random .* --objective; .* pareto"),
        ("top-k", {"population": 9}, "top-k .* --population; .* --strategy evolution or pareto"),
        ("pareto", {"discard": "oldest"}, "pareto .* --discard; .* --strategy evolution"),
        ("local", {"mutation_decay": 9.0}, "local .* --mutation-decay; "),
        ("random", {"guided": False}, "random .* --no-guided; .* evolution or local or pareto"),
    ],
)
def test_settings_that_a_strategy_does_not_have_are_rejected(
    tmp_path: Path, strategy: str, asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        described(tmp_path, evaluations=9, strategy=strategy, **asked)


@pytest.mark.parametrize(("flags", "guided"), [((), True), (("--no-guided",), False)])
def test_guidance_is_one_switch(flags: tuple[str, ...], guided: bool, tmp_path: Path) -> None:
    request = typed(tmp_path, *flags)
    assert request.guided is guided
    assert described(tmp_path, evaluations=16, guided=guided)["guided"] is guided
    assert SearchRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), {"epochs": 16.0, "budget_s": 32.0}),  # 200 steps of 16 clips
        (("--candidate-epochs", "3"), {"epochs": 3.0, "budget_s": None}),
        (
            ("--candidate-epochs", "3", "--candidate-time", "5s"),
            {"epochs": 3.0, "budget_s": 5.0},
        ),
    ],
)
def test_the_first_rung_is_as_asked_for(
    flags: tuple[str, ...], expected: dict[str, Any], tmp_path: Path
) -> None:
    request = typed(tmp_path, "--evaluations", 40, *flags)
    settings = rung_training(request, planned(request))
    assert settings.model_dump().items() >= expected.items()


def test_a_study_that_is_there_keeps_its_first_rung_and_its_recipe(tmp_path: Path) -> None:
    request = requested(tmp_path, evaluations=16, candidate_epochs=3.0)
    settings = rung_training(request, planned(request))
    settings = settings.model_copy(update={"learning_rate": 3 * settings.learning_rate})
    evaluation = ClipEvaluation(training=settings, clips=ClipSettings(size_px=32))
    config = StudyConfig(
        family="tinyvideonet", space={}, classes=("a", "b"), data_fingerprint="", limits=Limits(),
        strategy={}, evaluator=evaluation.model_dump(mode="json"), seed=0,
    )  # fmt: skip
    (tmp_path / "study").mkdir()
    config.write(tmp_path / "study" / "config.yaml")
    again = requested(tmp_path, evaluations=16)
    assert rung_training(again, planned(again)) == settings


def test_children_inherit_unless_timings_would_decide_what(tmp_path: Path) -> None:
    def inherits(**asked: Any) -> bool:
        return planned_inheritance(requested(tmp_path, evaluations=9, **asked))

    assert inherits()
    assert not inherits(inherit=False)
    assert not inherits(strategy="local")
    assert inherits(strategy="local", inherit=True)
    assert not inherits(deterministic=True, candidate_epochs=3.0)
    with pytest.raises(UserError, match="depends on timings; leave out --inherit"):
        inherits(deterministic=True, candidate_epochs=3.0, inherit=True)


def test_a_study_that_is_there_keeps_what_its_children_start_from(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    for kept in (False, True):
        settings = TrainingSettings(epochs=3)
        evaluation = ClipEvaluation(training=settings, clips=ClipSettings(size_px=32), inherit=kept)
        StudyConfig(
            family="tinyvideonet", space={}, classes=("a", "b"), data_fingerprint="",
            limits=Limits(), strategy={}, evaluator=evaluation.model_dump(mode="json"), seed=0,
        ).write(tmp_path / "study" / "config.yaml")  # fmt: skip
        assert planned_inheritance(requested(tmp_path, evaluations=9)) is kept
        assert planned_inheritance(requested(tmp_path, evaluations=9, inherit=not kept)) is not kept


def test_a_deterministic_search_trains_by_epochs(tmp_path: Path) -> None:
    def settings(**asked: Any) -> Any:
        request = requested(tmp_path, evaluations=9, deterministic=True, **asked)
        return rung_training(request, planned(request))

    assert settings(candidate_epochs=3.0).epochs == 3
    assert settings(candidate_epochs=3.0).budget_s is None
    for asked in (
        {},
        {"candidate_time_s": 5.0},
        {"candidate_time_s": 5.0, "candidate_epochs": 3.0},
    ):
        with pytest.raises(UserError, match="cannot train candidates with a time limit"):
            settings(**asked)
