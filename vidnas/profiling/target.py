"""The machine where a model will run: how it is named, reached and asked."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from vidnas.core import UserError
from vidnas.profiling.agent import DEFAULT_PORT, MOST_PORT, TOKEN_VARIABLE, proof
from vidnas.profiling.wire import SILENCE_S, Link, LinkLost

_NAME = re.compile(
    r"(?P<scheme>ssh|tcp)://((?P<user>\w[\w.-]*)@)?(?P<host>\w[\w.-]*|\[[0-9a-fA-F:.]+\])"
    r"(:(?P<port>\d{1,5}))?(/|(?P<python>/[^\s'\"]+( +[^\s'\"]+)*))?"
)
_PARTS = ("pairing.py", "session.py", "wire.py", "agent.py")
_NO_MODULE = "No module named "
_ORDINARY_PYTHON = "python3"
_MOST_COMPLAINT_BYTES = 1 << 16
Answer = TypeVar("Answer")
_OLDEST_PYTHON = (3, 9)
_SSH_FAILED = 255
"""With what ssh exits where it, and not the program there, went wrong."""
_START_S = 60.0
"""What a login and the import of onnxruntime take on a slow board."""
# Reads no byte more than the program from standard input: what follows is for the program. Old
# Pythons understand it, too.
_BOOTSTRAP = (
    "import os, sys\n"
    f"if sys.version_info < {_OLDEST_PYTHON}:\n"
    "    sys.exit('it is Python %d.%d' % sys.version_info[:2])\n"
    "left, parts = int(sys.argv.pop(1)), []\n"
    "while left:\n"
    "    part = os.read(0, left)\n"
    "    if not part:\n"
    "        sys.exit('the program did not arrive')\n"
    "    parts.append(part)\n"
    "    left -= len(part)\n"
    "exec(compile(b''.join(parts), 'vidnas-agent', 'exec'))\n"
)


class TargetLost(UserError):
    """The target does not answer; that is nobody's fault, and least of all a candidate's."""


def agent_source() -> str:
    """Return the agent with what it imports as one Python file that needs no vidnas."""
    folder = Path(__file__).parent
    lines = [line for part in _PARTS for line in (folder / part).read_text().splitlines()]
    future = "from __future__ import annotations"
    own = [line for line in lines if line != future and not line.startswith("from vidnas.")]
    return "\n".join([future, *own, ""])


@dataclass(frozen=True)
class Target:
    """A machine by the name that people give it."""

    name: str
    scheme: str
    host: str
    user: str | None
    port: int | None
    python: str
    """The Python there that has numpy and onnxruntime."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `ssh://user@host:port/path/of/python` or `tcp://host:port`.

        Raises:
            UserError: it is neither, or there is no such port.
        """
        found = _NAME.fullmatch(text)
        if found is None or (found["scheme"] == "tcp" and (found["user"] or found["python"])):
            raise UserError(
                f"The target {text!r} is neither ssh://user@host nor tcp://host:port; for another "
                "Python than python3 write ssh://user@host/path/of/python."
            )
        port = int(found["port"]) if found["port"] else None
        if port is not None and not 0 < port <= MOST_PORT:
            raise UserError(
                f"The target {text!r} has port {port}, and ports are from 1 to {MOST_PORT}; give "
                "the one on which it listens."
            )
        python = found["python"] or _ORDINARY_PYTHON
        return cls(text, found["scheme"], found["host"].strip("[]"), found["user"], port, python)

    def connect(self) -> Connection:
        """Reach the agent: over ssh it is copied there and started, on a port it is waiting.

        Raises:
            LinkLost: it cannot be reached.
            UserError: the token is wrong, or what it needs is missing, here or there.
        """
        connection = self._over_ssh() if self.scheme == "ssh" else self._on_port()
        try:
            connection.introduce(self)
        except BaseException:
            connection.close()
            raise
        return connection

    def _over_ssh(self) -> Connection:
        program = agent_source().encode()
        remote = [self.python, "-c", _BOOTSTRAP, str(len(program)), "--stdio"]
        command = [
            *("ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={SILENCE_S:.0f}"),
            *(("-p", str(self.port)) if self.port else ()),
            *("--", f"{self.user}@{self.host}" if self.user else self.host, shlex.join(remote)),
        ]
        complaints = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the connection
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,  # Ctrl-C is for this process
            )
        except FileNotFoundError as error:
            raise UserError("There is no program ssh here; install OpenSSH's client.") from error
        assert process.stdin is not None and process.stdout is not None
        link = Link(process.stdout.fileno(), process.stdin.fileno())
        connection = Connection(link, process, complaints)
        with suppress(LinkLost):  # the answer will be missed, and the reason known by then
            link.write(program)
        return connection

    def _on_port(self) -> Connection:
        if TOKEN_VARIABLE not in os.environ:
            raise UserError(
                f"{self.name} wants the token that its agent was started with; set "
                f"{TOKEN_VARIABLE} to it."
            )
        try:
            place = (self.host, self.port or DEFAULT_PORT)
            opened = socket.create_connection(place, timeout=SILENCE_S)
        except (OSError, UnicodeError) as error:
            raise LinkLost(getattr(error, "strerror", None) or str(error)) from error
        opened.settimeout(None)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a message is two writes
        return Connection(Link(opened.fileno(), opened.fileno()), opened)


@dataclass
class Connection:
    """A way to an agent that was reached."""

    link: Link
    carrier: subprocess.Popen[bytes] | socket.socket
    complaints: IO[bytes] | None = None
    """What ssh, and the other machine, say of errors."""
    device: str = ""
    runtime: str = ""
    dtype: str = "float32"

    def introduce(self, target: Target) -> None:
        """Prove who asks, and learn who answers.

        Raises:
            LinkLost: nobody answers.
            UserError: the token is wrong, or Python, numpy or onnxruntime is missing there.
        """
        self.link.patience_s = _START_S if target.scheme == "ssh" else SILENCE_S
        greeted = False
        try:
            self.link.await_greeting()
            greeted = True
            challenge, _ = self.link.receive()
            token = os.environ.get(TOKEN_VARIABLE, "") if challenge.get("challenge") else ""
            answer = self.request({"proof": proof(token, str(challenge.get("challenge")))})
        except LinkLost as error:
            complaint = self._complaint()
            if _NO_MODULE in complaint:
                raise _lacking(target, complaint.partition(_NO_MODULE)[2]) from error
            if not greeted and self._has_ended_there():
                raise _not_started(target, complaint) from error
            raise LinkLost(complaint or str(error)) from error
        self.link.patience_s = SILENCE_S
        if "refused" in answer:
            raise UserError(
                f"{target.name} refuses: {answer['refused']}; set {TOKEN_VARIABLE} to that with "
                "which its agent was started."
            )
        if "lacking" in answer:
            raise _lacking(target, str(answer["lacking"]))
        self.device = f"cpu ({answer.get('device')}) at {target.name}"
        self.runtime = str(answer.get("runtime"))

    def request(self, message: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
        """Return the answer to a message.

        Raises:
            LinkLost: there is none.
        """
        self.link.send(message, data)
        while True:
            answer, _ = self.link.receive()
            if "busy" not in answer:
                return answer

    def close(self) -> None:
        """Hang up."""
        if isinstance(self.carrier, socket.socket):
            self.carrier.close()
            return
        self.carrier.kill()
        self.carrier.wait()
        for pipe in (self.carrier.stdin, self.carrier.stdout, self.complaints):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _has_ended_there(self) -> bool:
        """Return whether ssh reached the other machine, and what it started there has ended."""
        if isinstance(self.carrier, socket.socket):
            return False
        code = self.carrier.poll()
        return code is not None and 0 <= code < _SSH_FAILED

    def _complaint(self) -> str:
        """Return the last line of what went wrong on the way, once the way is closed."""
        if isinstance(self.carrier, socket.socket) or self.complaints is None:
            return ""
        with suppress(subprocess.TimeoutExpired):
            self.carrier.wait(timeout=1)
        self.complaints.seek(0)
        lines = self.complaints.read(_MOST_COMPLAINT_BYTES).decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _lacking(target: Target, what: str) -> UserError:
    return UserError(
        f"The target {target.name} lacks {what.strip()}; install numpy and onnxruntime there, or "
        "name a Python that has them: ssh://user@host/path/of/python."
    )


def _not_started(target: Target, why: str) -> UserError:
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    return UserError(
        f"On the target {target.name} Python could not be started "
        f"({why or 'it ended without a word'}); name another Python there, {oldest} or newer: "
        "ssh://user@host/path/of/python."
    )


_open: dict[str, Connection] = {}
"""The connections of this process, by the names of targets; each is used by one thread."""


def ask(name: str, question: Callable[[Connection], Answer]) -> Answer:
    """Ask a target, over a connection that stays open; one that broke is made anew, once.

    Raises:
        TargetLost: the target cannot be reached, or does not answer any more.
        UserError: the name is not one, or what is needed is missing, here or there.
    """
    target = Target.parse(name)
    for last in (False, True):
        connection = _open.pop(name, None)
        try:
            connection = connection or target.connect()
            answer = question(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if not isinstance(error, LinkLost):
                raise
            if last:
                raise TargetLost(
                    f"The target {name} does not answer ({error}); run the same command again when "
                    "it is back."
                ) from error
        else:
            _open[name] = connection
            return answer
    raise AssertionError("the second try answers or raises")
