"""Requests: what Python and the command line share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from commands import call

from vidnas.core import UserError
from vidnas.evolution.strategies import STRATEGIES
from vidnas.evolution.strategies.pareto import Objective
from vidnas.workflows.request import REQUEST_FILE, EnsembleRequest, SearchRequest, TrainRequest


def test_an_option_is_its_field_without_the_unit(tmp_path: Path) -> None:
    written = SearchRequest(clips=tmp_path, budget="1h30m", size=64, train_time="90s")  # type: ignore[call-arg]
    assert written == SearchRequest(clips=tmp_path, budget_s=5400, size_px=64, train_time_s=90)
    assert (written.out, written.input) == (Path("study"), ("rgb",))


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"input": "rgb+flow"}, "input", ("rgb", "flow")),
        ({"input": ("rgb", "flow")}, "input", ("rgb", "flow")),
        ({"limits": ["latency=40ms"]}, "limits", ("latency=40ms",)),
        ({"gpus_per_candidate": "0.25"}, "gpus_per_candidate", 0.25),
        ({"gpus_per_candidate": "auto"}, "gpus_per_candidate", "auto"),
        ({"budget": 90}, "budget_s", 90),
    ],
)
def test_what_people_write(
    tmp_path: Path, given: dict[str, Any], field: str, value: object
) -> None:
    request = SearchRequest(clips=tmp_path, **given)
    assert getattr(request, field) == value
    assert SearchRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("budget", "30", "--budget: '30' has no unit; write 30s, 30m or 30h."),
        ("budget", "soon", "--budget: 'soon' is not a duration"),
        ("budget", "-30m", "is not a duration"),
        ("seed", "-1", "--seed -1 must be greater than or equal to 0."),
        ("population", "0", "--population 0 must be greater than 0."),
        ("population", "few", "--population few must be a valid integer."),
        ("mutation-decay", "inf", "--mutation-decay inf must be"),
        ("strategy", "evolutoin", "--strategy evolutoin is unknown; did you mean evolution?"),
        ("objective", "speed", "choose one of accuracy, latency, macs, parameters."),
        ("input", "rgb+flw", "'rgb+flw' is not an input; did you mean rgb+flow"),
        ("size", "3", "--size 3 must be greater than or equal to 16."),
        ("gpus-per-candidate", "2", "'2' is not a valid GPU share; give a number from 0 to 1"),
        ("gpus-per-candidate", "many", "'many' is not a valid GPU share"),
    ],
)
def test_a_wrong_value_is_one_sentence(
    tmp_path: Path, option: str, value: str, sentence: str
) -> None:
    done = call("search", tmp_path, f"--{option}={value}")
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_python_gets_the_same_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'30' has no unit; write 30s, 30m or 30h"):
        SearchRequest(clips=tmp_path, budget="30")  # type: ignore[call-arg]
    with pytest.raises(UserError, match="no option budgte; did you mean budget"):
        SearchRequest(clips=tmp_path, budgte="30m")  # type: ignore[call-arg]


@pytest.mark.parametrize("command", ["search", "train", "data check", "data flow"])
def test_a_missing_folder_is_said_first(command: str, tmp_path: Path) -> None:
    rest = ["tvn0", "--train-time", "30"] if command == "train" else ["--seed", "-1"]
    done = call(*command.split(), tmp_path / "nowhere", *rest)
    assert done.returncode == 2
    assert "nowhere does not exist" in done.stderr


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"budget_s": 3}', '{"clips": ".", "crop": 1}']
)
def test_a_damaged_record(tmp_path: Path, text: str) -> None:
    (tmp_path / REQUEST_FILE).write_text(text)
    with pytest.raises(UserError, match="damaged or from another version"):
        SearchRequest.read(tmp_path)


def test_clips_of_an_earlier_request_may_have_moved(tmp_path: Path) -> None:
    earlier = SearchRequest(clips=tmp_path).model_dump_json()
    moved = earlier.replace(str(tmp_path), str(tmp_path / "moved"))
    assert SearchRequest.model_validate_json(moved).clips == tmp_path / "moved"


def test_choices_are_what_is_registered() -> None:
    hints = get_type_hints(SearchRequest)
    assert get_args(hints["strategy"]) == tuple(STRATEGIES)
    objective, _ = get_args(hints["objectives"])
    assert get_args(objective) == get_args(Objective)


def test_one_default_of_clips_per_video(tmp_path: Path) -> None:
    assert TrainRequest(clips=tmp_path, architecture="tvn1").clips_per_video == 3


def test_studies_are_paths() -> None:
    assert EnsembleRequest(studies=["a", "b"]).studies == (Path("a"), Path("b"))  # type: ignore[arg-type]
