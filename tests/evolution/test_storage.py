"""Where trials are kept: a file that is never half there, or a server of a team."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer, find_binaries, postgres_server
from search_toys import Toy, ToyEvaluator, ToySpace, toy_config

import vidnas
from vidnas.core import Evaluation, UserError
from vidnas.evolution.merging import fork_study
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal

TOYS = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TOYS), *sys.path])}
OK = Evaluation(status="ok", fitness=0.5)
READER = """
import sys, time; from pathlib import Path
import search_toys
from vidnas.core import UserError
from vidnas.evolution.study import Study
print("reading", flush=True)
for folder in map(Path, sys.argv[1:]):
    while True:
        try:
            Study.read(folder)
            break
        except UserError as error:
            assert "is not a study" in str(error), error
            time.sleep(0.0005)
"""


def record(study: Study, width: int) -> None:
    study.record(Proposal(Toy(widths=(width,))), OK, elapsed_s=0.0)


def widths(study: Study) -> list[int]:
    return [trial.architecture.widths[0] for trial in study.trials]


def test_looking_at_a_study_while_it_is_made_disturbs_nobody(tmp_path: Path) -> None:
    folders = [tmp_path / str(i) for i in range(10)]
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, *map(str, folders)],
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [reader.stdout.readline() for reader in readers] == ["reading\n"] * 2
    for folder in folders:
        with Study.create_or_resume(folder, toy_config()) as study:
            record(study, 1)
    for reader in readers:
        _, errors = reader.communicate(timeout=60)
        assert reader.returncode == 0, errors
    assert all(widths(Study.read(folder)) == [1] for folder in folders)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("study.db", "is not a valid database URL"),
        ("sqlite:///study.db", "cannot be kept in 'sqlite'"),
        ("postgresql+nothing://me@host/db", "a driver that is not installed"),
        ("postgresql://me@127.0.0.1:9/db", "check that the server is running"),
    ],
)
def test_a_storage_that_cannot_be_used_leaves_no_folder(
    tmp_path: Path, url: str, said: str
) -> None:
    pytest.importorskip("psycopg", reason="needs the extra postgresql")
    with pytest.raises(UserError, match=said):
        Study.create_or_resume(tmp_path / "study", toy_config(), url)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_driver_is_named(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['pymysql'] = None; from pathlib import Path\n"
        "from search_toys import toy_config; from vidnas.evolution.study import Study\n"
        "Study.create_or_resume(Path(sys.argv[1]), toy_config(), 'mysql://me@host/db')"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "study")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert "run pip install 'vidnas[mysql]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_study_in_a_file_stays_there(tmp_path: Path) -> None:
    Study.create_or_resume(tmp_path / "study", toy_config()).close()
    with pytest.raises(UserError, match=r"are in its study\.db, not on a server"):
        Study.create_or_resume(tmp_path / "study", toy_config(), "postgresql://me@host/db")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    pytest.importorskip("psycopg", reason="needs the extra postgresql")
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (initdb and pg_ctl)")
    with postgres_server(binaries) as running:
        yield running


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")


@pytest.mark.usefixtures("password")
def test_a_search_from_python_is_kept_there_and_goes_on(
    server: PostgresServer, tmp_path: Path
) -> None:
    asked = {"folder": tmp_path / "study", "storage": server.url}
    vidnas.search(ToySpace(), ToyEvaluator(), evaluations=2, **asked)
    assert not (tmp_path / "study" / "study.db").exists()
    assert len(vidnas.search(ToySpace(), ToyEvaluator(), evaluations=3, **asked).trials) == 3


@pytest.mark.usefixtures("password")
def test_two_studies_share_a_database(server: PostgresServer, tmp_path: Path) -> None:
    for i in range(2):
        with Study.create_or_resume(tmp_path / f"{i}", toy_config(seed=i), server.url) as study:
            record(study, i + 1)
    for i in range(2):
        assert not (tmp_path / f"{i}" / "study.db").exists()
        shutil.copytree(tmp_path / f"{i}", tmp_path / f"copy {i}")
        assert widths(Study.read(tmp_path / f"copy {i}")) == [i + 1]
        with Study.create_or_resume(tmp_path / f"copy {i}", toy_config(seed=i)) as study:
            record(study, i + 11)
        assert widths(Study.read(tmp_path / f"{i}")) == [i + 1, i + 11]


def test_the_password_is_not_written_down(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    Study.create_or_resume(folder, toy_config(), server.url).close()
    assert all("secret" not in path.read_text() for path in folder.iterdir())
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with pytest.raises(UserError, match="PGPASSWORD"):
        Study.read(folder)
    assert Study.read(folder, server.url).trials == []


@pytest.mark.usefixtures("password")
def test_a_fork_takes_trials_to_a_server_and_back(server: PostgresServer, tmp_path: Path) -> None:
    with Study.create_or_resume(tmp_path / "file", toy_config()) as source:
        record(source, 1)
    fork_study(source, tmp_path / "shared", storage_url=server.url)
    with Study.create_or_resume(tmp_path / "shared", toy_config()) as shared:
        record(shared, 2)
    fork_study(Study.read(tmp_path / "shared"), tmp_path / "back")
    assert (tmp_path / "back" / "study.db").exists()
    assert Study.read(tmp_path / "back").trials == shared.trials


@pytest.mark.usefixtures("password")
def test_one_searcher_a_study_on_all_machines(server: PostgresServer, tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    with Study.create_or_resume(here, toy_config(), server.url):
        shutil.copytree(here, elsewhere)  # as another machine has it: with a lock file of its own
        with pytest.raises(UserError, match="Another process is searching in the study vidnas-"):
            Study.create_or_resume(elsewhere, toy_config())
        assert Study.read(elsewhere).trials == []
    Study.create_or_resume(elsewhere, toy_config()).close()


@pytest.mark.usefixtures("password")
def test_a_database_without_the_study_is_rejected(server: PostgresServer, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    Study.create_or_resume(folder, toy_config(), server.url).close()
    record_file = folder / "storage.json"
    record_file.write_text(record_file.read_text().replace('"vidnas-', '"other-'))
    with pytest.raises(UserError, match="holds no study other-"):
        Study.create_or_resume(folder, toy_config())


@pytest.mark.usefixtures("password")
def test_a_killed_search_continues(server: PostgresServer, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    script = (
        "import sys; from pathlib import Path; from search_toys import *\n"
        "search_and_print(Path(sys.argv[1]), int(sys.argv[2]), 0.02, sys.argv[3])"
    )
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(
        [*command, "1000", server.url], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as search:
        assert search.stdout is not None
        said = [search.stdout.readline().split() for _ in range(8)]
        search.send_signal(signal.SIGKILL)
        said += [line.split() for line in search.stdout if line.count(" ") == 2]
    before = Study.read(folder).trials
    assert len(before) - len(said) in (0, 1)  # recorded, then killed before it was said
    assert [t.architecture.digest for t in before][: len(said)] == [digest for _, digest, _ in said]
    wanted = sum(trial.evaluation.status != "rejected" for trial in before) + 3
    done = subprocess.run(
        [*command, str(wanted), server.url], env=ENVIRONMENT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "ended" in done.stdout, done.stderr
    after = Study.read(folder).trials
    assert after[: len(before)] == before
    assert len({trial.architecture.digest for trial in after}) == len(after)
    assert sum(trial.evaluation.status != "rejected" for trial in after) == wanted


@pytest.mark.usefixtures("password")
def test_a_server_that_goes_away(server: PostgresServer, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with Study.create_or_resume(folder, toy_config(), server.url) as study:
        record(study, 1)
        server.stop()
        try:
            with pytest.raises(UserError, match="nothing that was recorded is lost") as caught:
                record(study, 2)
        finally:
            server.start()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    with Study.create_or_resume(folder, toy_config()) as study:
        assert widths(study) == [1]
