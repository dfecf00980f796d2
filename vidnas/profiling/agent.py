"""Times networks on the machine where they will run.

It needs Python 3.9, numpy and onnxruntime, and nothing of vidnas: `agent_source` puts it and what
it imports into one file, which `--target ssh://...` starts on the target, or a person:

    python3 vidnas-agent.py --port 7070
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import hmac
import multiprocessing
import os
import platform
import secrets
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from vidnas.profiling.pairing import Series, Stopwatch
from vidnas.profiling.session import session_options
from vidnas.profiling.wire import BEAT_S, GREETING, MOST_BYTES, Link, LinkLost

TOKEN_VARIABLE = "VIDNAS_TARGET_TOKEN"
DEFAULT_PORT = 7070
MOST_PORT = 65535
_UNKNOWN_MOST_BYTES = 4096
_MOST_CONNECTIONS = 64


def proof(token: str, challenge: str) -> str:
    """Return what shows that one knows the token, without telling it."""
    return hmac.new(token.encode(), challenge.encode(), hashlib.sha256).hexdigest()


class Timer:
    """A child process that times, one network after the other; the network may be its death."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("fork")
        self._turn = threading.Lock()
        self._process: Any = None
        self._pipe: Any = None

    def ask(self, link: Link, message: dict[str, Any], data: bytes) -> dict[str, Any]:
        """Return the child's answer, and let the other end know meanwhile that there will be one.

        Only one network runs on this machine at a time, whoever asks.
        """
        with self._turns(link):
            if self._process is None or not self._process.is_alive():
                self._pipe, theirs = self._context.Pipe()
                arguments = theirs, self._pipe
                self._process = self._context.Process(target=_work, args=arguments, daemon=True)
                self._process.start()
                theirs.close()
            try:
                self._pipe.send((message, data))
                while not self._pipe.poll(BEAT_S):
                    link.send({"busy": True})
                answer: dict[str, Any] = self._pipe.recv()
            except (EOFError, BrokenPipeError, ConnectionResetError):
                self._process.join()
                code = self._process.exitcode
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                return {"failed": f"the process that timed it ended with {how}"}
            except LinkLost:
                self._process.kill()  # nobody waits for it any more
                self._process.join()  # or the next one would ask it
                raise
        return answer

    @contextlib.contextmanager
    def _turns(self, link: Link) -> Any:
        path = Path(tempfile.gettempdir()) / f"vidnas-agent-{os.getuid()}.lock"
        last = time.monotonic()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            while not self._take(file):
                if time.monotonic() - last > BEAT_S:
                    link.send({"busy": True})
                    last = time.monotonic()
                time.sleep(0.02)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # a child has the file open, too
                self._turn.release()
        finally:
            os.close(file)

    def _take(self, file: int) -> bool:
        if not self._turn.acquire(blocking=False):
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._turn.release()
            return False
        return True


def _work(pipe: Any, theirs: Any) -> None:
    """Answer in the child process until the agent is gone."""
    theirs.close()  # or the end of the agent would go unnoticed
    while True:
        try:
            message, data = pipe.recv()
        except EOFError:
            return
        try:
            answer = _ANSWERS[message["do"]](message, data)
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"[:2000]}
        pipe.send(answer)


def _describe(message: dict[str, Any], data: bytes) -> dict[str, Any]:
    try:
        import numpy  # noqa: F401
        import onnxruntime
    except ImportError as error:
        return {"lacking": f"{error.name or error} for {sys.executable}"}
    return {"device": _cpu_name(), "runtime": f"onnxruntime {onnxruntime.__version__}"}


def _calibrate(message: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Time the reference network at rest, in blocks."""
    run, watch = _prepared(data, message["threads"]), _stopwatch(message["threads"])
    run()
    blocks = [
        [watch.once(run).own_ms for _ in range(message["repeats"])]
        for _ in range(message["blocks"])
    ]
    return {"blocks": blocks}


def _time(message: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Time a network in alternation with the reference network, which follows it in the data."""
    threads, size = message["threads"], message["network_bytes"]
    series = Series(
        _prepared(data[:size], threads),
        _stopwatch(threads),
        _prepared(data[size:], threads),
        warmup=message["warmup"],
        repeats=message["repeats"],
        give_up=message["give_up"],
    ).take()
    pairs = [[list(pair.own), list(pair.beside or ())] for pair in series.pairs]
    return {"pairs": pairs, "warmup": series.warmup}


_ANSWERS = {"describe": _describe, "calibrate": _calibrate, "time": _time}


def _stopwatch(threads: int) -> Stopwatch:
    return Stopwatch(one_thread=threads == 1)


def _prepared(network: bytes, threads: int) -> Any:
    import numpy
    import onnxruntime

    options = session_options(threads)
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    random = numpy.random.default_rng(0)
    feed = {}
    for node in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in node.shape]  # batch N
        feed[node.name] = random.random(shape, dtype=numpy.float32)
    return lambda: session.run(None, feed)


def _cpu_name() -> str:
    """Return the model of the processor, or of the board where that is what is known."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as file:
        known = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in file}
        if found := known.get("model name") or known.get("Model"):
            return found
    return platform.processor() or platform.machine()


def serve(link: Link, timer: Timer, token: str) -> None:
    """Greet, let the other end prove that it knows the token, and answer until it is gone."""
    challenge = secrets.token_hex(16) if token else ""
    link.write(GREETING)
    link.send({"challenge": challenge})
    answer, _ = link.receive()
    if token and not hmac.compare_digest(str(answer.get("proof")), proof(token, challenge)):
        link.send({"refused": "the token is another one"})
        return
    link.most_bytes = MOST_BYTES
    link.send(timer.ask(link, {"do": "describe"}, b""))
    while True:
        message, data = link.receive(at_leisure=True)
        link.send(timer.ask(link, message, data))


def _listen(host: str, port: int) -> None:
    token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(16)
    timer, free = Timer(), threading.BoundedSemaphore(_MOST_CONNECTIONS)
    with _server(host, port) as server:
        print(f"Listening on {_address(host, server.getsockname()[1])}; ", end="")
        print(f"on the other machine, set {TOKEN_VARIABLE}={token}", flush=True)
        while True:
            connection, _ = server.accept()
            if free.acquire(blocking=False):
                arguments = connection, timer, token, free
                threading.Thread(target=_converse, args=arguments, daemon=True).start()
            else:
                connection.close()


def _server(host: str, port: int) -> socket.socket:
    """Return a socket that listens; end with one sentence where nobody can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        cause = str(getattr(error, "strerror", None) or error).partition(" (while ")[0]
        sentence = f"{_address(host, port)} cannot be listened on ({cause}); choose another "
        print(f"{sentence}--host or --port, or --port 0 for one that is free.", file=sys.stderr)
        sys.exit(2)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(text: str) -> int:
    if not (text.isdecimal() and len(text) < 6 and int(text) <= MOST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give one from 0 to {MOST_PORT}")
    return int(text)


def _converse(
    connection: socket.socket, timer: Timer, token: str, free: threading.BoundedSemaphore
) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a message is two writes
    place = connection.fileno()
    try:
        with connection, contextlib.suppress(LinkLost, OSError):
            serve(Link(place, place, _UNKNOWN_MOST_BYTES), timer, token)
            connection.shutdown(socket.SHUT_RDWR)  # a child has it open, too
    finally:
        free.release()


def main() -> None:
    """Answer on a port, or, where the connection is there already, on standard input and output."""
    parser = argparse.ArgumentParser(description="Times networks for vidnas on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="port to listen on")
    parser.add_argument("--stdio", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with contextlib.suppress(LinkLost, KeyboardInterrupt):
        if arguments.stdio:
            serve(Link(0, os.dup(1)), Timer(), "")
        else:
            _listen(arguments.host, arguments.port)


if __name__ == "__main__":
    main()
