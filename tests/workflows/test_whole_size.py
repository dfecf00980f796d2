"""What the page of a study takes from what was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidnas.data.cache import ClipSettings
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.training.settings import TrainingSettings
from vidnas.workflows.page import _whole_size
from vidnas.workflows.records import write_record
from vidnas.workflows.request import REQUEST_FILE, SearchRequest


@pytest.mark.parametrize(
    ("asked_px", "stored_px", "whole"),
    [(None, 64, True), (None, 128, False), (64, 64, False)],
)
def test_clips_are_as_large_as_the_videos_unless_a_size_was_chosen(
    tmp_path: Path, asked_px: int | None, stored_px: int, whole: bool
) -> None:
    evaluation = ClipEvaluation(
        training=TrainingSettings(epochs=1), clips=ClipSettings(size_px=stored_px)
    )
    assert not _whole_size(tmp_path, evaluation)  # nobody knows
    request = SearchRequest(clips=tmp_path, out=tmp_path, size_px=asked_px)
    write_record(request, tmp_path / REQUEST_FILE)
    assert _whole_size(tmp_path, evaluation) is whole
