"""What a finished network said is not asked again, and never taken for what another would say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from vidnas.data.cache import ClipCache
from vidnas.deploy import Model, ModelCard
from vidnas.deploy.checks import Answers
from vidnas.deploy.kept_logits import LOGITS_FILE, keep_logits, logits_of
from vidnas.training.evaluation import predict_logits


@pytest.fixture
def model(cache: ClipCache, fresh) -> Model:
    return Model(fresh(), cache.classes, ModelCard())


@pytest.fixture
def asked(model: Model, cache: ClipCache) -> Tensor:
    return predict_logits(model.network, cache, "test", clips_per_video=3)


def test_what_is_kept_is_not_asked(model, cache, asked, tmp_path: Path) -> None:
    keep_logits(tmp_path / "new", cache, {"test": asked + 1})
    assert torch.equal(logits_of(model, cache, "test", tmp_path / "new"), asked + 1)


def test_what_is_not_there_is_asked(model, cache, asked, tmp_path: Path) -> None:
    assert torch.equal(logits_of(model, cache, "test", tmp_path), asked)
    keep_logits(tmp_path, cache, {"val": asked[:9] + 1})  # of the other split alone
    assert torch.equal(logits_of(model, cache, "test", tmp_path), asked)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100])
def test_a_damaged_file_is_no_answer(model, cache, asked, tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOGITS_FILE).write_bytes(content)
    assert torch.equal(logits_of(model, cache, "test", tmp_path), asked)


def test_other_clips_and_other_shapes_are_no_answer(model, cache, asked, tmp_path: Path) -> None:
    keep_logits(tmp_path, SimpleNamespace(fingerprint="other"), {"test": asked + 1})
    assert torch.equal(logits_of(model, cache, "test", tmp_path), asked)
    keep_logits(tmp_path, cache, {"test": asked[1:] + 1})
    assert torch.equal(logits_of(model, cache, "test", tmp_path), asked)
    fewer = replace(model, classes=model.classes[:2])
    keep_logits(tmp_path, cache, {"test": asked + 1})
    assert torch.equal(logits_of(fewer, cache, "test", tmp_path), asked)


def test_a_file_is_compared_with_what_is_kept(model, cache, asked, tmp_path: Path) -> None:
    keep_logits(tmp_path, cache, {"test": asked + 1})
    some = Answers.of(model, cache, "test", most=4, kept_in=tmp_path)
    anew = Answers.of(model, cache, "test", most=4)
    np.testing.assert_allclose(some.logits, anew.logits + 1, atol=1e-6)
    elsewhere = replace(model, card=ModelCard(clips_per_video=1))
    alone = Answers.of(elsewhere, cache, "test", most=4, kept_in=tmp_path)
    assert len(alone.logits) == 4
