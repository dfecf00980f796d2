"""Requests as a stranger may send them: each is to be refused, or answered, without harm.

Every one is what a connection carries, so that no client library mends it on the way.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO

import av
import numpy as np

BOUNDARY = "a-boundary"
CLOSED = 0
"""In the place of a status: the connection ended without one."""
_CHUNK = 1 << 16
_PATIENCE_S = 60.0

Stream = AsyncIterator[bytes]


@dataclass(frozen=True)
class Attack:
    """A request, and the answers that do no harm."""

    stream: Callable[[bytes, random.Random], Stream]
    """Given a good clip, yields what the connection carries."""
    answers: frozenset[int]
    hangs_up: bool = False
    """Whether the sender leaves when it has sent all, without waiting for an answer."""


async def send(host: str, port: int, attack: Attack, clip: bytes, seed: int) -> int:
    """Attack a server; return the status of its answer, or `CLOSED`.

    Raises:
        TimeoutError: it neither answers nor hangs up.
    """
    reader, writer = await asyncio.open_connection(host, port)

    async def sending() -> None:
        with suppress(ConnectionError):
            async for part in attack.stream(clip, random.Random(seed)):
                writer.write(part)
                await writer.drain()

    task = asyncio.create_task(sending())
    try:
        if attack.hangs_up:
            await task
            return CLOSED
        line = await asyncio.wait_for(reader.readline(), _PATIENCE_S)
        return int(line.split()[1]) if line else CLOSED
    except ConnectionError:
        return CLOSED
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        writer.close()


def head(
    length: int | None, *, target: str = "/predict", method: str = "POST", more: Iterable[str] = ()
) -> bytes:
    """Return the head of a request that claims to bring a form."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def part(content: bytes, *, name: str = "video", file: str | None = "clip.mp4") -> bytes:
    """Return one field of a form."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
    opening = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
    return opening.encode("utf-8", "surrogateescape") + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def form(content: bytes, **named: str | None) -> bytes:
    """Return a whole request with a form of one field."""
    body = part(content, **named) + END  # type: ignore[arg-type]
    return head(len(body)) + body


def upload(content: bytes, *answers: int, **named: str | None) -> Attack:
    """Attack with what a file holds, or with its name."""
    return raw(form(content, **named), *answers)


def raw(request: bytes, *answers: int) -> Attack:
    """Attack with these bytes."""

    async def stream(clip: bytes, rng: random.Random) -> Stream:
        yield request

    return Attack(stream, frozenset(answers))


def _good(file: str) -> Attack:
    async def stream(clip: bytes, rng: random.Random) -> Stream:
        yield form(clip, file=file)

    return Attack(stream, frozenset({200}))


async def _fuzzed(clip: bytes, rng: random.Random) -> Stream:
    """Send the clip with some bytes that are not its own."""
    changed = bytearray(clip)
    for _ in range(rng.randint(1, 40)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    yield form(bytes(changed[: rng.randint(len(changed) // 2, len(changed))]))


async def _endless(clip: bytes, rng: random.Random) -> Stream:
    """Send a body without an end, whose head says nothing of its size."""
    yield head(None)
    opening = part(b"")[:-2]
    yield b"%x\r\n%s\r\n" % (len(opening), opening)
    while True:
        yield b"%x\r\n%s\r\n" % (_CHUNK, bytes(_CHUNK))


async def _slow_head(clip: bytes, rng: random.Random) -> Stream:
    """Send the head a byte at a time."""
    for byte in head(1000):
        yield bytes([byte])
        await asyncio.sleep(0.3)


async def _slow_body(clip: bytes, rng: random.Random) -> Stream:
    """Send the body a byte at a time."""
    request = form(clip)
    yield request[:400]
    for byte in request[400:]:
        yield bytes([byte])
        await asyncio.sleep(0.3)


async def _silent(clip: bytes, rng: random.Random) -> Stream:
    """Connect, and send nothing."""
    await asyncio.sleep(_PATIENCE_S)
    yield b""


async def _vanishing(clip: bytes, rng: random.Random) -> Stream:
    """Send half of what the head promises."""
    request = form(clip)
    yield request[: rng.randint(50, len(request) - 1)]


def _black(width: int, height: int, stamps: Iterable[int]) -> bytes:
    """Return a black video with frames at these times in 1/25 s, each but the first a few bytes."""
    file, tick = BytesIO(), Fraction(1, 25)
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "bf": "0"}
        black = np.zeros((height * 3 // 2, width), dtype=np.uint8)
        frames = [av.VideoFrame.from_ndarray(black, format="yuv420p") for _ in range(2)]
        packets = [packet for frame in (*frames, None) for packet in stream.encode(frame)]
        for number, stamp in enumerate(stamps):
            packet = packets[min(number, 1)]
            packet.time_base, packet.pts, packet.dts = tick, stamp, stamp
            container.mux(packet)
    return file.getvalue()


def _gif(width: int, height: int) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HH", width, height)
        + b"\x80\0\0\0\0\0\xff\xff\xff"
        + (b",\0\0\0\0" + struct.pack("<HH", width, height) + b"\0\x02\x02D\x01\0;")
    )


def attacks() -> dict[str, Attack]:
    """Return every attack by name."""
    many = b"".join(part(b"x", name=f"n{number}", file=None) for number in range(2000)) + END
    files = b"".join(part(b"x") for _ in range(2000)) + END
    long_header = b"--" + BOUNDARY.encode() + b"\r\nX: " + b"y" * 200_000 + b"\r\n\r\n\r\n" + END
    noise = random.Random(0).randbytes(50_000)
    return {
        # what the file holds
        "not a video": upload(noise, 422),
        "empty file": upload(b"", 422),
        "text": upload(b"dear server, " * 1000, 422),
        "playlist of files": upload(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 422),
        "list of files": upload(b"ffconcat version 1.0\nfile /etc/passwd\n", 422),
        "picture of 65535 x 65535": upload(_gif(65535, 65535), 422),
        "decompression bomb": upload(_black(7680, 4320, range(1400)), 422),
        "ten hours": upload(_black(64, 64, (0, 25, 900_000)), 422),
        "fuzzed clip": Attack(_fuzzed, frozenset({200, 422})),
        # how it is named
        "path in the file name": _good("../../../../tmp/vidnas-was-here.mp4"),
        "absolute file name": _good("/etc/passwd"),
        "markup in the file name": _good("<script>alert(1)</script>\x1b[31m.mp4"),
        "long file name": _good("x" * 4000),
        # how the form is made
        "another field": upload(noise, 422, name="file"),
        "text in place of a file": upload(b"clip.mp4", 422, file=None),
        "thousands of fields": raw(head(len(many)) + many, 400),
        "thousands of files": raw(head(len(files)) + files, 400),
        "long header of a part": raw(head(len(long_header)) + long_header, 400, 422),
        "no form": raw(
            b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}", 415
        ),
        "no boundary": raw(form(noise).replace(b"; boundary=a-boundary", b""), 400),
        "a text that is undefined": raw(
            form(noise).replace(b"=a-boundary\r", b"=a-boundary; charset=undefined\r"), 400
        ),
        "no end": raw(head(60_000) + part(noise).ljust(60_000, b"z"), 400, 422),
        # how it arrives
        "endless body": Attack(_endless, frozenset({408, 413, CLOSED})),
        "claims a terabyte": raw(head(1 << 40), 413),
        "claims more than a number": raw(head(10**30), 400, 413),
        "claims less than nothing": raw(head(-1), 400),
        "slow head": Attack(_slow_head, frozenset({CLOSED})),
        "slow body": Attack(_slow_body, frozenset({408})),
        "silence": Attack(_silent, frozenset({CLOSED})),
        "hangs up": Attack(_vanishing, frozenset({CLOSED}), hangs_up=True),
        # what is no request
        "noise": raw(noise, 400, CLOSED),
        "long head": raw(head(0, more=[f"X-{n}: {'y' * 900}" for n in range(100)]), 400, 422),
        "two lengths": raw(head(5, more=["Transfer-Encoding: chunked"]) + b"0\r\n\r\n", 400, 422),
        "path out of the server": raw(head(0, method="GET", target="/../../etc/passwd"), 404),
        "hidden path": raw(head(0, method="GET", target="/%2e%2e/%2e%2e/etc/passwd%00"), 404),
        "another site's name": raw(
            b"GET /model HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400
        ),
    }  # fmt: skip
