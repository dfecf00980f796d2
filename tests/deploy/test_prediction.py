from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vidnas.core import UserError
from vidnas.data.reading import read_video
from vidnas.data.sampling import clips_of
from vidnas.deploy import Model, ModelCard, predict_video


def test_probabilities_are_the_mean_over_clips(model: Model, video: Path) -> None:
    predicted = predict_video(model, video, clips_per_video=3)
    frames, _ = read_video(video, size_px=32)
    (clips,) = clips_of(frames, model.architecture.inputs, 3)
    with torch.inference_mode():
        expected = model.network(clips.float() / 255).softmax(1).mean(0)
    assert dict(predicted) == pytest.approx(
        dict(zip(model.classes, expected.tolist(), strict=True)), abs=1e-6
    )
    probabilities = [probability for _, probability in predicted]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)


def test_of_several_labels_each_has_a_score_of_its_own(model: Model, video: Path) -> None:
    several = replace(model, card=ModelCard(multi_label=True))
    predicted = predict_video(several, video, clips_per_video=3)
    frames, _ = read_video(video, size_px=32)
    (clips,) = clips_of(frames, model.architecture.inputs, 3)
    with torch.inference_mode():
        expected = model.network(clips.float() / 255).sigmoid().amax(0)
    assert dict(predicted) == pytest.approx(
        dict(zip(model.classes, expected.tolist(), strict=True)), abs=1e-6
    )
    scores = [score for _, score in predicted]
    assert scores == sorted(scores, reverse=True)


def test_a_video_that_is_none_is_a_sentence(model: Model, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    for path in (broken, tmp_path / "missing.mp4"):
        with pytest.raises(UserError, match=path.name):
            predict_video(model, path)
