"""The one path from a video file to the clips of a model: as its training cut them."""

from __future__ import annotations

from pathlib import Path

from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.data.datasets import Video
from vidnas.data.flow import read_flow, resize_flow
from vidnas.data.reading import Frames
from vidnas.data.sampling import Clips, clips_of
from vidnas.deploy.model import Model


def video_clips(
    model: Model,
    path: Path | str,
    *,
    clips_per_video: int = CLIPS_PER_VIDEO,
    start_s: float | None = None,
    end_s: float | None = None,
) -> Clips:
    """Cut evenly spaced clips out of a video, or its span [start_s, end_s), for a model.

    The frames go through what the cache of its training clips went through: at its rate, scaled to
    the side at which it stored them, and only then cut and scaled for the network.

    Returns:
        `(K, C, T, H, W)`, uint8, one tensor per input.

    Raises:
        VideoError: the video is missing, cannot be decoded or shows a single frame.
        UserError: the network takes flow, and OpenCV is not installed.
    """
    contract = model.contract
    video = Video(Path(path), (), "test", start_s=start_s, end_s=end_s)
    frames = video.decode(contract.stored_px, contract.rate_fps)
    flow: Frames | None = None
    if contract.flow_method is not None:
        flow = read_flow(
            path,
            contract.flow_method,
            rate_fps=contract.rate_fps,
            start_s=start_s,
            end_s=end_s,
        )
        flow = resize_flow(flow, *frames.shape[1:3])
    return clips_of(frames, contract.inputs, clips_per_video, flow=flow)
