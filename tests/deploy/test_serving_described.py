"""The server does what its OpenAPI description says, with what schemathesis makes of that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from served import serving, tiny_model

schemathesis = pytest.importorskip("schemathesis")
MODES = list(schemathesis.GenerationMode)
# What fits the description of the form is still no video, or comes under the name of another host.
EXCLUDED = [schemathesis.checks.positive_data_acceptance]


@pytest.fixture(scope="module")
def description() -> Iterator[Any]:
    with serving(tiny_model()) as client:
        yield schemathesis.openapi.from_url(str(client.base_url.join("/openapi.json")))


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        ("/health", "GET", MODES[0]),
        ("/model", "GET", MODES[0]),
        *(("/predict", "POST", mode) for mode in MODES),
    ],
)
def test_answers_are_as_described(description: Any, path: str, method: str, mode: Any) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(description[path][method].as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        case.call_and_validate(excluded_checks=EXCLUDED)

    answers()


@pytest.mark.parametrize(
    ("path", "method"), [("/health", "GET"), ("/model", "GET"), ("/predict", "POST")]
)
def test_a_host_of_another_name_is_refused_as_described(
    description: Any, path: str, method: str
) -> None:
    @settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
    @given(description[path][method].as_strategy(generation_mode=MODES[0]))
    def answers(case: Any) -> None:
        answer = case.call(headers={"Host": "evil.example"})
        assert answer.status_code == 400
        case.validate_response(answer, excluded_checks=EXCLUDED)

    answers()


def test_the_description_names_what_may_happen(description: Any) -> None:
    paths = description.raw_schema["paths"]
    assert set(paths) == {"/health", "/model", "/predict"}
    assert all("400" in one["responses"] for path in paths.values() for one in path.values())
    assert {"200", "408", "413", "415", "422", "503"} <= set(paths["/predict"]["post"]["responses"])
