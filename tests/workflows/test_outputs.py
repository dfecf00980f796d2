"""A model goes where it hides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import call
from search_toys import toy_config

from vidnas.evolution.study import Study
from vidnas.workflows.outputs import require_free


@pytest.mark.parametrize(
    "words",
    [
        ("train", ".", "tvn1"),
        ("calibrate", ".", "."),
        ("ensemble", "."),
        ("import-tf", ".", "--as", "tvn1"),
    ],
)
def test_the_folder_of_a_study_is_no_place_for_a_model(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    with Study.create_or_resume(tmp_path, toy_config()):
        pass
    done = call(*words, "--out", tmp_path)
    assert done.returncode == 2
    assert "is a study; choose another folder for --out." in " ".join(done.stderr.split())


def test_other_programs_have_files_of_that_name_too(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("learning_rate: 0.1\n")
    require_free(tmp_path)
