"""The one path from a video file to the clips of a model: as its training cut them."""

from __future__ import annotations

from pathlib import Path

from vidnas.data.flow import read_flow, resize_flow
from vidnas.data.reading import Frames, stream_video
from vidnas.data.sampling import Clips, clips_of
from vidnas.deploy.contract import Contract
from vidnas.deploy.model import Model


def video_clips(
    model: Model,
    path: Path | str,
    *,
    clips_per_video: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
) -> Clips:
    """Cut evenly spaced clips out of a video, or its span [start_s, end_s), for a model,
    as many as it looks at unless another number is given.

    The frames go through what the cache of its training clips went through: at its rate, scaled to
    the side at which it stored them, and only then cut and scaled for the network. Images of a
    folder are taken to be recorded at that rate.

    Returns:
        `(K, C, T, H, W)`, uint8, one tensor per input.

    Raises:
        VideoError: the video is missing, cannot be decoded or shows a single frame.
        UserError: the network takes flow, and OpenCV is not installed.
    """
    return contract_clips(
        model.contract, path, clips_per_video=clips_per_video, start_s=start_s, end_s=end_s
    )


def contract_clips(
    contract: Contract,
    path: Path | str,
    *,
    clips_per_video: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
) -> Clips:
    """Cut clips as `video_clips` does, where there is only the contract of a model."""
    with stream_video(
        path,
        size_px=contract.stored_px,
        rate_fps=contract.rate_fps,
        start_s=start_s,
        end_s=end_s,
        frames_min=2,
    ) as stream:
        frames = stream.read()
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
    count = clips_per_video or contract.clips_per_video
    return clips_of(frames, contract.inputs, count, squares=contract.squares, flow=flow)
