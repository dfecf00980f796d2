"""Cameras as they are: without stamps, at other rates than they say, with nothing to give yet."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from commands import call

from vidnas.cli import predict_live
from vidnas.core import UserError
from vidnas.data import live_frames
from vidnas.data.live_flow import Arrival
from vidnas.data.live_frames import LiveFrames
from vidnas.data.reading import live
from vidnas.data.reading.live import LiveSource, open_live
from vidnas.deploy import Model, save_model
from vidnas.deploy.live import Answer, _answer
from vidnas.deploy.onlookers import onlooker_of


@contextmanager
def answering(handler: Any) -> Iterator[str]:
    """Serve HTTP on loopback; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def jpegs(count: int) -> list[bytes]:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    found = []
    for number in range(count):
        picture = np.full((48, 64, 3), number % 250, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p")
        frame.pts = number
        found += [bytes(packet) for packet in encoder.encode(frame)]
    return found


def mjpeg_camera(rate_fps: int, seconds: float) -> type[BaseHTTPRequestHandler]:
    """A camera that sends pictures without stamps, as most cheap ones do."""
    pictures = jpegs(round(rate_fps * seconds))

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            began_s = time.monotonic()
            for number, picture in enumerate(pictures):
                time.sleep(max(0.0, began_s + number / rate_fps - time.monotonic()))
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n"
                self.wfile.write(head.encode() + b"\r\n" + picture + b"\r\n")

        def log_message(self, *_: object) -> None:
            pass

    return Camera


@pytest.mark.parametrize(("sent_fps", "seconds"), [(10, 5), (60, 3)])
def test_a_camera_without_stamps_is_seen_at_the_speed_of_life(
    sent_fps: int, seconds: float
) -> None:
    """FFmpeg says of every such camera that it sends 25 a second."""
    with (
        answering(mjpeg_camera(sent_fps, seconds)) as address,
        LiveFrames(LiveSource(address), size_px=32, rate_fps=25, keep=10) as seen,
    ):
        with pytest.raises(UserError, match="cannot be read"):  # it breaks off
            seen.wait(10_000)
        newest = seen.wait(1)
    assert newest is not None
    # What FFmpeg reads to learn what a stream is comes at once, before time begins.
    assert 1.5 < newest.time_s < seconds
    assert newest.number == pytest.approx(25 * newest.time_s, abs=8)
    # The last pictures may break off with the camera.
    assert sent_fps * seconds - 3 <= newest.came <= sent_fps * seconds


@pytest.mark.parametrize("suffix", ["mjpeg", "h264"])
def test_a_file_without_stamps_takes_its_time(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "mjpeg":
        path.write_bytes(b"".join(jpegs(20)))
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(20):
                picture = np.full((48, 64, 3), 10 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    began_s = time.monotonic()
    with LiveFrames(LiveSource(f"file://{path}"), size_px=32, rate_fps=25, keep=100) as seen:
        assert seen.wait(10_000) is None
        newest = seen.wait(20)
    assert newest is not None and newest.number == newest.came == 20
    assert time.monotonic() - began_s > 0.6


class Hesitant:
    """A container that has nothing to give now and then, as cameras of macOS."""

    def __init__(self, container: Any) -> None:
        self.format, self._container = container.format, container
        self._packets: Iterator[Any] | None = None
        self._asked = 0

    def demux(self, stream: Any) -> Iterator[Any]:
        self._packets = self._packets or self._container.demux(stream)
        while True:
            self._asked += 1
            if self._asked % 5 == 1:
                raise av.error.BlockingIOError(errno.EAGAIN, "nothing yet")
            packet = next(self._packets, None)
            if packet is None:
                return
            yield packet


def test_a_camera_that_has_no_new_picture_yet_is_asked_again(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def hesitant(source: LiveSource) -> Iterator[Any]:
        with open_live(source) as (container, stream):
            yield Hesitant(container), stream

    monkeypatch.setattr(live_frames, "open_live", hesitant)
    with LiveFrames(LiveSource(f"file://{video}"), size_px=32, rate_fps=None, keep=4) as seen:
        assert seen.wait(10_000) is None
        newest = seen.wait(1)
    assert newest is not None and newest.came == 20


def test_a_camera_that_stays_silent_is_given_up(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Hesitant):
        def demux(self, stream: Any) -> Iterator[Any]:
            raise av.error.BlockingIOError(errno.EAGAIN, "nothing yet")

    monkeypatch.setattr(live_frames, "TIMEOUT_S", 0.1)
    with (
        open_live(LiveSource(f"file://{video}")) as (container, stream),
        pytest.raises(av.error.BlockingIOError),
    ):
        next(live_frames._demuxed(Silent(container), stream))  # type: ignore[arg-type]


@pytest.mark.parametrize("only", ["30", "15", None])
def test_a_camera_of_macos_is_opened_at_a_rate_that_it_has(
    video: Path, monkeypatch: pytest.MonkeyPatch, only: str | None
) -> None:
    opened = av.open

    def of_macos(name: str, *, format: str, options: Any = None, timeout: object) -> Any:
        assert (name, format) == ("1:none", "avfoundation")
        if (options or {}).get("framerate") != only:
            raise OSError(errno.EIO, "Input/output error")
        return opened(str(video))

    monkeypatch.setattr(live, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(av, "open", of_macos)
    with open_live(LiveSource("1")) as (_, stream):
        assert (stream.width, stream.height) == (64, 48)


def test_devices_of_linux_are_none_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "sys", SimpleNamespace(platform="darwin"))
    with (
        pytest.raises(UserError, match="cameras of macOS are numbers"),
        open_live(LiveSource("/dev/video0")),
    ):
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which its files are."""
    (tmp_path / "web").mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with answering(partial(Quiet, directory=str(tmp_path / "web"))) as address:
        yield tmp_path / "web", address


def test_a_stream_of_an_unknown_codec_is_one_sentence(
    model: Model, video: Path, web: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = web
    save_model(model, tmp_path / "model")
    (folder / "a.mp4").write_bytes(video.read_bytes().replace(b"avc1", b"zzzz"))
    done = call("predict", tmp_path / "model", f"{address}/a.mp4")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith("its codec is unknown; choose another source.")


def test_frames_of_a_stream_are_counted_once(model: Model) -> None:
    """Also those that were not decoded, in whose place the frame before is shown."""
    onlooker = onlooker_of(model)
    seen = LiveFrames(LiveSource("0"), size_px=32, rate_fps=25, keep=onlooker.keep)
    picture = np.zeros((32, 32, 3), np.uint8)
    for point in range(10):
        seen._keep(Arrival(picture, point, point + 1, point / 25, 0.0))
    before = seen.wait(10)
    assert before is not None
    _, passed = onlooker.look(before)
    seen._undecoded = 20
    seen._keep(Arrival(picture, 30, 11, 30 / 25, 0.0))
    after = seen.wait(31)
    assert after is not None
    scores, more = onlooker.look(after)
    answer = _answer(after, scores, passed + more)
    assert answer.frames == 31
    assert answer.dropped == 20 + 10 - onlooker.keep


def test_frames_that_come_between_two_answers_are_dropped(model: Model) -> None:
    onlooker = onlooker_of(model)
    seen = LiveFrames(LiveSource("0"), size_px=32, rate_fps=10, keep=onlooker.keep)
    picture = np.zeros((32, 32, 3), np.uint8)
    passed = []
    for picture_number in range(1, 91):  # three for each point of the grid
        point = (picture_number - 1) // 3
        seen._keep(Arrival(picture, point, picture_number, picture_number / 30, 0.0))
        if picture_number in (3 * onlooker.keep, 90):
            newest = seen.wait(1)
            assert newest is not None and newest.came == picture_number
            passed.append(onlooker.look(newest)[1])
    assert passed == [0, 90 - 6 * onlooker.keep]


def test_all_answers_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(predict_live, "_AGES_KEPT", 3)
    told = predict_live._Told(json=True)
    for age_ms in (900, 900, 10, 10, 10):
        told.answer(Answer(0.0, age_ms, 5, 0, np.zeros(1)), {"a": 0.5})
    told.summary()
    said = " ".join(capsys.readouterr().err.split())
    assert "5 answers, 10 ms old (p95 10 ms, both of the last 3)" in said
