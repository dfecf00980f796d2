"""What spaces, strategies, evaluators and executors promise, as pytest classes to inherit.

A sub-class gives the fixtures that its contract names, and adds tests of its own:

    class TestMySpace(SpaceContract):
        @pytest.fixture
        def space(self):
            return MySpace()

With `pytest.register_assert_rewrite("vidnas.testing")` in your `conftest.py`, before anything
imports this package, failures say what differs.
"""

from vidnas.testing.architectures import check_architecture, check_canonical, check_network
from vidnas.testing.evaluators import EvaluatorContract
from vidnas.testing.executors import ExecutorContract, WorkerContract
from vidnas.testing.spaces import NetworkSpaceContract, SpaceContract
from vidnas.testing.strategies import StrategyContract

__all__ = [
    "EvaluatorContract",
    "ExecutorContract",
    "NetworkSpaceContract",
    "SpaceContract",
    "StrategyContract",
    "WorkerContract",
    "check_architecture",
    "check_canonical",
    "check_network",
]
