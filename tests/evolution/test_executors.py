import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil
import pytest

from vidnas.core import Evaluation, UserError, WorkerLost
from vidnas.evolution.executors import InlineExecutor, LocalExecutor, StoppingExecutor
from vidnas.testing import ExecutorContract, WorkerContract


def double(value):
    return 2 * value


def die(code):
    os._exit(code)


def kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)


def allocate(size_bytes):
    import torch

    return torch.ones(size_bytes, dtype=torch.uint8).numel()


def settings():
    import torch

    return os.getpid(), os.environ["OMP_NUM_THREADS"], torch.get_num_threads()


def workers_of(pid=None):
    """The children of the server that a process has started, with or without zombies."""
    found = []
    for server in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):
            if "forkserver" in " ".join(server.cmdline()):
                found += server.children()
    return found


def survive(number):
    os.kill(os.getpid(), number)
    return "alive"


class TestInline(ExecutorContract):
    @pytest.fixture
    def executor(self):
        return InlineExecutor()


class TestLocal(WorkerContract):
    @pytest.fixture(scope="class")
    def executor(self):
        before = os.environ.get("OMP_NUM_THREADS")
        with LocalExecutor(workers=2) as executor:
            yield executor
        assert os.environ.get("OMP_NUM_THREADS") == before

    def test_workers_are_persistent_and_single_threaded(self, executor):
        seen = [executor.submit(settings).result(60) for _ in range(6)]
        assert {(threads, torch_threads) for _, threads, torch_threads in seen} == {("1", 1)}
        assert len({pid for pid, _, _ in seen}) <= 2

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_signals_to_all_of_a_job_are_left_to_the_driver(self, executor, number):
        assert executor.submit(survive, number).result(60) == "alive"

    def test_a_dead_worker_costs_one_future_and_is_replaced(self, executor):
        lost, kept = executor.submit(die, 3), executor.submit(double, 4)
        with pytest.raises(WorkerLost, match="the worker died with exit code 3"):
            lost.result(60)
        assert kept.result(60) == 8
        with pytest.raises(WorkerLost, match="the worker died with signal 9"):
            executor.submit(kill_myself).result(60)
        assert [executor.submit(double, i).result(60) for i in range(4)] == [0, 2, 4, 6]

    def test_too_much_memory_is_an_exception(self, executor):
        before = executor.submit(os.getpid).result(60)
        error = executor.submit(allocate, psutil.virtual_memory().total).exception(60)
        assert Evaluation.failed_by(error).reason == "out of memory"
        error = executor.submit(bytearray, 1 << 40).exception(60)
        assert Evaluation.failed_by(error).reason == "out of memory"
        assert psutil.pid_exists(before)

    def test_idle_workers_that_all_die_are_replaced(self, executor):
        pids = {executor.submit(settings).result(60)[0] for _ in range(8)}
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        futures = [executor.submit(double, i) for i in range(4)]
        assert [future.result(60) for future in futures] == [0, 2, 4, 6]


def test_a_killed_server_costs_what_runs_and_leaves_no_worker_behind():
    with LocalExecutor(workers=2) as executor:
        pids = {executor.submit(settings).result(60)[0] for _ in range(8)}
        running = [executor.submit(time.sleep, 3600) for _ in range(2)]
        workers = [psutil.Process(pid) for pid in pids]
        (server,) = {worker.ppid() for worker in workers}
        os.kill(server, signal.SIGKILL)
        assert all(isinstance(future.exception(60), WorkerLost) for future in running)
        assert executor.submit(double, 4).result(60) == 8
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert alive == []


def test_killed_at_any_moment_workers_leave_no_future_open():
    """Also while they fetch their call or hand over a result."""
    rng = random.Random(0)
    with LocalExecutor(workers=2) as executor:
        for _ in range(8):
            futures = [executor.submit(double, i) for i in range(200)]
            for _ in range(2):
                time.sleep(rng.uniform(0, 0.01))
                workers = workers_of()
                for worker in rng.sample(workers, min(1, len(workers))):
                    with suppress(psutil.NoSuchProcess):  # it was lost in the last round
                        worker.kill()
            for i, future in enumerate(futures):
                error = future.exception(60)
                assert isinstance(error, WorkerLost) or future.result() == 2 * i


def test_what_cannot_be_pickled_costs_its_own_future_only():
    with LocalExecutor(workers=1) as executor:
        before = executor.submit(os.getpid).result(60)
        error = executor.submit(double, threading.Lock()).exception(60)
        assert isinstance(error, UserError)
        assert "cannot be sent to a worker process (cannot pickle" in str(error)
        assert executor.submit(threading.Lock).exception(60) is not None
        assert executor.submit(os.getpid).result(60) == before


def test_what_is_unfinished_at_shutdown_is_lost():
    executor = LocalExecutor(workers=1)
    futures = [executor.submit(time.sleep, 3600) for _ in range(3)]
    executor.shutdown()
    assert {str(future.exception(0)) for future in futures} == {"the worker was stopped"}
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(double, 1)


def test_a_hung_worker_is_replaced():
    with LocalExecutor(workers=1, timeout_s=0.5) as executor:
        hung, next_one = executor.submit(time.sleep, 3600), executor.submit(double, 5)
        with pytest.raises(WorkerLost, match=r"took longer than 0\.5 s"):
            hung.result(60)
        assert next_one.result(60) == 10


def test_a_call_may_have_a_time_of_its_own():
    with LocalExecutor(workers=1, timeout_s=60) as executor:
        assert isinstance(executor, StoppingExecutor)
        hung, next_one = executor.submit_within(0.5, time.sleep, 3600), executor.submit(double, 5)
        with pytest.raises(WorkerLost, match=r"took longer than 0\.5 s"):
            hung.result(60)
        assert next_one.result(60) == 10


def test_workers_end_with_a_killed_driver(tmp_path):
    script = (
        "import os, sys, time; from vidnas.evolution.executors import LocalExecutor\n"
        "if __name__ == '__main__':\n"
        "    executor = LocalExecutor(workers=2)\n"
        "    futures = [executor.submit(time.sleep, 0.1 + i) for i in range(2)]\n"
        "    [future.result() for future in futures]\n"
        "    executor.submit(time.sleep, 3600)\n"
        "    print('busy', flush=True)\n"
        "    time.sleep(3600)\n"
    )
    path = tmp_path / "driver.py"
    path.write_text(script)
    driver = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    assert driver.stdout.readline() == "busy\n"
    workers = workers_of(driver.pid)
    assert len(workers) == 2
    driver.kill()
    driver.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def run_driver(folder, *work, **environment):
    """What a process of its own says that does this work with an executor."""
    lines = [
        "import os, signal, time",
        "from vidnas.evolution.executors import LocalExecutor",
        "if __name__ == '__main__':",
        "    with LocalExecutor(workers=1) as executor:",
        *(f"        {line}" for line in work),
    ]
    path = folder / "driver.py"
    path.write_text("\n".join(lines))
    command = [sys.executable, str(path)]
    return subprocess.check_output(command, env={**os.environ, **environment}, text=True)


def test_workers_start_where_a_socket_has_no_room(tmp_path):
    folder = tmp_path / ("deep" * 25)
    folder.mkdir()
    work = "print(executor.submit(abs, -3).result())"
    assert run_driver(tmp_path, work, TMPDIR=str(folder)) == "3\n"


def test_signals_to_all_of_a_job_do_not_end_the_server(tmp_path):
    work = (
        "server = executor.submit(os.getppid).result()",
        "[os.kill(server, number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]",
        "time.sleep(0.5)",
        "print(executor.submit(os.getppid).result() == server)",
    )
    assert run_driver(tmp_path, *work) == "True\n"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 4"),
            "out of memory",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory"),
        (WorkerLost("took longer than 120 s"), "took longer than 120 s"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
    ],
)
def test_reasons_are_short(error, reason):
    assert Evaluation.failed_by(error).reason == reason
    assert len(Evaluation.failed_by(ValueError("x" * 10_000)).reason) <= 300
