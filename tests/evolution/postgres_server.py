"""A PostgreSQL server of its own, from the binaries of the system."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PostgresServer:
    """Can be stopped, as by an accident, and started again with the same data."""

    pg_ctl: Path
    data: Path
    port: int
    user: str

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}:secret@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.data} -c fsync=off"
        self._control("start", "-o", options, "-l", str(self.data / "log"))

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        run_as(self.user, self.pg_ctl, "-D", self.data, "-w", *arguments)


def run_as(user: str, *command: str | Path) -> None:
    """Run as a user that is not root, which the server rejects."""
    other = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": ()}
    subprocess.run(
        command, check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=60,
        **(other if user != getpass.getuser() else {}),
    )  # fmt: skip


def find_binaries() -> Path | None:
    """Return the newest folder with `initdb` and `pg_ctl`, or None if there is no server to run."""
    if os.getuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        return None  # it does not run as root
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    return next((one for one in [*installed, *on_path] if (one / "pg_ctl").exists()), None)


@contextmanager
def postgres_server(binaries: Path) -> Iterator[PostgresServer]:
    user = "postgres" if os.getuid() == 0 else getpass.getuser()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not below pytest's folders: other users may not enter them.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "password").write_text("secret")
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(mode=0o700)
        shutil.chown(data, user)
        run_as(
            user, binaries / "initdb", "-D", data, "-U", user, "--no-sync",
            "--auth=scram-sha-256", f"--pwfile={folder / 'password'}",
        )  # fmt: skip
        server = PostgresServer(binaries / "pg_ctl", data, port, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
