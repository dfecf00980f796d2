"""What an evaluator promises."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence

from vidnas.core import Evaluation
from vidnas.evolution.evaluator import Evaluator
from vidnas.families import Architecture


class EvaluatorContract:
    """The promises of every evaluator; a sub-class gives the fixtures `evaluator` and
    `architectures`, a few that it can evaluate."""

    def test_the_description_is_json_and_stable(self, evaluator: Evaluator) -> None:
        described = evaluator.describe()
        assert json.loads(json.dumps(described)) == described
        assert pickle.loads(pickle.dumps(evaluator)).describe() == described

    def test_the_seed_is_the_only_source_of_randomness(
        self, evaluator: Evaluator, architectures: Sequence[Architecture]
    ) -> None:
        # Also in a worker, where it arrives by pickle.
        there = pickle.loads(pickle.dumps(evaluator))
        for architecture in architectures:
            here = evaluator.evaluate(architecture, 7, None)
            again = there.evaluate(architecture, 7, None)
            assert (here.status, here.fitness) == (again.status, again.fitness)

    def test_evaluations_are_values(
        self, evaluator: Evaluator, architectures: Sequence[Architecture]
    ) -> None:
        for architecture in architectures:
            evaluation = evaluator.evaluate(architecture, 0, None)
            assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation
            assert evaluation.status == "ok" or evaluation.reason
