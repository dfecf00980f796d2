"""Requests of strangers are refused or answered, and the next one finds the server as it was."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from served import ROOT, httpx, serving, tiny_model

from vidnas.data.demo import write_clips
from vidnas.data.reading import VideoError
from vidnas.deploy.serving import decoding

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT)
    from benchmarks import hostile_requests

ATTACKS = hostile_requests.attacks()


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(scope="module")
def client(uploads: Path) -> Iterator[httpx.Client]:
    with serving(tiny_model()) as found:
        yield found


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, classes=["right"], clips_per_class=1, size_px=64, seed=0)
    return sorted(folder.rglob("*.mp4"))[0].read_bytes()


@pytest.fixture(scope="module")
def answers(client: httpx.Client, clip: bytes) -> dict[str, int]:
    """The answer to each attack; all of them at once, because some take their time."""

    async def attack() -> list[int]:
        host, port = client.base_url.host, client.base_url.port or 0
        turns = asyncio.Semaphore(3)  # the server takes on 4

        async def one(name: str) -> int:
            quiet = name in ("slow head", "silence", "noise")
            async with asyncio.Semaphore(1) if quiet else turns:
                return await hostile_requests.send(host, port, ATTACKS[name], clip, seed=0)

        return await asyncio.gather(*map(one, ATTACKS))

    return dict(zip(ATTACKS, asyncio.run(attack()), strict=True))


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_answered_without_harm(answers: dict[str, int], name: str) -> None:
    assert answers[name] in ATTACKS[name].answers


@pytest.mark.usefixtures("answers")
def test_afterwards_all_is_as_before(client: httpx.Client, clip: bytes, uploads: Path) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.post("/predict", files={"video": clip}).status_code == 200
    assert "vidnas_predictions_in_progress 0" in client.get("/metrics").text
    assert not list(uploads.glob("vidnas-serve-*"))


def test_it_needs_nothing_that_cleaning_takes_away(
    client: httpx.Client, clip: bytes, uploads: Path
) -> None:
    """As systemd-tmpfiles does with what lay in /tmp for ten days."""
    for left in uploads.glob("vidnas-serve-*"):
        shutil.rmtree(left)
    assert client.post("/predict", files={"video": clip}).status_code == 200


@pytest.mark.parametrize("place", ["shutil.copyfileobj", "_read_form", "TemporaryDirectory"])
def test_a_full_disk_is_a_refusal(
    client: httpx.Client, clip: bytes, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/somewhere")

    monkeypatch.setattr(f"vidnas.deploy.serving.upload.{place}", fail)
    answer = client.post("/predict", files={"video": clip})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    said = "The server cannot keep the video (No space left on device); send it again later."
    assert answer.json() == {"detail": said}


def film(path: Path, frames: int) -> Path:
    """Write a video of 30 frames a second, whose stamps are whole milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(frames):
            picture = np.zeros((48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_video_of_the_longest_time_is_not_too_long(tmp_path: Path) -> None:
    contract = tiny_model().contract
    lasting = {name: film(tmp_path / f"{name}.mkv", name) for name in (150, 165)}
    assert decoding.read_pixels(lasting[150], contract, max_duration_s=5, timeout_s=60)
    with pytest.raises(VideoError, match=r"lasts 5\.50 s, longer than 5 s"):
        decoding.read_pixels(lasting[165], contract, max_duration_s=5, timeout_s=60)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_video_that_needs_too_much_memory_cannot_be_scored(
    tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(decoding, "contract_clips", fail)
    (tmp_path / "a.mp4").write_bytes(clip)
    with pytest.raises(VideoError, match="needs more memory than a video may take"):
        decoding.read_pixels(
            tmp_path / "a.mp4", tiny_model().contract, max_duration_s=60, timeout_s=60
        )
