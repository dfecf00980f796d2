"""A video file played as a network camera: RTSP on loopback, H.264 in real time, over and over."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from threading import Event, Thread

import av
from av.video.frame import VideoFrame
from typing_extensions import Self

_SDP = """v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=camera\r
t=0 0\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1\r
a=control:video\r
"""
_CLOCK = 90_000


class Camera:
    """Serves one client at a time, from the first frame on, for as long as the `with` block lasts.

    Like a camera it does not wait: what the client does not take is lost when buffers are full.
    """

    def __init__(self, video: Path, *, rate_fps: int = 25, seconds: float = float("inf")) -> None:
        """Play a video, again from its start when it ends, for so many seconds."""
        self._video, self._rate_fps, self._seconds = video, rate_fps, seconds
        self._stop = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self._thread = Thread(target=self._serve, daemon=True)
        self.sent_s: list[float] = []
        """When each frame was shown to the camera, by `time.monotonic`."""

    @property
    def url(self) -> str:
        """The address of the stream."""
        return f"rtsp://user:secret@127.0.0.1:{self._listener.getsockname()[1]}/stream"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError, OSError):
                client, _ = self._listener.accept()
                with client:
                    self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        """Answer the requests of a client; after PLAY, send the video."""
        client.settimeout(10)
        requests = client.makefile("rb")
        while True:
            lines = []
            while line := requests.readline().strip():
                lines.append(line.decode())
            if not lines:
                return
            method = lines[0].split()[0]
            fields = dict(line.split(": ", 1) for line in lines[1:])
            body, extra = "", ""
            if method == "DESCRIBE":
                body = _SDP
                extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                extra = f"Transport: {fields['Transport']}\r\nSession: 1\r\n"
            elif method == "PLAY":
                extra = "Session: 1\r\n"
            head = f"RTSP/1.0 200 OK\r\nCSeq: {fields['CSeq']}\r\n{extra}\r\n"
            client.sendall((head + body).encode())
            if method == "PLAY":
                self._play(client)
                return

    def _play(self, client: socket.socket) -> None:
        """Send RTP packets between the requests, as RFC 2326 (10.12) has it."""
        packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        packets.bind(("127.0.0.1", 0))
        target = f"rtp://127.0.0.1:{packets.getsockname()[1]}?pkt_size=1200"
        self.sent_s.clear()
        with packets, av.open(target, "w", format="rtp") as output:
            at_once = {"preset": "ultrafast", "tune": "zerolatency"}
            stream = output.add_stream("libx264", rate=self._rate_fps, options=at_once)
            stream.gop_size, stream.pix_fmt = self._rate_fps, "yuv420p"
            stream.codec_context.time_base = Fraction(1, _CLOCK)
            for index, frame in enumerate(self._frames()):
                if not index:
                    stream.width, stream.height = frame.width, frame.height
                frame.pts = index * _CLOCK // self._rate_fps
                frame.time_base = Fraction(1, _CLOCK)
                self.sent_s.append(time.monotonic())
                for packet in stream.encode(frame):
                    output.mux(packet)
                _forward(packets, client)

    def _frames(self) -> Iterator[VideoFrame]:
        """Yield the frames of the video, each when it is its time."""
        began_s, count = time.monotonic(), 0
        while True:
            with av.open(str(self._video)) as container:
                for frame in container.decode(video=0):
                    due_s = began_s + count / self._rate_fps
                    if self._stop.wait(max(0.0, due_s - time.monotonic())):
                        return
                    if count / self._rate_fps >= self._seconds:
                        return
                    count += 1
                    yield frame.reformat(format="yuv420p")


def _forward(packets: socket.socket, client: socket.socket) -> None:
    packets.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            packet = packets.recv(65536)
            client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
