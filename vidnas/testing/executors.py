"""What an executor promises."""

from __future__ import annotations

import os

from vidnas.core import WorkerLost
from vidnas.evolution.executors import Executor

_PATIENCE_S = 60.0


class ExecutorContract:
    """The promises of every executor; a sub-class gives the fixture `executor`."""

    def test_has_a_slot(self, executor: Executor) -> None:
        assert executor.slots >= 1

    def test_returns_results(self, executor: Executor) -> None:
        futures = [executor.submit(_double, i) for i in range(5)]
        assert [future.result(_PATIENCE_S) for future in futures] == [0, 2, 4, 6, 8]

    def test_exceptions_stay_with_their_future(self, executor: Executor) -> None:
        error = executor.submit(_fail, "no such luck").exception(_PATIENCE_S)
        assert isinstance(error, ValueError)
        assert "no such luck" in str(error)
        assert executor.submit(_double, 1).result(_PATIENCE_S) == 2


class WorkerContract(ExecutorContract):
    """The promises of executors with worker processes; a sub-class gives the fixture `executor`."""

    def test_runs_elsewhere(self, executor: Executor) -> None:
        assert executor.submit(os.getpid).result(_PATIENCE_S) != os.getpid()

    def test_a_dead_worker_costs_one_future_and_is_replaced(self, executor: Executor) -> None:
        lost = executor.submit(os._exit, 3)
        assert isinstance(lost.exception(_PATIENCE_S), WorkerLost)
        futures = [executor.submit(_double, i) for i in range(4)]
        assert [future.result(_PATIENCE_S) for future in futures] == [0, 2, 4, 6]

    def test_has_one_thread(self, executor: Executor) -> None:
        assert executor.submit(_threads).result(_PATIENCE_S) == ("1", 1)


def _double(value: int) -> int:
    return 2 * value


def _fail(message: str) -> None:
    raise ValueError(message)


def _threads() -> tuple[str, int]:
    import torch

    return os.environ["OMP_NUM_THREADS"], torch.get_num_threads()
