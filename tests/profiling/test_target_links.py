"""Targets over real links: an sshd on loopback, and a second network that can be cut."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from agents import TOKEN, agent

from vidnas.core import UserError
from vidnas.families import Network, create_network
from vidnas.profiling import target, wire
from vidnas.profiling.remote import calibrate_target, measure_on_target
from vidnas.profiling.target import TargetLost

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
NAMESPACE, HERE, THERE = "vidnas-test", "10.200.77.1", "10.200.77.2"


@pytest.fixture(scope="module")
def network() -> Network:
    genes = {"frames": 2, "frame_stride": 1, "size_px": 64}
    return create_network("tvn_mobile_1", 3, **genes).eval()


@pytest.fixture(autouse=True)
def no_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (wire, target):
        monkeypatch.setattr(module, "SILENCE_S", 5.0)
    yield
    for connection in target._open.values():
        connection.close()
    target._open.clear()


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Start a server that knows one key of ours, and let `ssh` know the server and that key."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's server and client")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for key in ("host", "own"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host'}\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'own.pub'}\nPasswordAuthentication no\n"
        f"PermitRootLogin yes\nPidFile none\n"
    )
    (folder / "ssh_config").write_text(
        f"IdentityFile {folder / 'own'}\nIdentitiesOnly yes\n"
        f"UserKnownHostsFile {folder / 'known'}\nStrictHostKeyChecking yes\n"
    )
    host_key = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key}")
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder / "ssh_config"} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL
    )
    try:
        _await(lambda: socket.create_connection(("127.0.0.1", port)).close())
        yield port
    finally:
        server.kill()
        server.wait()


def _await(attempt: Callable[[], object]) -> None:
    for _ in range(100):
        with suppress(OSError):
            attempt()
            return
        time.sleep(0.1)
    pytest.skip("the server does not start here")


def test_over_ssh(sshd: int, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDNAS_TARGET_TOKEN", raising=False)
    name = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd}{sys.executable}"
    reference = calibrate_target(name)
    assert reference.protocol.device.endswith(f" at {name}")
    latency = measure_on_target(network, reference, repeats=10)
    assert 0 < latency.p50_ms < 1000
    assert latency.protocol.runtime.startswith("onnxruntime ")
    # A connection that broke meanwhile is made anew.
    carrier = target._open[name].carrier
    assert isinstance(carrier, subprocess.Popen)
    carrier.kill()
    assert measure_on_target(network, reference, repeats=10).p50_ms > 0


def test_what_is_wrong_over_ssh_is_said(sshd: int, tmp_path: Path) -> None:
    me = f"ssh://{getpass.getuser()}@127.0.0.1"
    with pytest.raises(UserError, match=r"could not be started .*(nosuchpython|not found|No such)"):
        calibrate_target(f"{me}:{sshd}/nosuchpython")
    with pytest.raises(TargetLost, match=r"does not answer .*Permission denied"):
        calibrate_target(f"ssh://nobody@127.0.0.1:{sshd}")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(TargetLost, match=r"does not answer .*refused"):
            calibrate_target(f"{me}:{closed.getsockname()[1]}")
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # without installed packages
    bare.chmod(0o755)
    with pytest.raises(UserError, match=r"lacks 'numpy'; install numpy and onnxruntime there"):
        calibrate_target(f"{me}:{sshd}{bare}")


@contextmanager
def second_network() -> Iterator[Callable[[], None]]:
    """Make a network namespace and a cable to it, and give what cuts the cable."""

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    inside = ("netns", "exec", NAMESPACE, "ip")
    try:
        ip("netns", "add", NAMESPACE)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to make network namespaces")
    try:
        ip("link", "add", "vidnas0", "type", "veth", "peer", "name", "vidnas1", "netns", NAMESPACE)
        ip("addr", "add", f"{HERE}/24", "dev", "vidnas0")
        ip("link", "set", "vidnas0", "up")
        ip(*inside, "addr", "add", f"{THERE}/24", "dev", "vidnas1")
        ip(*inside, "link", "set", "vidnas1", "up")
        yield lambda: ip("link", "set", "vidnas0", "down")
    finally:
        for words in (("link", "del", "vidnas0"), ("netns", "del", NAMESPACE)):
            subprocess.run(["ip", *words], check=False, capture_output=True)


def test_a_network_that_is_cut(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDNAS_TARGET_TOKEN", TOKEN)
    inside = ("ip", "netns", "exec", NAMESPACE)
    with (
        second_network() as cut,
        agent(tmp_path, "--host", THERE, before=inside) as (_, port),
    ):
        name = f"tcp://{THERE}:{port}"
        reference = calibrate_target(name)
        assert measure_on_target(network, reference, repeats=10).p50_ms > 0
        cut()
        started = time.monotonic()
        with pytest.raises(TargetLost, match=f"The target {name} does not answer"):
            measure_on_target(network, reference, repeats=10)
        assert time.monotonic() - started < 60
