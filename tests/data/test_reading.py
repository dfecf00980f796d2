from __future__ import annotations

import csv
import itertools
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from written_videos import encode, levels_of

from vidnas.data.reading import VideoError, decoding, read_video, stream_video

RAMP = list(range(0, 200, 10))  # 20 frames


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp4", "libx264", 10),
        ("a.mov", "libx264", 30),
        ("a.mkv", "libx264", 30),  # time stamps in whole milliseconds
        ("a.webm", "libvpx-vp9", 24),
        ("a.avi", "mpeg4", 25),
        ("a.mpg", "mpeg1video", 25),
    ],
)
def test_every_frame_of_a_constant_rate_appears_once(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    frames, fps = read_video(encode(tmp_path / name, RAMP, codec=codec, rate=rate))
    assert frames.shape == (20, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert fps == rate
    assert levels_of(frames) == RAMP


def test_all_spans_of_a_file_take_one_reading_of_its_stamps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    original = decoding.read_stamps
    monkeypatch.setattr(decoding, "read_stamps", lambda *args: read.append(args) or original(*args))
    video = encode(tmp_path / "a.mp4", RAMP, rate=10)
    for start in range(4):
        with stream_video(video, start_s=start / 10, end_s=start / 10 + 0.5) as stream:
            assert levels_of(stream.read()) == RAMP[start : start + 5]
    assert len(read) == 1
    encode(video, RAMP[::-1], rate=10)
    assert levels_of(read_video(video)[0]) == RAMP[::-1]
    assert len(read) == 2


def test_a_variable_rate_repeats_the_frame_that_is_shown(tmp_path: Path) -> None:
    ticks = [0, 1, 2, 6, 7, 8, 9, 10, 15, 16]
    path = encode(tmp_path / "a.mp4", RAMP[:10], ticks=ticks)
    frames, fps = read_video(path)
    starts = [round(tick / 10 * fps) for tick in ticks]
    shown = [max(i for i, start in enumerate(starts) if start <= k) for k in range(starts[-1] + 1)]
    assert levels_of(frames) == [RAMP[i] for i in shown]
    assert len(set(shown)) < len(shown)


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 0.5), (0.6, 1.3), (1.5, None), (None, 0.7)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_span_is_the_same_frames_as_in_the_whole(
    tmp_path: Path, name: str, start_s: float | None, end_s: float | None
) -> None:
    path = encode(tmp_path / name, RAMP)
    whole, fps = read_video(path)
    span, _ = read_video(path, start_s=start_s, end_s=end_s)
    first = round((start_s or 0) * fps)
    last = 20 if end_s is None else round(end_s * fps)
    np.testing.assert_array_equal(span, whole[first:last])


@pytest.mark.parametrize(("size_px", "shape"), [(24, (24, 32)), (48, (48, 64)), (96, (96, 128))])
def test_the_short_side_gets_the_size(tmp_path: Path, size_px: int, shape: tuple[int, int]) -> None:
    frames, _ = read_video(encode(tmp_path / "a.mp4", RAMP), size_px=size_px)
    assert frames.shape == (20, *shape, 3)
    assert levels_of(frames) == RAMP


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_the_rotation_of_the_file_is_applied(tmp_path: Path, quarters: int) -> None:
    path = encode(tmp_path / "a.mp4", RAMP)
    upright, _ = read_video(path)
    # The display matrix of the track header, 16.16 fixed point, turning clockwise.
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    matrix = struct.pack(">9i", *(v << 16 for v in (cos, sin, 0, -sin, cos, 0, 0, 0)), 1 << 30)
    data = bytearray(path.read_bytes())
    offset = data.index(b"tkhd") + 44
    data[offset : offset + 36] = matrix
    path.write_bytes(data)
    turned, _ = read_video(path)
    np.testing.assert_array_equal(turned, np.rot90(upright, k=-quarters, axes=(1, 2)))


def _reason(path: Path, **span: float) -> str:
    with pytest.raises(VideoError) as caught:
        read_video(path, **span)
    assert str(path) in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason
    return caught.value.reason


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert _reason(tmp_path / "none.mp4") == "no such file"
    (tmp_path / "empty.mp4").touch()
    assert "empty" in _reason(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("this is not a video" * 100)
    assert "cannot be decoded" in _reason(tmp_path / "text.mp4")
    path = encode(tmp_path / "a.mp4", RAMP)
    assert "between 7 s and 8 s (the video lasts 2.00 s)" in _reason(path, start_s=7, end_s=8)


@pytest.mark.parametrize(
    ("name", "options"), [("a.mp4", {}), ("a.mp4", {"movflags": "faststart"}), ("a.mkv", {})]
)
def test_a_video_that_was_cut_off_is_named(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, 60)
    path = encode(tmp_path / name, [int(level) for level in noise], options=options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 5])
    assert "cut off" in (reason := _reason(path)) or "cannot be decoded" in reason


REFUSED = {
    "tiny_AudioVideoInterleave.avi": "has no frames",
    "tiny_FlashVideo.flv": "cannot be decoded (End of file)",
    "tiny_Mpeg4.mp4": "has no video stream",
    "tiny_WindowsMediaVideo.wmv": "has no frames",
    "tiny_mp4-with-audio.mp4": "has no video stream",
    "tiny_webm.webm": "is cut off: 1 of 26 expected frames could be decoded",
    "zero_bytes.webm": "the file is empty (0 bytes)",
}
OTHER_LENGTHS = {
    "decord_corrupted.mp4": 50,  # the manifest stops at the first bad packet
    "imageio_newtonscradle.gif": 41,  # a variable rate
    "mmaction_part_0.mp4": 33,  # its time stamps skip one frame
}


@pytest.mark.shared_data
def test_what_becomes_of_real_files_in_many_codecs(shared_folder: Path) -> None:
    clips = shared_folder / "clips"
    with (clips / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    lengths, damaged, refused = {}, {}, {}
    for row in rows:
        name = row["file"]
        try:
            with stream_video(clips / name, size_px=32) as stream:
                lengths[name] = sum(1 for _ in stream)
            damaged[name] = stream.damaged
        except VideoError as error:
            refused[name] = error.reason
    assert len(rows) == 76
    assert refused == REFUSED
    assert {name: share for name, share in damaged.items() if share} == {
        "decord_corrupted.mp4": pytest.approx(1 / 50)
    }
    listed = {row["file"]: int(row["decoded"]) for row in rows if row["file"] in lengths}
    assert lengths == listed | OTHER_LENGTHS


@pytest.mark.shared_data
def test_swapped_time_stamps_of_avi_files_lose_no_frame(shared_folder: Path) -> None:
    path = shared_folder / "clips" / "v_ApplyEyeMakeup_g01_c04.avi"  # packed B-frames
    frames, _ = read_video(path, size_px=32)
    assert len(frames) == 235
    same = [np.array_equal(a, b) for a, b in itertools.pairwise(frames)]
    assert sum(same) < 5
