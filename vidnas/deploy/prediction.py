"""What a model sees in a video file."""

from __future__ import annotations

from pathlib import Path

import torch

from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.data.flow import read_flow, resize_flow
from vidnas.data.reading import Frames, read_video
from vidnas.data.sampling import clips_of
from vidnas.deploy.model import Model
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
        VideoError: the video is missing or cannot be decoded.
        UserError: the network takes flow, and OpenCV is not installed.
        NotFinite: the network predicts numbers that are not finite.
    """
    path, specs = Path(path), model.architecture.inputs
    rate_fps = model.card.rate_fps
    frames, _ = read_video(path, size_px=max(spec.size_px for spec in specs), rate_fps=rate_fps)
    flow: Frames | None = None
    if any(spec.modality == "flow" for spec in specs):
        flow = read_flow(path, model.card.flow_method, rate_fps=rate_fps)
        flow = resize_flow(flow, *frames.shape[1:3])
    clips = clips_of(frames, specs, clips_per_video, flow=flow)
    network, task = model.network.eval(), model.card.task
    with torch.inference_mode():
        rows = predict_scores(network, clips, torch.device("cpu"), task)
    scores = task.pooled(rows[None])[0].tolist()
    return sorted(zip(model.classes, scores, strict=True), key=lambda pair: -pair[1])
