"""What a model sees in a video file."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from vidnas.data.flow import DEFAULT_METHOD, FlowMethod, read_flow, resize_flow
from vidnas.data.reading import Frames, read_video
from vidnas.data.sampling import clips_of
from vidnas.deploy.model import Model
from vidnas.training.metrics import predict_probabilities


def predict_video(model: Model, path: Path, *, clips_per_video: int = 4) -> list[tuple[str, float]]:
    """Average the class probabilities over clips spread evenly over the video.

    Optical flow is computed where the network wants it, with the method that it was trained on.

    Returns:
        Every class with its probability, the most likely first.

    Raises:
        VideoError: the video is missing or cannot be decoded.
        UserError: the network wants flow, and OpenCV is not installed.
        NotFinite: the network predicts numbers that are not finite.
    """
    specs = model.architecture.inputs
    frames, _ = read_video(path, size_px=max(spec.size_px for spec in specs))
    flow: Frames | None = None
    if any(spec.modality == "flow" for spec in specs):
        flow = resize_flow(read_flow(path, flow_method(model)), *frames.shape[1:3])
    clips = clips_of(frames, specs, clips_per_video, flow=flow)
    with torch.inference_mode():
        rows = predict_probabilities(model.network.eval(), clips, torch.device("cpu"))
    probabilities = rows.mean(dim=0).tolist()
    return sorted(zip(model.classes, probabilities, strict=True), key=lambda pair: -pair[1])


def flow_method(model: Model) -> FlowMethod:
    """How the flow that the model was trained on was computed."""
    return cast(FlowMethod, model.card.settings.get("flow_method", DEFAULT_METHOD))
