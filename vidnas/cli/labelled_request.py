"""What commands are asked for that try a model on labelled clips."""

from __future__ import annotations

from vidnas.workflows.options import (
    Clips,
    Device,
    Format,
    Model,
    OwnClipsPerVideo,
    Request,
    VideoFolder,
)


class LabelledRequest(Request):
    """A model, labelled clips to try it on, and how."""

    model: Model
    clips: Clips
    format: Format = None
    video_folder: VideoFolder = None
    clips_per_video: OwnClipsPerVideo = None
    device: Device = "cpu"
