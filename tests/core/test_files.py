"""Files are whole or do not exist, kills leave nothing for ever, and links lead nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vidnas.core import UserError
from vidnas.core.files import making, own_folders, remove_leftovers, replacing

KILLED = """
import os, signal, sys; from pathlib import Path
from vidnas.core.files import making, replacing
with {function}(Path(sys.argv[1])) as temporary:
    (temporary / "part" if temporary.is_dir() else temporary).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_while(function: str, path: Path) -> None:
    code = KILLED.format(function=function)
    subprocess.run([sys.executable, "-c", code, str(path)], check=False, env=os.environ)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("function", ["replacing", "making"])
def test_what_a_kill_left_is_removed_by_the_next_who_writes_there(tmp_path, function):
    path = tmp_path / "report.html"
    kill_while(function, path)
    assert len(names(tmp_path)) == 1
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == ["report.html"]


def test_what_is_being_written_and_what_is_somebody_elses_stays(tmp_path):
    others = [".report.html.tmp", ".report.html.1.tmp.bak", "report.html.1.tmp", ".notes.1.tmp"]
    for name in others:
        (tmp_path / name).write_text("mine")
    with replacing(tmp_path / "report.html") as first, making(tmp_path / "report.html") as folder:
        first.write_text("first")
        with replacing(tmp_path / "report.html") as second:
            second.write_text("second")
        assert first.exists()
        assert folder.exists()
    assert names(tmp_path) == sorted([*others, "report.html"])
    assert (tmp_path / "report.html").read_text() == "first"


def test_a_sweep_of_a_folder_takes_temporary_files_of_any_name(tmp_path):
    kill_while("replacing", tmp_path / "a.state")
    kill_while("making", tmp_path / "study.db")
    (tmp_path / ".b.1.tmp").symlink_to(tmp_path)
    (tmp_path / "kept").touch()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".b.1.tmp", "kept"]  # a link is nothing that we make


def test_a_link_is_replaced_and_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    (tmp_path / "report.html").symlink_to(outside)
    with replacing(tmp_path / "report.html") as temporary:
        temporary.write_text("ours")
    assert outside.read_text() == "theirs"
    assert not (tmp_path / "report.html").is_symlink()


def test_new_files_have_the_usual_permissions(tmp_path):
    with replacing(tmp_path / "one") as temporary:
        temporary.write_text("")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_own_folders_hold_files_and_folders_alone(tmp_path):
    study = tmp_path / "study"
    (study / "models" / "trial-1").mkdir(parents=True)
    (study / "models" / "trial-1" / "model.json").touch()
    (tmp_path / "link").symlink_to(study)
    assert {path.name for path in own_folders(tmp_path / "link")} == {"link", "models", "trial-1"}
    hidden = study / "models" / ".hidden"
    hidden.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"models/\.hidden is a link, and only what .* remove it"):
        own_folders(study)
    hidden.unlink()
    os.mkfifo(hidden)
    with pytest.raises(UserError, match=r"\.hidden is neither a file nor a folder"):
        own_folders(study)


def test_nothing_is_left_after_an_error(tmp_path):
    with pytest.raises(OSError, match="full"), replacing(tmp_path / "a") as temporary:
        temporary.touch()
        raise OSError("full")
    assert not list(tmp_path.iterdir())
