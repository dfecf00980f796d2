"""How agents start, by hand and through ssh, and what is said where they do not."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from agents import TOKEN, agent

from vidnas.core import UserError
from vidnas.profiling import agent as agent_module
from vidnas.profiling import target
from vidnas.profiling.agent import Timer
from vidnas.profiling.target import TargetLost, agent_source, ask
from vidnas.profiling.wire import LinkLost


@pytest.fixture(autouse=True)
def no_connections() -> Iterator[None]:
    yield
    for connection in target._open.values():
        connection.close()
    target._open.clear()


def started_by_hand(folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    file = folder / "vidnas-agent.py"
    file.write_text(agent_source())
    command = [sys.executable, file, *map(str, options)]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)


def test_an_agent_that_cannot_listen_says_so_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = started_by_hand(tmp_path, "--port", taken.getsockname()[1])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "cannot be listened on (Address already in use); choose another --host or --port, or "
        "--port 0 for one that is free.\n"
    )
    for host in ("192.0.2.1", "a..b"):  # of nobody, and not one
        done = started_by_hand(tmp_path, "--host", host)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"{host}:7070 cannot be listened on (")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("port", ["65536", "-1", "seven"])
def test_an_agent_refuses_a_port_that_is_none(tmp_path: Path, port: str) -> None:
    done = started_by_hand(tmp_path, f"--port={port}")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{port!r} is no port; give one from 0 to 65535" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_agent_on_an_address_of_ipv6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6")
    monkeypatch.setenv("VIDNAS_TARGET_TOKEN", TOKEN)
    with agent(tmp_path, "--host", "::1") as (_, port):
        name = f"tcp://[::1]:{port}"
        assert ask(name, lambda connection: connection.device).endswith(f" at {name}")


def write_program(path: Path, *lines: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for ssh: it runs the command here, as a login shell does there."""
    program = write_program(
        tmp_path / "bin" / "ssh", "for command; do :; done", 'exec sh -c "$command"'
    )
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


@pytest.mark.usefixtures("ssh")
def test_a_path_with_a_space(tmp_path: Path) -> None:
    python = write_program(tmp_path / "my venv" / "python", f'exec {sys.executable} "$@"')
    name = f"ssh://robot{python}"
    assert ask(name, lambda connection: connection.device).endswith(f" at {name}")


def why_not(name: str) -> str:
    with pytest.raises(UserError) as caught:
        ask(name, lambda connection: connection.device)
    assert not isinstance(caught.value, TargetLost)
    return str(caught.value)


@pytest.mark.usefixtures("ssh")
def test_a_python_that_does_not_start_is_not_a_target_that_is_away(tmp_path: Path) -> None:
    said = why_not("ssh://robot/nosuch/python")
    assert said.startswith("On the target ssh://robot/nosuch/python Python could not be started (")
    assert re.search(r"(not found|No such file or directory)\); name another Python there", said)
    assert said.endswith("3.9 or newer: ssh://user@host/path/of/python.")
    silent = write_program(tmp_path / "silent", "exit 0")
    assert "(it ended without a word)" in why_not(f"ssh://robot{silent}")


@pytest.mark.usefixtures("ssh")
def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = write_program(
        tmp_path / "old",
        'code="$2"; shift 2',
        f'exec {sys.executable} -c "import sys; sys.version_info = 3, 6; $code" "$@"',
    )
    assert "could not be started (it is Python 3.6); name another" in why_not(f"ssh://robot{old}")


def test_what_ssh_cannot_reach_is_away(ssh: Path) -> None:
    write_program(ssh, "echo Connection refused >&2", "exit 255")
    with pytest.raises(TargetLost, match=r"does not answer \(Connection refused\); run the same"):
        ask("ssh://robot", lambda connection: connection.device)


@pytest.mark.usefixtures("ssh")
def test_an_agent_that_dies_after_its_greeting_is_away(tmp_path: Path) -> None:
    greets = write_program(tmp_path / "greets", "printf '\\nvidnas-agent 1\\n'", "exit 3")
    with pytest.raises(TargetLost):
        ask(f"ssh://robot{greets}", lambda connection: connection.device)


class Leaving:
    """A link whose other end is gone once its network is timed."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    def send(self, message: dict[str, Any]) -> None:
        if self._timer._process is not None:
            raise LinkLost("it has closed the connection")


def test_who_asks_next_does_not_meet_a_timer_that_was_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent_module, "BEAT_S", 0.1)
    monkeypatch.setitem(agent_module._ANSWERS, "wait", lambda message, data: time.sleep(60))
    timer = Timer()
    with pytest.raises(LinkLost):
        timer.ask(Leaving(timer), {"do": "wait"}, b"")  # type: ignore[arg-type]
    assert not psutil.pid_exists(timer._process.pid)  # nor is it one that waits to be buried
