"""What `vidnas predict` is pointed at: pictures, folders of frames, cameras, streams."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from commands import call

from vidnas.core import UserError
from vidnas.data.flow import read_flow, resize_flow
from vidnas.data.live_frames import LiveFrames, Recent, StreamClock
from vidnas.data.reading import read_video
from vidnas.data.reading.live import LiveSource, live_source
from vidnas.data.sampling import clips_of
from vidnas.deploy import Model, save_model
from vidnas.deploy.live import watch
from vidnas.deploy.onlookers import onlooker_of
from vidnas.deploy.prediction import predict_video

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def frames(video: Path, tmp_path: Path) -> Path:
    """A folder of the frames of a video."""
    place = tmp_path / "frames"
    place.mkdir()
    for number, frame in enumerate(read_video(video)[0]):
        with av.open(str(place / f"{number}.png"), "w", format="image2") as container:
            stream = container.add_stream("png", rate=25)
            stream.height, stream.width = frame.shape[:2]
            stream.pix_fmt = "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    return place


def test_a_picture_is_no_video(folder: Path, frames: Path) -> None:
    done = call("predict", folder, frames / "0.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{frames / '0.png'}: is too short: it has a single frame, as a picture" in done.stderr


def test_a_folder_of_pictures_is_the_video_of_these_frames(
    folder: Path, frames: Path, video: Path
) -> None:
    (found,) = json.loads(call("predict", folder, frames, "--json").stdout).items()
    assert found[0] == str(frames)
    expected = json.loads(call("predict", folder, video, "--json").stdout)[str(video)]
    assert found[1] == pytest.approx(expected, abs=0.01)


def test_pictures_beside_videos_are_not_taken_for_frames(
    folder: Path, frames: Path, video: Path
) -> None:
    (frames / "deeper").mkdir()
    video.rename(frames / "deeper" / "a.mp4")
    done = call("predict", folder, frames, "--json")
    assert [*json.loads(done.stdout)] == [str(frames / "deeper" / "a.mp4")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "camera 0"),
        ("/dev/video3", "camera /dev/video3"),
        ("rtsp://user:pw@host:554/a?token=x", "rtsp://host:554/a"),
        ("HTTPS://host/a.m3u8#b", "https://host/a.m3u8"),
        ("file:///clips/a.mp4", "file:///clips/a.mp4"),
    ],
)
def test_what_is_live_and_how_it_is_named(text: str, shown: str) -> None:
    source = live_source(text)
    assert source is not None and str(source) == shown
    assert "pw" not in repr(source) and "token" not in repr(source)


@pytest.mark.parametrize("text", ["clip.mp4", "http:a.mp4", "2024", "a/0", "rtsp:", "::", "x://"])
def test_what_is_a_file(text: str) -> None:
    assert live_source(text) is None


def test_a_file_or_folder_named_as_a_camera_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert live_source("0") is not None and live_source("1") is not None
    Path("0").touch()
    Path("1").mkdir()
    assert live_source("0") is None and live_source("1") is None


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("rtsp://user:secret@127.0.0.1:1/x?token=secret", "rtsp://127.0.0.1:1/x cannot be read"),
        ("http://127.0.0.1:1/x", "Connection refused"),
        ("/dev/video99", "camera /dev/video99 cannot be read"),
        ("file://nowhere.mp4", "file://nowhere.mp4: no such file"),
        ("gopher://host/x", "gopher is none of rtsp, rtsps"),
        ("concat://a|b", "concat is none of"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence_without_secrets(
    folder: Path, source: str, sentence: str
) -> None:
    done = call("predict", folder, source)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr.splitlines()[-1]
    assert "secret" not in done.stderr


def test_a_live_source_is_given_alone_and_not_to_files(folder: Path, video: Path) -> None:
    assert "give it alone" in call("predict", folder, video, "rtsp://host/x").stderr
    assert "pipe its answers" in call("predict", folder, "0", "--out", "x").stderr


def test_a_network_camera_is_watched(
    folder: Path, model: Model, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.camera import Camera

    with Camera(video, seconds=3) as camera:
        done = call("predict", folder, camera.url, "--json", "--threshold", 0)
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    answers = [line for line in lines if "scores" in line]
    assert len(answers) > 3
    times_s = [answer["time_s"] for answer in answers]
    assert times_s == sorted(times_s) and times_s[-1] == pytest.approx(2.9, abs=0.3)
    assert all(sum(one["scores"].values()) == pytest.approx(1, abs=1e-3) for one in answers)
    assert answers[-1]["age_ms"] < 1000
    assert answers[-1]["frames"] <= 75
    assert {line["event"]["name"] for line in lines if "event" in line} == set(model.classes)
    assert "frames dropped" in done.stderr


def test_a_file_played_as_a_camera_takes_its_time(model: Model, video: Path) -> None:
    began_s = time.monotonic()
    answers = list(watch(model, LiveSource(f"file://{video}"), smoothing_s=1e-3))
    assert time.monotonic() - began_s > 0.7  # of 20 frames at 25 a second
    assert [round(answer.time_s * 25) for answer in answers][-1] in (17, 18, 19)
    assert answers[-1].frames <= 20


def test_live_answers_are_those_of_the_same_frames(model: Model, video: Path) -> None:
    """Where no answer is late, the last sees what the last clip of a window sees."""
    frames, _ = read_video(video, size_px=32)
    for answer in watch(model, LiveSource(f"file://{video}"), smoothing_s=1e-3):
        newest = round(answer.time_s * 25)
        (clip,) = clips_of(frames[newest - 6 : newest + 1], model.architecture.inputs)
        with torch.inference_mode():
            expected = model.network(clip.float() / 255).softmax(1)[0].numpy()
        assert answer.scores == pytest.approx(expected, abs=1e-5)


def test_a_camera_is_seen_in_as_many_squares_as_a_short_video(wide: Model, video: Path) -> None:
    frames, _ = read_video(video, size_px=32)
    found, _ = onlooker_of(wide).look(recent(frames, len(frames), len(frames)))
    expected = dict(predict_video(wide, video))
    assert dict(zip(wide.classes, found, strict=True)) == pytest.approx(expected)


@pytest.fixture
def causal(model: Model) -> Model:
    """A model whose network carries its past; its clips move on by two frames."""
    from dataclasses import replace

    from vidnas.families import create_network

    architecture = model.architecture.model_copy(update={"causal": True})
    return replace(model, network=create_network(architecture, 3).eval())


def test_a_causal_network_takes_every_frame_of_a_stream_once(causal: Model, video: Path) -> None:
    """It answers for one clip of all frames since the first answer, or for the newest clip, if
    that is longer."""
    (spec,) = causal.architecture.inputs
    frames, _ = read_video(video, size_px=32)
    onlooker = onlooker_of(causal)
    for number in range(spec.span_frames, len(frames) + 1, spec.frame_stride):
        assert onlooker.next == number
        found, passed = onlooker.look(recent(frames, number, onlooker.keep))
        count = max(spec.frames, (number - spec.span_frames) // spec.frame_stride + 1)
        since = spec.model_copy(update={"frames": count})
        (clip,) = clips_of(frames[number - since.span_frames : number], [since])
        with torch.inference_mode():
            expected = causal.network(clip.float() / 255).softmax(1)[0].numpy()
        assert found == pytest.approx(expected, abs=1e-6)
        assert passed == 0


def test_a_causal_network_catches_up_or_begins_anew(causal: Model, video: Path) -> None:
    (spec,) = causal.architecture.inputs
    frames, _ = read_video(video, size_px=32)
    slow, steady, fresh = onlooker_of(causal), onlooker_of(causal), onlooker_of(causal)
    window = spec.span_frames
    for number in range(window, window + 7):
        if number >= steady.next:
            expected, _ = steady.look(recent(frames, number, steady.keep))
    slow.look(recent(frames, window, slow.keep))
    found, passed = slow.look(recent(frames, window + 6, slow.keep))  # three steps in one
    assert (found.tolist(), passed) == (expected.tolist(), 0)

    slow._seen, slow.next = 0, window
    found, passed = slow.look(recent(frames, len(frames), window))
    expected, missed = fresh.look(recent(frames, len(frames), window))
    assert found.tolist() == expected.tolist()
    assert passed == missed == len(frames) - window


def recent(frames: np.ndarray, number: int, keep: int) -> Recent:
    """What a stream of these frames has kept after so many."""
    kept = [(frame, None) for frame in frames[max(0, number - keep) : number]]
    pictures = [*range(number - len(kept) + 1, number + 1)]
    return Recent(kept, pictures, number, number, 0.0, 0.0, 0)


def test_a_causal_network_watches_a_stream(causal: Model, video: Path) -> None:
    answers = list(watch(causal, LiveSource(f"file://{video}"), smoothing_s=1e-3))
    assert len(answers) > 5
    assert answers[-1].dropped == 0


def test_a_causal_network_on_spread_frames_watches_clip_by_clip(model: Model, video: Path) -> None:
    from dataclasses import replace

    from vidnas.families import create_network

    genes = {"causal": True, "sampling": "uniform"}
    network = create_network(model.architecture.model_copy(update=genes), 3).eval()
    card = model.card.model_copy(update={"typical_frames": 10})
    spread = replace(model, network=network, card=card)
    frames, _ = read_video(video, size_px=32)
    found, _ = onlooker_of(spread).look(recent(frames, 20, 10))
    (clip,) = clips_of(frames[10:], network.architecture.inputs)
    with torch.inference_mode():
        expected = network(clip.float() / 255).softmax(1)[0].numpy()
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_slow_reader_sees_the_newest_frames_and_none_is_queued(video: Path) -> None:
    source = LiveSource(f"file://{video}")
    with LiveFrames(source, size_px=32, rate_fps=None, keep=4) as live:
        first = live.wait(4)
        time.sleep(0.4)
        later = live.wait(5)
    assert first is not None and later is not None
    assert later.number - first.number >= 8
    assert len(later.frames) == 4


@pytest.mark.parametrize(("rate_fps", "count"), [(50, 39), (12.5, 11), (25.5, 20)])
def test_frames_of_a_stream_lie_on_the_grid_of_the_model(
    video: Path, rate_fps: float, count: int
) -> None:
    with LiveFrames(LiveSource(f"file://{video}"), size_px=32, rate_fps=rate_fps, keep=100) as live:
        assert live.wait(count + 2) is None  # the last frame of a stream is shown once
        newest = live.wait(count)
    assert newest is not None
    expected, _ = read_video(video, size_px=32, rate_fps=rate_fps)
    same = min(count, len(expected))  # and ends with it, where a file ends when it is over
    pictures = np.stack([picture for picture, _ in newest.frames[:same]])
    assert np.array_equal(pictures, expected[:same])


@pytest.mark.parametrize(("rate_fps", "count"), [(None, 20), (50, 39), (12.5, 11), (25.5, 20)])
def test_frames_of_a_stream_have_the_flow_that_they_have_in_a_file(
    video: Path, rate_fps: float | None, count: int
) -> None:
    pytest.importorskip("cv2")
    source = LiveSource(f"file://{video}")
    with LiveFrames(
        source, size_px=32, rate_fps=rate_fps, keep=100, flow_method="farneback"
    ) as live:
        assert live.wait(count + 1) is None
        newest = live.wait(count)
    assert newest is not None
    flow = read_flow(video, "farneback", rate_fps=rate_fps)
    before = flow[: count - 2]  # the last frame of a stream is shown once
    assert len(before) >= 9
    assert len({level.tobytes() for level in before}) > 9 / 2
    for (_, level), expected in zip(newest.frames, before, strict=False):
        assert level is not None
        np.testing.assert_array_equal(level, expected)


def test_a_stream_goes_on_where_its_stamps_jump_back(tmp_path: Path) -> None:
    """As after a restart of its encoder, while the decoder still holds frames of before."""
    video = tmp_path / "restarted.ts"
    video.write_bytes(b"".join(stamped(tmp_path / "part.ts", from_s) for from_s in (30, 0)))
    with LiveFrames(LiveSource(f"file://{video}"), size_px=32, rate_fps=25, keep=100) as live:
        assert live.wait(21) is None
        newest = live.wait(18)
    assert newest is not None
    assert newest.time_s == pytest.approx(0.76, abs=0.13)
    assert len({picture.tobytes() for picture, _ in newest.frames}) > 9


def stamped(path: Path, from_s: int) -> bytes:
    """Ten pictures with B-frames between them, whose stamps begin at this time."""
    rng = np.random.default_rng(from_s)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "3", "b_strategy": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            noise = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
            frame.pts = 25 * from_s + number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def test_a_stream_that_ends_before_a_window_is_full_has_no_answer(video: Path) -> None:
    with LiveFrames(LiveSource(f"file://{video}"), size_px=32, rate_fps=None, keep=30) as live:
        assert live.wait(30) is None
        assert live.wait(20) is not None


def test_the_clock_takes_the_fastest_delivery_for_the_time_of_a_frame() -> None:
    clock = StreamClock()
    for stamp_s, arrived_s in ((0.0, 100.5), (0.04, 100.14), (0.08, 100.38)):
        clock.saw(stamp_s, arrived_s)
    assert clock.at(0.08) == pytest.approx(100.18)  # and it came 200 ms late


def test_the_clock_follows_one_that_drifts(monkeypatch: pytest.MonkeyPatch) -> None:
    from vidnas.data import live_frames

    monkeypatch.setattr(live_frames.time, "monotonic", lambda: 0.0)
    clock = StreamClock()
    for second in range(3600):
        clock.saw(second, second * 1.001)  # a camera that is slow by a thousandth
    assert 3600 * 1.001 - clock.at(3600) < 0.07
    assert math.isfinite(clock.at(0))


@pytest.fixture
def moving(model: Model) -> Model:
    """A model of optical flow."""
    from dataclasses import replace

    from vidnas.families import create_network

    torch.manual_seed(0)
    architecture = model.architecture.model_copy(update={"modality": "flow"})
    return replace(model, network=create_network(architecture, 3).eval())


def test_live_answers_of_flow_are_those_of_the_same_frames(moving: Model, video: Path) -> None:
    pytest.importorskip("cv2")
    frames, _ = read_video(video, size_px=32)
    flow = resize_flow(read_flow(video), *frames.shape[1:3])
    answers = list(watch(moving, LiveSource(f"file://{video}"), smoothing_s=1e-3))
    assert len(answers) > 1
    for answer in answers:
        newest = round(answer.time_s * 25)
        window = slice(newest - 6, newest + 1)
        (clip,) = clips_of(frames[window], moving.architecture.inputs, flow=flow[window])
        with torch.inference_mode():
            expected = moving.network(clip.float() / 255).softmax(1)[0].numpy()
        assert answer.scores == pytest.approx(expected, abs=1e-5)


def test_flow_without_opencv_is_one_sentence(
    moving: Model, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match="pip install opencv-python-headless"):
        next(iter(watch(moving, LiveSource(f"file://{video}"))))
