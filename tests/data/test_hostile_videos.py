"""Files as they come: damaged, mislabelled, and made to break or to bloat what reads them."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from written_videos import encode, levels_of

from vidnas.data.reading import VideoError, read_video, stream_video

RAMP = list(range(0, 200, 10))  # 20 frames
STEPS_MS = np.random.default_rng(0).integers(20, 48, 90)


def _reason(path: Path, **options: float) -> str:
    with pytest.raises(VideoError) as caught:
        read_video(path, **options)
    return caught.value.reason


def _recorded_in_a_browser(path: Path, steps_ms: np.ndarray) -> Path:
    """Frames with time stamps in milliseconds, and "1000 fps" in the header."""
    ticks = np.cumsum(steps_ms).tolist()
    levels = [index * 2 for index in range(len(ticks))]
    return encode(path, levels, rate=1000, codec="libvpx", ticks=ticks)


def _without_default_duration(path: Path) -> Path:
    data = path.read_bytes()
    at = data.index(b"\x23\xe3\x83")
    end = at + 4 + (data[at + 3] & 0x7F)
    void = bytes((0xEC, 0x80 | (end - at - 2)))
    path.write_bytes(data[:at] + void + bytes(end - at - 2) + data[end:])
    return path


@pytest.mark.parametrize("name", ["a.webm", "a.mkv"])
@pytest.mark.parametrize("declared", [True, False])
def test_the_rate_comes_from_the_stamps(tmp_path: Path, name: str, declared: bool) -> None:
    path = _recorded_in_a_browser(tmp_path / name, STEPS_MS)
    if not declared:
        _without_default_duration(path)
    frames, rate = read_video(path)
    assert rate == pytest.approx(1000 / STEPS_MS.mean(), rel=0.02)
    assert 86 <= len(frames) <= 94
    half, _ = read_video(path, start_s=1.0, end_s=2.0)
    assert len(half) == pytest.approx(rate, abs=1)


def test_a_pause_does_not_slow_the_rest(tmp_path: Path) -> None:
    steps_ms = np.full(90, 33)
    steps_ms[45] = 3000
    frames, rate = read_video(_recorded_in_a_browser(tmp_path / "a.webm", steps_ms))
    assert rate == pytest.approx(30.3, rel=0.02)
    assert len(frames) == pytest.approx(90 + 90, abs=3)


def test_a_long_gap_is_left_out(tmp_path: Path) -> None:
    ticks = [*range(10), *range(5000, 5010)]  # the second half comes 499 s later
    frames, _ = read_video(encode(tmp_path / "a.mp4", RAMP, ticks=ticks), rate_fps=10)
    assert len(frames) == 9 + 100 + 10
    late, _ = read_video(tmp_path / "a.mp4", start_s=500, rate_fps=10)
    assert levels_of(late) == RAMP[10:]


def test_few_frames_cannot_become_many(tmp_path: Path) -> None:
    ticks = [59_000 * index for index in range(40)]
    path = encode(tmp_path / "a.mkv", RAMP * 2, rate=1000, ticks=ticks)
    frames, rate = read_video(path)
    assert len(frames) == 40
    assert rate == pytest.approx(1 / 59)
    assert "would become" in _reason(path, rate_fps=30)


@pytest.mark.parametrize(
    ("name", "video", "audio"),
    [("a.mkv", "libx264", "aac"), ("a.webm", "libvpx", "libopus"), ("a.flv", "libx264", "aac")],
)
def test_sound_that_is_longer_promises_no_frames(
    tmp_path: Path, name: str, video: str, audio: str
) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(audio, rate=48_000)
        for packet in [*_encoded_pictures(pictures), *_encoded_sound(sound, seconds=10)]:
            container.mux(packet)
    frames, _ = read_video(path)
    assert levels_of(frames) == RAMP
    with stream_video(path) as stream:
        assert len(list(stream)) == 20
        assert stream.damaged == 0


def _encoded_pictures(stream: av.VideoStream) -> Iterator[av.Packet]:
    for index, level in enumerate(RAMP):
        image = np.full((48, 64, 3), level, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, 10)
        yield from stream.encode(frame)
    yield from stream.encode()


def _encoded_sound(stream: av.AudioStream, seconds: int) -> Iterator[av.Packet]:
    layout, size = stream.layout.name, 960
    for index in range(seconds * 48_000 // size):
        samples = np.zeros((len(stream.layout.channels), size), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = 48_000, index * size
        frame.time_base = Fraction(1, 48_000)
        if stream.format.name != "fltp":
            frame = av.AudioResampler(stream.format.name, layout, 48_000).resample(frame)[0]
        yield from stream.encode(frame)
    yield from stream.encode()


def test_bad_packets_are_left_out_and_counted(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mov", RAMP, codec="png", pix_fmt="rgb24")
    data = bytearray(path.read_bytes())
    places = [match.start() for match in re.finditer(b"\x89PNG", data)]
    data[places[5]] = 0
    path.write_bytes(data)
    with stream_video(path) as stream:
        frames = np.stack(list(stream))
        assert stream.damaged == pytest.approx(1 / 20)
    assert levels_of(frames) == [*RAMP[:5], RAMP[4], *RAMP[6:]]
    for place in places[3:14]:
        data[place] = 0
    path.write_bytes(data)
    assert "is damaged: 9 of 20 expected frames" in _reason(path)


def test_a_joined_transport_stream_keeps_its_second_half(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.ts", RAMP, codec="libx264").read_bytes()
    second = encode(tmp_path / "b.ts", RAMP[::-1], codec="libx264").read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first + second)
    frames, rate = read_video(joined)
    assert rate == 10
    assert levels_of(frames) == RAMP + RAMP[::-1]
    span, _ = read_video(joined, start_s=2.5, end_s=3.5)
    np.testing.assert_array_equal(span, frames[25:35])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_the_display_matrix_is_applied(tmp_path: Path, quarters: int, mirrored: bool) -> None:
    path = encode(tmp_path / "a.mp4", RAMP)
    plain, _ = read_video(path)
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    across = -1 if mirrored else 1
    # x goes to (a, b), y to (c, d): mirrored from left to right, then turned clockwise.
    values = (across * cos, across * sin, 0, -sin, cos, 0, 0, 0)
    matrix = struct.pack(">9i", *(value << 16 for value in values), 1 << 30)
    data = bytearray(path.read_bytes())
    offset = data.index(b"tkhd") + 44
    data[offset : offset + 36] = matrix
    path.write_bytes(data)
    shown, _ = read_video(path)
    expected = plain[:, :, ::-1] if mirrored else plain
    np.testing.assert_array_equal(shown, np.rot90(expected, k=-quarters, axes=(1, 2)))


# fmt: off
NAMES = [
    "2024-01-01T12:30:05.mp4", "-i.mp4", "--help", "a%03d.mp4", "%d.jpg", "file:a.mp4",
    "http:a.mp4", "concat:a.mp4|b.mp4", "pipe:", "data:text,x", "a?b#c.mp4", "a*[0-9].mp4",
    " a .mp4", "caf\xe9\u0301.mp4", "a.m3u8", "a.sdp", "a.txt", "a.avs", "a\nb.mp4", "a.h264",
]
# fmt: on


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(tmp_path / "plain.mp4", RAMP).read_bytes()
    (tmp_path / name).write_bytes(data)
    assert len(read_video(tmp_path / name)[0]) == 20
    monkeypatch.chdir(tmp_path)
    assert len(read_video(name)[0]) == 20


def test_a_name_of_bytes_is_only_a_name(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.write_bytes(encode(tmp_path / "plain.mp4", RAMP).read_bytes())
    assert len(read_video(path)[0]) == 20
    assert _reason(tmp_path / ("n" * 300 + ".mp4")) == "cannot be read (File name too long)"


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:2,\nplain.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile plain.mp4\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        '<?xml version="1.0"?><MPD type="static"><Period/></MPD>',
    ],
)
def test_what_refers_to_other_files_is_refused(tmp_path: Path, text: str) -> None:
    encode(tmp_path / "plain.mp4", RAMP)
    for name in ("list.m3u8", "list.mp4", "list.txt"):
        (tmp_path / name).write_text(text)
        assert "a list of other files" in _reason(tmp_path / name)


def test_odd_metadata_do_no_harm(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", RAMP, codec="mpeg4", metadata={"title": "xxxx"})
    path.write_bytes(path.read_bytes().replace(b"xxxx", b"caf\xe9"))
    assert levels_of(read_video(path)[0]) == RAMP
    path = encode(tmp_path / "a.mp4", RAMP, metadata={"title": "xxxx"})
    path.write_bytes(path.read_bytes().replace(b"xxxx", b"caf\xe9"))
    assert levels_of(read_video(path)[0]) == RAMP


def test_an_unknown_codec_is_named(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", RAMP)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    assert _reason(path) == "its codec is unknown"


@pytest.mark.parametrize("start_s", [1e15, 1e300, 5.0])
def test_a_span_far_behind_the_end_has_no_frames(tmp_path: Path, start_s: float) -> None:
    path = encode(tmp_path / "a.mp4", RAMP)
    assert "has no frames" in _reason(path, start_s=start_s)
    assert "has no frames" in _reason(path, start_s=start_s, end_s=start_s * 2)


@pytest.mark.parametrize("size", [(65535, 1), (1, 65535), (40, 2000), (65535, 65535)])
def test_a_header_does_not_decide_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "a.gif"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\x02\x02\x44\x01\x00"
    header = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    path.write_bytes(header + frame * 3 + b";")
    reason = _reason(path, size_px=16)
    assert "pixels" in reason or "no size" in reason or "cannot be decoded" in reason


def test_a_file_that_vanishes_is_that_files_fault(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", RAMP)
    with stream_video(path) as stream:
        path.unlink()
        with pytest.raises(VideoError, match="no such file"):
            list(stream)
