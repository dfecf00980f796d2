from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from written_videos import levels_of

from vidnas.data.reading import IMAGES_FPS, VideoError, read_video, stream_video

RAMP = list(range(0, 200, 10))


@pytest.fixture(params=["jpg", "png"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Images named 1, 2, ..., 20."""
    images = tmp_path / "video_7"
    images.mkdir()
    (images / "notes.txt").write_text("not a frame")
    (images / ".hidden.jpg").write_text("nor this")
    for index, level in enumerate(RAMP):
        image = np.full((48, 64, 3), level, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.save(str(images / f"{index + 1}.{request.param}"))
    return images


def test_a_folder_of_images_is_a_video(folder: Path) -> None:
    frames, rate = read_video(folder, size_px=24)
    assert rate == IMAGES_FPS == 25
    assert frames.shape == (20, 24, 32, 3)
    assert levels_of(frames) == RAMP


def test_images_have_the_rate_that_is_given(folder: Path) -> None:
    with stream_video(folder, images_fps=12, rate_fps=6) as stream:
        assert (stream.own_rate_fps, stream.rate_fps) == (12, 6)
        assert levels_of(np.stack(list(stream))) == RAMP[::2]
    with stream_video(folder, images_fps=12, start_s=0.5, end_s=1) as stream:
        assert levels_of(stream.read()) == RAMP[6:12]


def test_broken_images_are_left_out(folder: Path) -> None:
    images = sorted(path for path in folder.iterdir() if path.stem.isdecimal())
    images[3].write_bytes(b"broken")
    with stream_video(folder) as stream:
        assert len(list(stream)) == 20
        assert stream.damaged == pytest.approx(1 / 20)
    for image in images[:12]:
        image.write_bytes(b"broken")
    with pytest.raises(VideoError, match="8 of 20 expected"):
        read_video(folder)


def test_a_folder_without_images_says_so(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="has no images"):
        read_video(tmp_path)
