"""Requests of strangers are refused or answered, and the next one finds the server as it was."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
    (folder,) = uploads.glob("vidnas-serve-*")
    assert not list(folder.iterdir())


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
