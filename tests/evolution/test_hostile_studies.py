"""A study folder of a stranger is refused, harms nothing and takes neither memory nor time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vidnas.core import UserError
from vidnas.evolution.study import Study
from vidnas.workflows.request import SearchRequest
from vidnas.workflows.status import read_status

ROOT = Path(__file__).resolve().parents[2]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT)
    from benchmarks import hostile


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "study"
    hostile.write_study(folder)
    return folder


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "study"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    (folder / "thesis.state").write_text("precious")
    return folder


def test_the_study_is_fine_before(study: Path) -> None:
    assert read_status(study).trials == {"ok": 3}
    Study.create_or_resume(study, Study.read(study).config).close()


@pytest.mark.parametrize("name", hostile.STUDIES)
def test_hostile_studies_are_refused(study: Path, outside: Path, name: str) -> None:
    hostile.STUDIES[name](study, outside)
    with pytest.raises(UserError) as caught:
        read_status(study)
        SearchRequest.read(study)
    assert len(str(caught.value)) < 2000
    assert [path.read_text() for path in outside.iterdir()] == ["precious"] * 2


@pytest.mark.parametrize("name", hostile.LINKS)
def test_nothing_is_written_through_a_link(study: Path, outside: Path, name: str) -> None:
    config = Study.read(study).config
    hostile.LINKS[name](study, outside)
    with pytest.raises(UserError, match=r"is a link|is damaged|unable to open|no model"):
        read_status(study)
        Study.create_or_resume(study, config)
    assert [path.read_text() for path in outside.iterdir()] == ["precious"] * 2


def test_a_lock_that_is_a_pipe_stops_nobody(study: Path) -> None:
    hostile.pipe(".lock")(study, study)
    assert not read_status(study).searching
    with pytest.raises(UserError, match=r"\.lock is neither a file nor a folder"):
        Study.create_or_resume(study, Study.read(study).config)
