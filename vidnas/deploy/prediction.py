"""What a model sees in a video file."""

from __future__ import annotations

from pathlib import Path

import torch

from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.deploy.model import Model
from vidnas.deploy.video_clips import video_clips
from vidnas.training.evaluation import predict_scores


def predict_video(
    model: Model, path: Path | str, *, clips_per_video: int = CLIPS_PER_VIDEO
) -> list[tuple[str, float]]:
    """Score the classes by clips that are spread evenly over the video.

    Scores are probabilities: of one class or the other, averaged over the clips; or, if a video may
    show several, of each class by itself, the largest of any clip. Optical flow is computed where
    the network takes it, with the method that it was trained on.

    Returns:
        Every class with its score, the most likely first.

    Raises:
        VideoError: the video is missing, cannot be decoded or shows a single frame.
        UserError: the network takes flow, and OpenCV is not installed.
        NotFinite: the network predicts numbers that are not finite.
    """
    clips = video_clips(model, path, clips_per_video=clips_per_video)
    network, task = model.network.eval(), model.card.task
    with torch.inference_mode():
        rows = predict_scores(network, clips, torch.device("cpu"), task)
    scores = task.pooled(rows[None])[0].tolist()
    return sorted(zip(model.classes, scores, strict=True), key=lambda pair: -pair[1])
