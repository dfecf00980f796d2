"""Latency on another machine: its agent runs here, in a process of its own."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from agents import TOKEN, agent

from vidnas.core import UserError
from vidnas.families import Network, create_network
from vidnas.profiling import calibrate, measure_cost, measure_latency, target, wire
from vidnas.profiling.agent import _prepared
from vidnas.profiling.engines import onnxruntime_session
from vidnas.profiling.remote import TargetFailure, calibrate_target, measure_on_target
from vidnas.profiling.target import Target, TargetLost, agent_source

REPEATS = 10


@pytest.fixture(scope="module")
def network() -> Network:
    genes = {"frames": 2, "frame_stride": 1, "size_px": 64}
    return create_network("tvn_mobile_1", 3, **genes).eval()


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("VIDNAS_TARGET_TOKEN", TOKEN)
    yield
    for connection in target._open.values():
        connection.close()
    target._open.clear()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (wire, target):
        monkeypatch.setattr(module, "SILENCE_S", 5.0)


def test_the_agent_needs_python_numpy_and_onnxruntime_alone() -> None:
    imported = {
        line.split()[1].partition(".")[0]
        for line in agent_source().splitlines()
        if line.strip().startswith(("import ", "from "))
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}


def test_a_target_is_timed_as_this_machine_is(network: Network, tmp_path: Path) -> None:
    with agent(tmp_path) as (_, port):
        name = f"tcp://127.0.0.1:{port}"
        there, here = calibrate_target(name), calibrate()
        assert there.target == name
        assert there.protocol.model_copy(update={"device": here.protocol.device}) == here.protocol
        assert there.protocol.device == f"{here.protocol.device} at {name}"
        assert 0.5 < there.latency_ms / here.latency_ms < 2
        cost = measure_cost(network, reference=there, repeats=REPEATS)
        latency = measure_latency(network, reference=here, repeats=REPEATS)
        assert cost.latency is not None
        assert 0.5 < cost.latency.p50_ms / latency.p50_ms < 2
        assert cost.latency.protocol.device == there.protocol.device
        assert cost.latency.protocol.repeats == REPEATS
        assert cost.latency.cpu_p50_ms and cost.latency.slowdown
        given_up = measure_on_target(network, there, give_up_ms=1e-6)
        assert given_up.protocol.repeats < REPEATS


def test_sessions_are_set_up_there_as_here(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, ...]] = []

    def session(graph: bytes, options: Any, providers: list[str]) -> Any:
        spinning = options.get_session_config_entry("session.force_spinning_stop")
        threads = options.intra_op_num_threads, options.inter_op_num_threads
        seen.append((spinning, threads, providers))
        return SimpleNamespace(get_inputs=list)

    monkeypatch.setattr("onnxruntime.InferenceSession", session)
    onnxruntime_session(b"", threads=2)
    _prepared(b"", 2)
    assert seen == [("1", (2, 1), ["CPUExecutionProvider"])] * 2


def test_another_thread_count_is_measured_by_the_wall(network: Network, tmp_path: Path) -> None:
    with agent(tmp_path) as (_, port):
        reference = calibrate_target(f"tcp://127.0.0.1:{port}", threads=2)
        latency = measure_on_target(network, reference, repeats=REPEATS)
    assert latency.protocol.threads == 2
    assert latency.cpu_p50_ms is None


def test_the_link_is_not_in_the_number(network: Network, tmp_path: Path) -> None:
    with agent(tmp_path) as (_, port), slow_link(port, delay_s=0.2) as slow:
        near, far = (calibrate_target(f"tcp://127.0.0.1:{one}") for one in (port, slow))
        assert far.latency_ms < 3 * near.latency_ms
        started = time.monotonic()
        latency = measure_on_target(network, far, repeats=REPEATS)
        assert time.monotonic() - started > 0.4  # there and back
        assert latency.p50_ms < 3 * measure_on_target(network, near, repeats=REPEATS).p50_ms


class slow_link:
    """A port in front of another one, on which all takes its time."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._port, self._delay_s = port, delay_s
        self._server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._accept, daemon=True).start()
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        near, _ = self._server.accept()
        far = socket.create_connection(("127.0.0.1", self._port))
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        while part := source.recv(1 << 20):
            time.sleep(self._delay_s)
            sink.sendall(part)


def test_a_slower_machine_is_slower(network: Network, tmp_path: Path) -> None:
    """Its onnxruntime computes everything four times."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "onnxruntime.py").write_text(
        "import importlib, sys\n"
        "own = sys.path.pop(sys.path.index(__path_of_this))\n"
        "del sys.modules['onnxruntime']\n"
        "real = importlib.import_module('onnxruntime')\n"
        "class InferenceSession(real.InferenceSession):\n"
        "    def run(self, *arguments):\n"
        "        for _ in range(3): super().run(*arguments)\n"
        "        return super().run(*arguments)\n"
        "SessionOptions, __version__ = real.SessionOptions, real.__version__\n"
        "sys.modules['onnxruntime'] = sys.modules[__name__] = type(sys)('onnxruntime')\n"
        "sys.modules['onnxruntime'].__dict__.update(globals())\n".replace(
            "__path_of_this", repr(str(tmp_path / "slow"))
        )
    )
    with agent(tmp_path) as (_, port):
        fast = calibrate_target(f"tcp://127.0.0.1:{port}")
        fast_ms = measure_on_target(network, fast, repeats=REPEATS).p50_ms
    with agent(tmp_path, environment={"PYTHONPATH": str(tmp_path / "slow")}) as (_, port):
        slow = calibrate_target(f"tcp://127.0.0.1:{port}")
        slow_ms = measure_on_target(network, slow, repeats=REPEATS).p50_ms
    assert 2.5 < slow.latency_ms / fast.latency_ms < 6
    assert 2.5 < slow_ms / fast_ms < 6


def test_a_busy_neighbour_on_its_core_changes_little(network: Network, tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    with agent(tmp_path, before=("taskset", "-c", str(core))) as (_, port):
        reference = calibrate_target(f"tcp://127.0.0.1:{port}")
        calm = measure_on_target(network, reference, repeats=30)
        with busy(core):
            disturbed = measure_on_target(network, reference, repeats=30)
    assert 0.6 < disturbed.p50_ms / calm.p50_ms < 1.6
    assert disturbed.wall_p50_ms is not None


class busy:
    """A process that takes all it gets of a core."""

    def __init__(self, core: int) -> None:
        self._core = core

    def __enter__(self) -> None:
        loop = [sys.executable, "-c", "while True: pass"]
        self._process = subprocess.Popen(["taskset", "-c", str(self._core), *loop])

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def test_who_does_not_know_the_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path) as (_, port):
        name = f"tcp://127.0.0.1:{port}"
        monkeypatch.setenv("VIDNAS_TARGET_TOKEN", "guessed")
        with pytest.raises(UserError, match="refuses: the token is another one; set VIDNAS"):
            calibrate_target(name)
        monkeypatch.delenv("VIDNAS_TARGET_TOKEN")
        with pytest.raises(UserError, match="wants the token"):
            calibrate_target(name)
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"\0" * 4 + b"\xff" * 8 + b"GET / HTTP/1.1\r\n\r\n")
            stranger.settimeout(30)
            with suppress(ConnectionResetError):
                while stranger.recv(1 << 16):
                    pass  # it hangs up
        monkeypatch.setenv("VIDNAS_TARGET_TOKEN", TOKEN)
        assert calibrate_target(name).latency_ms > 0


def test_it_listens_here_alone_unless_told(tmp_path: Path) -> None:
    with agent(tmp_path) as (process, port):
        places = [one.laddr for one in psutil.Process(process.pid).net_connections("inet")]
    assert [tuple(place) for place in places] == [("127.0.0.1", port)]


def test_a_target_that_dies_is_lost(network: Network, tmp_path: Path, impatient: None) -> None:
    with agent(tmp_path) as (process, port):
        reference = calibrate_target(f"tcp://127.0.0.1:{port}")
        process.kill()
        process.wait()
        with pytest.raises(TargetLost, match=r"does not answer .*; run the same command again"):
            measure_on_target(network, reference)


def test_a_target_that_falls_silent_is_lost(
    network: Network, tmp_path: Path, impatient: None
) -> None:
    with agent(tmp_path) as (process, port):
        reference = calibrate_target(f"tcp://127.0.0.1:{port}")
        process.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(TargetLost, match="has said nothing for 5 s"):
            measure_on_target(network, reference)
        assert time.monotonic() - started < 60
        process.send_signal(signal.SIGCONT)


def test_a_network_that_kills_its_timer_fails_and_no_other(
    network: Network, tmp_path: Path
) -> None:
    with agent(tmp_path) as (process, port):
        reference = calibrate_target(f"tcp://127.0.0.1:{port}")
        (timer,) = psutil.Process(process.pid).children()
        idle_s = timer.cpu_times().user

        def kill() -> None:
            while timer.cpu_times().user < idle_s + 0.5:
                time.sleep(0.02)
            timer.kill()

        threading.Thread(target=kill).start()
        with pytest.raises(TargetFailure, match="the process that timed it ended with signal 9"):
            measure_on_target(network, reference, repeats=100_000)
        assert measure_on_target(network, reference, repeats=REPEATS).p50_ms > 0


def test_a_target_that_is_not_as_it_was_calibrated_is_refused(
    network: Network, tmp_path: Path
) -> None:
    with agent(tmp_path) as (_, port):
        reference = calibrate_target(f"tcp://127.0.0.1:{port}")
        for was in ({"device": "cpu (Z80)"}, {"runtime": "onnxruntime 0.1"}):
            protocol = reference.protocol.model_copy(update=was)
            (name,) = was.values()
            with pytest.raises(UserError, match=rf"calibrated on .*{re.escape(name)}.*; start an"):
                measure_on_target(network, reference.model_copy(update={"protocol": protocol}))


def test_only_one_network_runs_there_at_a_time(network: Network, tmp_path: Path) -> None:
    """Each worker of a search starts an agent of its own over ssh: they take turns."""
    with agent(tmp_path) as (_, port):
        reference = calibrate_target(f"tcp://127.0.0.1:{port}")
        found = []
        thread = threading.Thread(
            target=lambda: found.append(measure_on_target(network, reference, repeats=REPEATS))
        )
        lock = Path(tempfile.gettempdir()) / f"vidnas-agent-{os.getuid()}.lock"
        with lock.open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            thread.start()
            thread.join(timeout=4)
            assert not found
        thread.join()
        assert found


@pytest.mark.parametrize(
    "name",
    [
        "robot", "ssh://", "ssh://-oProxyCommand=x", "ssh://pi@-x", "http://robot", "tcp://a/b",
        "ssh://pi@robot/usr/bin/py\tthon", "ssh://pi@robot:port", "tcp://me@robot:7070",
        "ssh://pi@robot/ python", "ssh://pi@robot/usr/bin/python ",
    ],
)  # fmt: skip
def test_bad_names(name: str) -> None:
    with pytest.raises(UserError, match="is neither ssh://user@host nor tcp://host:port"):
        Target.parse(name)


def test_good_names() -> None:
    found = Target.parse("ssh://pi@robot.local:2222/home/pi/venv/bin/python")
    assert (found.user, found.host, found.port) == ("pi", "robot.local", 2222)
    assert found.python == "/home/pi/venv/bin/python"
    assert Target.parse("tcp://[::1]:7070").host == "::1"
    assert Target.parse("ssh://robot").python == "python3"
    assert Target.parse("ssh://pi@robot/").python == "python3"
    assert Target.parse("tcp://robot:7070/").port == 7070
    assert Target.parse("ssh://robot/my venv/bin/python").python == "/my venv/bin/python"


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_port_that_is_none(port: int) -> None:
    for scheme in ("ssh", "tcp"):
        with pytest.raises(UserError, match=f"has port {port}, and ports are from 1 to 65535"):
            Target.parse(f"{scheme}://robot:{port}")


def test_on_a_target_networks_run_in_onnxruntime() -> None:
    with pytest.raises(UserError, match="run in onnxruntime, not openvino"):
        calibrate_target("tcp://127.0.0.1:9", runtime="openvino")
