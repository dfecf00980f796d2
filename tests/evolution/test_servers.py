"""A study's folder makes nobody connect to a server that the user has not named."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from search_toys import ToyEvaluator, ToySpace, toy_config

import vidnas
from vidnas.core import UserError
from vidnas.evolution.servers import VARIABLE, found_server, given_server, remember_server
from vidnas.evolution.study import Study
from vidnas.workflows import studies
from vidnas.workflows.ensemble import ensemble_studies
from vidnas.workflows.listener import Listener
from vidnas.workflows.status import read_status

HOST = "db.example"


@pytest.fixture(autouse=True)
def drivers() -> None:
    pytest.importorskip("psycopg", reason="needs the extra postgresql")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path / "home"


@pytest.fixture
def listening() -> Iterator[tuple[int, list[str]]]:
    """A server of a stranger: its port, and who called."""
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    connection, caller = server.accept()
                except TimeoutError:
                    continue
                calls.append(str(caller))
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], calls
        ended.set()
        thread.join()


def strangers_study(folder: Path, url: str) -> Path:
    Study.create_or_resume(folder, toy_config()).close()
    (folder / "study.db").unlink()
    (folder / "storage.json").write_text(json.dumps({"url": url, "study": "vidnas-0"}))
    return folder


def look(name: str, folder: Path) -> None:
    other = folder.parent / "other"
    looks = {
        "status": lambda: read_status(folder),
        "resume": lambda: Study.create_or_resume(folder, toy_config()),
        "read": lambda: Study.read(folder),
        "fork": lambda: studies.fork(folder, other, Listener()),
        "ensemble": lambda: ensemble_studies([folder]),
    }
    looks[name]()


@pytest.mark.parametrize("name", ["status", "resume", "read", "fork", "ensemble"])
def test_looking_at_a_strangers_study_calls_nobody(tmp_path, listening, name):
    port, calls = listening
    url = f"postgresql+psycopg://me:hers@127.0.0.1:{port}/db"
    folder = strangers_study(tmp_path / "study", url)
    (folder / "request.json").write_text('{"clips": "clips"}')
    expected = rf"storage\.json names the database .*127\.0\.0\.1:{port}/db, .*{VARIABLE}"
    with pytest.raises(UserError, match=expected) as caught:
        look(name, folder)
    assert "hers" not in str(caught.value)
    assert calls == []
    with pytest.raises(UserError, match="check that the server is running"):
        Study.read(folder, f"postgresql://me@127.0.0.1:{port}/db")  # the user says so
    assert calls


def test_a_search_from_python_may_keep_its_trials_on_a_server(tmp_path, listening):
    port, calls = listening
    with pytest.raises(UserError, match="check that the server is running"):
        vidnas.search(
            ToySpace(),
            ToyEvaluator(),
            evaluations=1,
            folder=tmp_path / "study",
            storage=f"postgresql://me@127.0.0.1:{port}/db",
        )
    assert calls


def test_a_server_that_the_user_named_is_known_from_then_on(tmp_path, home, monkeypatch):
    remember_server(given_server(f"postgresql://me:secret@{HOST}/mine"))
    remember_server(given_server(f"postgresql://me:secret@{HOST}:5432/other"))
    file = home / "vidnas" / "servers"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "secret" not in file.read_text()
    found = found_server(f"postgresql+psycopg://me@{HOST.upper()}/theirs", tmp_path)
    assert (found.host, found.username, found.database) == (HOST, "me", "theirs")
    # Another person's name is not sent in one's own stead, nor is a password that came along.
    found = found_server(f"postgresql://anna:hers@{HOST}/theirs", tmp_path)
    assert (found.username, found.password) == ("me", None)


def test_a_variable_names_servers_for_one_command(tmp_path, home, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"nonsense postgresql://me:mine@{HOST}:99 mysql://other")
    found = found_server(f"postgresql://{HOST}:99/theirs", tmp_path)
    assert (found.username, found.password, found.port) == ("me", "mine", 99)
    assert not home.exists()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://{HOST}:1/db",
        f"postgresql://{HOST}.evil.example/db",
        f"postgresql://{HOST},evil.example/db",
        f"postgresql://me@evil.example@{HOST}.example/db",
        f"mysql://{HOST}/db",
        f"postgresql://{HOST}/db?host=evil.example",
        f"postgresql://{HOST}/db?hostaddr=10.0.0.1",
        f"postgresql://{HOST}/db?service=theirs",
        f"postgresql://{HOST}/db?passfile=/home/me/.ssh/id_rsa",
        f"postgresql://{HOST}/db?sslkey=/home/me/.ssh/id_rsa",
        f"postgresql://{HOST}/db?options=-c%20search_path%3Devil",
        f"mysql://{HOST}/db?read_default_file=/home/me/.my.cnf",
        f"mysql://{HOST}/db?local_infile=1",
        f"mysql://{HOST}/db?unix_socket=/tmp/evil",
        "postgresql:///db?host=/tmp/evil",
        "postgresql:///db",
        "sqlite:////home/me/other.db",
    ],
)
def test_what_differs_from_what_the_user_named_is_unknown(tmp_path, url):
    remember_server(given_server(f"postgresql://me@{HOST}/mine"))
    with pytest.raises(UserError, match=r"which you have not named on this machine"):
        found_server(url, tmp_path / "storage.json")


def test_options_that_the_user_gave_are_known(tmp_path):
    url = f"postgresql://me@{HOST}/mine?sslmode=require&passfile=/home/me/mine"
    remember_server(given_server(url))
    assert found_server(url, tmp_path).query["passfile"] == "/home/me/mine"
    with pytest.raises(UserError, match="not named"):
        found_server(url.replace("me/mine", "me/theirs"), tmp_path)


def test_a_user_without_a_home_folder_is_served(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/nowhere")
    remember_server(given_server(f"postgresql://me@{HOST}/mine"))
    with pytest.raises(UserError, match="not named"):
        found_server(f"postgresql://{HOST}/db", tmp_path)
