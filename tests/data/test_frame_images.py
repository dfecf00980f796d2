from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from written_videos import levels_of

from vidnas.data.datasets import load_dataset
from vidnas.data.flow import stream_flow
from vidnas.data.headers import grid_rate
from vidnas.data.labelled import file_of, load_labelled
from vidnas.data.reading import IMAGES_FPS, VideoError, read_video, stream_video
from vidnas.data.splits import SPLITS

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


def test_images_have_the_rate_at_which_they_are_read_where_none_is_given(folder: Path) -> None:
    with stream_video(folder, rate_fps=6) as stream:
        assert (stream.own_rate_fps, stream.duration_s) == (6, len(RAMP) / 6)
        assert levels_of(stream.read()) == RAMP
    assert len(list(stream_flow(folder, rate_fps=6))) == len(RAMP)
    with stream_video(folder) as stream:
        assert stream.own_rate_fps == 25


def _table(folder: Path, columns: str, rate: str) -> Path:
    """Spans of half a second, two in each split."""
    rows = [
        f"video_7,{label},{split},{i / 10},{i / 10 + 0.5}{rate}"
        for i, (split, label) in enumerate((s, c) for s in SPLITS for c in "ab")
    ]
    path = folder.parent / "clips.csv"
    path.write_text("\n".join([f"path,label,split,start_s,end_s{columns}", *rows]))
    return path


def test_a_table_gives_the_rate_at_which_its_times_are_counted(folder: Path) -> None:
    dataset = load_dataset(_table(folder, ",images_fps", ",10"))
    assert levels_of(dataset.videos[2].decode(24)) == RAMP[2:7]
    (labelled, _) = load_labelled(dataset.source, dataset.classes, "val")
    assert levels_of(labelled.videos[0].decode(24)) == RAMP[2:7]
    rate = grid_rate(dataset)
    assert rate and rate.rate_fps == 10
    assert not any("are counted at" in remark for remark in dataset.remarks)
    flow = stream_flow(folder, end_s=0.5, images_fps=10)
    assert len(list(flow)) == 5


def test_times_that_are_counted_at_a_rate_nobody_gave_are_said(folder: Path) -> None:
    dataset = load_dataset(_table(folder, "", ""))
    assert any("counted at 25 images per second (6)" in remark for remark in dataset.remarks)
    given = load_dataset(_table(folder, ",images_fps", ",25"))
    assert given.contents() == dataset.contents()
    other = load_dataset(_table(folder, ",images_fps", ",30"))
    assert not set(other.contents()) & set(dataset.contents())
    assert set(map(file_of, other.contents())) == set(map(file_of, dataset.contents()))


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
