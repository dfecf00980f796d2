import csv
import errno
import fcntl
import io
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from search_toys import Toy, toy_config

import vidnas
from vidnas.core import Cost, Evaluation, UserError
from vidnas.evolution.limits import Limits
from vidnas.evolution.merging import fork_study
from vidnas.evolution.strategies import RandomSearch
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal, trial_rows
from vidnas.families.family import REGISTERED

TOYS = str(Path(__file__).parent)
COST = Cost(parameters=10, macs=20, activation_bytes=30)
OUTCOMES = [
    (
        Proposal(Toy(widths=(1, 2))),
        Evaluation(status="ok", fitness=0.25, metrics={"top1": 0.25, "loss": 2.0}, cost=COST),
    ),
    (
        Proposal(Toy(widths=(9, 2)), 0, ("layer 0: width 1 -> 9",)),
        Evaluation(status="rejected", cost=COST, reason="macs 20 > 10", broken_limit="macs"),
    ),
    (
        Proposal(Toy(widths=(3, 2)), 0, ("layer 0: width 1 -> 3", "again")),
        Evaluation(status="failed", reason="out of memory", seconds=1.5),
    ),
    (
        Proposal(Toy(widths=(4, 2)), 0, ()),
        Evaluation(status="ok", fitness=0.5, connection_weights={"a": 0.1}),
    ),
]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "a {strange} 100% name?" / "study"


def fill(study: Study) -> None:
    for i, (proposal, evaluation) in enumerate(OUTCOMES):
        study.record(proposal, evaluation, elapsed_s=float(i))


def test_round_trip(folder):
    with Study.create_or_resume(folder, toy_config(Limits(macs=10))) as study:
        assert study.trials == []
        assert study.fittest(1) == []
        fill(study)
        recorded = study.trials
    with Study.create_or_resume(folder, toy_config(Limits(macs=10))) as study:
        assert study.trials == recorded
        assert [(t.proposal, t.evaluation) for t in study.trials] == OUTCOMES
        assert [trial.number for trial in study.fittest(5)] == [3, 0]
    assert Study.read(folder).trials == recorded
    assert Study.read(folder).config.limits.macs == 10


def test_rows_are_plain_and_have_the_same_columns(folder):
    with Study.create_or_resume(str(folder), toy_config()) as study:
        assert study.rows() == []
        fill(study)
        rows = study.rows()
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    read = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["status"] for row in read] == ["ok", "rejected", "failed", "ok"]
    assert [row["top1"] for row in rows] == [0.25, None, None, None]
    assert (rows[1]["broken_limit"], rows[1]["macs"], rows[1]["latency_ms"]) == ("macs", 20, None)
    assert (rows[2]["parent"], rows[2]["mutations"]) == (0, "layer 0: width 1 -> 3; again")
    assert (rows[2]["seconds"], rows[2]["elapsed_s"]) == (1.5, 2.0)


def test_a_study_and_its_trials_show_as_one_short_line(folder):
    with Study.create_or_resume(folder, toy_config()) as study:
        fill(study)
        assert repr(study) == f"Study({str(folder)!r}, toy, 4 trials, best fitness 0.5)"
    assert [repr(trial) for trial in study.trials] == [
        "Trial(0, random, ok: fitness 0.25)",
        "Trial(1, child of 0, rejected: macs 20 > 10)",
        "Trial(2, child of 0, failed: out of memory)",
        "Trial(3, child of 0, ok: fitness 0.5)",
    ]
    assert repr(study.trials[3].evaluation) == "Evaluation(status='ok', fitness=0.5)"


def test_a_study_of_an_unknown_family_can_be_read_but_not_resumed(folder, tmp_path, monkeypatch):
    with Study.create_or_resume(folder, toy_config()) as study:
        fill(study)
    known = study.trials
    with monkeypatch.context() as patch:
        patch.delitem(REGISTERED, "toy")
        study = Study.read(folder)
        assert [trial.evaluation for trial in study.trials] == [one.evaluation for one in known]
        assert study.rows() == trial_rows(known)
        for there, here in zip(study.trials, known, strict=True):
            assert there.architecture.digest == here.architecture.digest
            assert there.architecture.family == "toy"
            assert there.architecture.to_json() == here.architecture.to_json()
        with pytest.raises(UserError, match="family 'toy', which is unknown; import"):
            Study.create_or_resume(folder, toy_config())
        fork_study(study, tmp_path / "fork")
    assert Study.read(tmp_path / "fork").fittest(9)[0].architecture == known[3].architecture
    Study.create_or_resume(folder, toy_config()).close()


def test_optuna_sees_what_became_of_each(folder):
    with Study.create_or_resume(folder, toy_config()) as study:
        fill(study)
    shutil.copy(folder / "study.db", folder.parents[1] / "copy.db")
    url = f"sqlite:///{folder.parents[1] / 'copy.db'}"
    seen = optuna.load_study(study_name="vidnas", storage=url)
    assert [t.state.name for t in seen.trials] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert seen.best_value == 0.5


def test_rungs_come_back_in_the_order_of_their_events(folder):
    with Study.create_or_resume(folder, toy_config(rungs=3)) as study:
        fill(study)
        higher = Evaluation(status="ok", fitness=0.1)
        first = study.climb(0, higher, elapsed_s=4.0)
        study.climb(3, Evaluation(status="failed", reason="out of memory"), elapsed_s=5.0)
        last = study.climb(0, Evaluation(status="ok", fitness=0.2), elapsed_s=6.0)
        history, trials, recorded = study.history, study.trials, study.last_recorded
    assert [(one.number, one.rung) for one in history[4:]] == [(0, 1), (3, 1), (0, 2)]
    lowest = OUTCOMES[0][1]
    assert first.evaluation == higher.model_copy(update={"cost": lowest.cost})  # measured once
    assert (first.earlier, last.earlier) == ((lowest,), (lowest, first.evaluation))
    assert trials == [history[6], history[1], history[2], history[5]]
    with Study.create_or_resume(folder, toy_config(rungs=3)) as study:
        assert (study.history, study.trials, study.last_recorded) == (history, trials, recorded)
        assert study.fittest(5) == [last]
        assert [row["rung"] for row in study.rows()] == [2, 0, 0, 1]
    assert repr(trials[0]) == "Trial(0, random, ok on rung 2: fitness 0.2)"
    assert repr(trials[3]) == "Trial(3, child of 0, failed on rung 1: out of memory)"


def test_more_training_is_no_merit(folder):
    with Study.create_or_resume(folder, toy_config(rungs=2)) as study:
        fill(study)
        study.climb(0, Evaluation(status="ok", fitness=0.5), elapsed_s=4.0)
        assert [trial.number for trial in study.fittest(5)] == [3, 0]
        assert [trial.rank for trial in study.trials] == [
            (0.5, -1), (-math.inf, 0), (-math.inf, 0), (0.5, 0)
        ]  # fmt: skip


def test_a_moved_study_resumes(folder, tmp_path):
    with Study.create_or_resume(folder, toy_config()) as study:
        fill(study)
    folder.rename(tmp_path / "elsewhere")
    with Study.create_or_resume(tmp_path / "elsewhere", toy_config()) as study:
        assert len(study.trials) == len(OUTCOMES)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data_fingerprint": "other"}, "data_fingerprint is none there and other now"),
        ({"space": {"depth": 5, "most": 32}}, "space.depth is 4 there and 5 now"),
        ({"classes": ("up", "down")}, "classes is"),
        ({"seed": 7}, "seed is 0 there and 7 now"),
        ({"limits": Limits(macs=5)}, "limits.macs is None there and 5 now"),
        ({"strategy": RandomSearch()}, "strategy.name is evolution there and random"),
        ({"rungs": 3}, "rungs is 1 there and 3 now"),
        ({"designs": True}, "designs is False there and True now"),
    ],
)
def test_a_study_of_something_else_is_rejected(folder, changes, named):
    Study.create_or_resume(folder, toy_config()).close()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError) as caught:
        Study.create_or_resume(folder, toy_config(**changes))
    assert named in str(caught.value)
    assert "choose another folder" in str(caught.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_another_version(folder):
    with Study.create_or_resume(folder, toy_config()) as study:
        fill(study)
    config = folder / "config.yaml"
    ours = vidnas.__version__
    minor = ours.rpartition(".")[0]
    config.write_text(config.read_text().replace(ours, f"{minor}.99"))
    with Study.create_or_resume(folder, toy_config()) as study:
        assert len(study.trials) == len(OUTCOMES)
    config.write_text(config.read_text().replace(f"{minor}.99", "99.0.0") + "new: setting\n")
    with pytest.raises(
        UserError, match=r"is of vidnas 99\.0\.0, .* install vidnas 99\.0\.0 to resume it"
    ):
        Study.create_or_resume(folder, toy_config())


def test_a_second_process_is_rejected_until_the_first_ends(folder):
    study = Study.create_or_resume(folder, toy_config())
    script = (
        "import sys; from pathlib import Path; from search_toys import toy_config\n"
        "from vidnas.evolution.study import Study\n"
        "Study.create_or_resume(Path(sys.argv[1]), toy_config())"
    )
    command = [sys.executable, "-c", script, str(folder)]
    environment = {**os.environ, "PYTHONPATH": TOYS}
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Another process is searching" in second.stderr
    study.close()
    Study.create_or_resume(folder, toy_config()).close()


def test_who_searches_is_known_where_no_file_can_be_locked(folder, monkeypatch):
    """As on Lustre without its option for locks, where a note in the file is all there is."""

    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Study.create_or_resume(folder, toy_config()) as study:
        assert (folder / ".lock").read_text()
        assert Study.read(folder).is_being_searched()
    assert not study.is_being_searched()
    (folder / ".lock").touch()  # as is left where files can be locked
    assert not study.is_being_searched()


def test_other_folders_are_rejected(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds files but no study"):
        Study.create_or_resume(tmp_path, toy_config())
    with pytest.raises(UserError, match="is a file"):
        Study.create_or_resume(tmp_path / "notes.txt", toy_config())
    with pytest.raises(UserError, match="is not a study"):
        Study.read(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_half_created_study_is_completed(folder):
    Study.create_or_resume(folder, toy_config()).close()
    (folder / "study.db").unlink()  # killed after the config was written
    with Study.create_or_resume(folder, toy_config()) as study:
        fill(study)
    assert len(Study.read(folder).trials) == len(OUTCOMES)


def test_damaged_files_are_named(folder):
    with Study.create_or_resume(folder, toy_config()) as study:
        fill(study)
    sound = (folder / "study.db").read_bytes()
    (folder / "study.db").write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match=r"study\.db: .*damaged"):
        Study.create_or_resume(folder, toy_config())
    (folder / "study.db").write_bytes(sound[: len(sound) // 2])
    with pytest.raises(UserError, match=r"study\.db: .*damaged"):
        Study.create_or_resume(folder, toy_config())
    (folder / "study.db").write_bytes(sound.replace(b'"widths', b'"wid\\u00'))
    with pytest.raises(UserError, match=r"study\.db"):
        Study.create_or_resume(folder, toy_config())
    (folder / "config.yaml").write_text("family: [")
    with pytest.raises(UserError, match=r"config\.yaml cannot be read"):
        Study.create_or_resume(folder, toy_config())


def run_limited(folder: Path, script: str, limit) -> str:
    """Run a script in a process that is limited first; returns what it printed."""
    preamble = (
        "import sys; from pathlib import Path; folder = Path(sys.argv[1])\n"
        "from search_toys import Toy, toy_config\n"
        "from vidnas.core import Evaluation, UserError\n"
        "from vidnas.evolution.study import Study\n"
        "from vidnas.evolution.trial import Proposal\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", preamble + limit + script, str(folder)],
        env={**os.environ, "PYTHONPATH": TOYS},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout + finished.stderr


def test_a_full_disk_keeps_what_was_recorded(folder):
    with Study.create_or_resume(folder, toy_config()):
        size = (folder / "study.db").stat().st_size
    printed = run_limited(
        folder,
        "study = Study.create_or_resume(folder, toy_config())\n"
        "try:\n"
        "    for i in range(1000):\n"
        "        architecture = Toy(widths=(i + 1,), label='x' * 5000)\n"
        "        study.record(Proposal(architecture), Evaluation(status='failed'), 0.0)\n"
        "        print('recorded', i)\n"
        "except UserError as error:\n"
        "    print('rejected', error)\n",
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 100_000},) * 2)\n",
    )
    assert "rejected" in printed
    assert "free some space and run the same command again" in printed
    count = printed.count("recorded")
    assert count > 0
    with Study.create_or_resume(folder, toy_config()) as study:
        assert [t.architecture.widths[0] for t in study.trials] == list(range(1, count + 1))
        study.record(*OUTCOMES[0], elapsed_s=1.0)


def test_sqlite_says_full(folder):
    with Study.create_or_resume(folder, toy_config()) as study:
        engine = study._records._optuna._storage._backend.engine
        sqlalchemy.event.listen(
            engine, "checkout", lambda connection, *_: connection.execute("PRAGMA max_page_count=1")
        )
        with pytest.raises(UserError, match="the disk is full"):
            for _ in range(100):
                study.record(*OUTCOMES[0], elapsed_s=0.0)


def test_no_permission(tmp_path):
    tmp_path.chmod(0o555)
    printed = run_limited(
        Path("study"),
        "try:\n"
        "    Study.create_or_resume(folder, toy_config())\n"
        "except UserError as error:\n"
        "    print('rejected', error)\n",
        # The superuser may write anywhere: be nobody. The folder is entered while still allowed.
        f"import os; os.chdir({str(tmp_path)!r})\nif os.getuid() == 0: os.setuid(65534)\n",
    )
    assert "rejected study cannot be written (Permission denied)" in printed
    assert list(tmp_path.iterdir()) == []
