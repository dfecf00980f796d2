"""A study writes and removes only what it made, and never through a link."""

from __future__ import annotations

from pathlib import Path

import pytest
from search_toys import ToyEvaluator, ToySpace, toy_config

from vidnas.core import UserError
from vidnas.evolution.engine import run_search
from vidnas.evolution.executors import InlineExecutor
from vidnas.evolution.states import StateFolder
from vidnas.evolution.strategies import RandomSearch
from vidnas.evolution.study import Study


def search_in(folder: Path, evaluations: int) -> None:
    with Study.create_or_resume(folder, toy_config()) as study:
        run_search(
            study, ToySpace(), ToyEvaluator(), RandomSearch(), InlineExecutor(),
            evaluations=evaluations,
        )  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "states", "best", "models", "ensemble", "models/trial-3", "ensemble/ensemble.json",
        "states/0123456789abcdef.state", "best/weights.safetensors", "best/model.onnx",
        "report.html", "config.yaml", "request.json", "study.db", "study.db-journal",
        "study.db-wal", ".lock", "events.jsonl", "notes/of/mine",
    ],
)  # fmt: skip
def test_links_in_a_study_are_named_and_not_followed(tmp_path: Path, name: str) -> None:
    search_in(tmp_path / "study", 2)
    outside = tmp_path / "outside"
    outside.mkdir()
    for precious in ("model.json", "0123456789abcdef.state", "thesis.txt"):
        (outside / precious).write_text("precious")
    link = tmp_path / "study" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    is_folder = "." not in link.name
    if link.exists():  # as good as what it takes the place of
        link.rename(outside / link.name)
        link.symlink_to(outside / link.name)
    else:
        link.symlink_to(outside if is_folder else outside / "thesis.txt")
    before = content(outside)
    with pytest.raises(UserError, match=rf"study/{name} is a link, and only .* remove it"):
        search_in(tmp_path / "study", 3)
    assert content(outside) == before


def test_a_study_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    (tmp_path / "study").symlink_to(tmp_path / "home" / "study", target_is_directory=True)
    (tmp_path / "disk" / "study").mkdir()
    search_in(tmp_path / "study", 2)
    search_in(tmp_path / "home" / "study", 3)
    assert len(Study.read(tmp_path / "study").trials) == 3


def test_states_behind_a_link_are_nobodys_to_remove(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "states").symlink_to(tmp_path / "elsewhere")
    folder = StateFolder(tmp_path / "states", most_bytes=5)
    for digest in ("best", "worst"):
        folder.file(digest).write_bytes(b"precious")
    folder.make_room(["best", "worst"], began_s=0)
    folder.set_aside("worst")
    assert folder.clear_aside() == 0
    assert len(list((tmp_path / "elsewhere").iterdir())) == 2
