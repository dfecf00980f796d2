"""Long videos along their time: scores, smoothing, events, and the files of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from commands import call

from vidnas.core import UserError
from vidnas.data.cache import ClipSettings
from vidnas.data.reading import VideoError, bounds, read_video
from vidnas.data.sampling import clips_of
from vidnas.deploy import Model, save_model, windows
from vidnas.deploy.prediction import predict_video
from vidnas.deploy.timeline import Event, EventTracker, Smoothing, Timeline, smoothed
from vidnas.deploy.timeline_files import TimelineFolder, subtitles
from vidnas.deploy.windows import is_long, predict_timeline

RATE, DARK, BRIGHT = 10, 20, 235


def write_levels(path: Path, levels: list[int], pause: tuple[int, int] = (0, 0)) -> Path:
    """A video of one grey level a frame; the pause is before which frame, and how many long."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE), options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        before, paused = pause
        for index, level in enumerate(levels):
            image = np.full((48, 64, 3), level, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index + (paused if index >= before else 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_still(path: Path, size: tuple[int, int], seconds: int) -> Path:
    """A video that shows one picture a second, always the same."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        grey = av.VideoFrame.from_ndarray(
            np.full((size[1], size[0], 3), DARK, dtype=np.uint8), format="rgb24"
        )
        (picture,) = [*stream.encode(grey), *stream.encode()]
        for second in range(seconds):
            packet = av.Packet(bytes(picture))
            packet.stream, packet.is_keyframe = stream, True
            packet.pts = packet.dts = second
            packet.duration, packet.time_base = 1, Fraction(1)
            container.mux(packet)
    return path


class Brightness(torch.nn.Module):
    """Stands for a network that tells dark from bright clips."""

    def __init__(self, like: torch.nn.Module) -> None:
        super().__init__()
        self.architecture = like.architecture

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        bright = clip.mean(dim=(1, 2, 3, 4)) * 20 - 10
        return torch.stack([-bright, bright, torch.full_like(bright, -20.0)], dim=1)


@pytest.fixture
def seeing(model: Model) -> Model:
    """A model that says "left" of dark clips and "right" of bright ones."""
    return Model(Brightness(model.network), model.classes, model.card)  # type: ignore[arg-type]


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    """Forty seconds, of which those from 10 to 20 are bright."""
    return write_levels(tmp_path / "flash.mp4", [DARK] * 100 + [BRIGHT] * 100 + [DARK] * 200)


def test_an_answer_is_what_the_clip_of_its_window_gives(model: Model, flash: Path) -> None:
    found = predict_timeline(model, flash, smoothing_s=1e-3)
    frames, _ = read_video(flash, size_px=32)
    window, hop = 7, 3  # four frames, every other
    starts = [*range(0, len(frames) - window + 1, hop)]
    assert found.times_s == pytest.approx([(start + window / 2) / RATE for start in starts])
    for row in (0, 40, len(starts) - 1):
        (clip,) = clips_of(frames[starts[row] : starts[row] + window], model.architecture.inputs)
        with torch.inference_mode():
            expected = model.network(clip.float() / 255).softmax(1)[0]
        assert found.scores[row] == pytest.approx(expected.numpy(), abs=1e-6)


def test_a_window_is_seen_in_as_many_squares_as_a_short_video(wide: Model, video: Path) -> None:
    found = predict_timeline(wide, video)
    expected = dict(predict_video(wide, video))
    assert dict(zip(wide.classes, found.scores[0], strict=True)) == pytest.approx(expected)
    one = wide.card.model_copy(update={"squares": 1})
    centre = predict_timeline(replace(wide, card=one), video)
    assert np.abs(centre.scores - found.scores).max() > 1e-3


def test_the_last_answer_sees_the_end(model: Model, tmp_path: Path) -> None:
    """Of twelve frames the windows start at 0 and 3, and the last frame is seen from 5 on."""
    video = write_levels(tmp_path / "short.mp4", [DARK] * 12)
    found = predict_timeline(model, video)
    assert found.times_s == pytest.approx([0.35, 0.65, 0.85])
    assert found.duration_s == pytest.approx(1.2)


def test_a_video_shorter_than_a_window_has_one_answer(model: Model, tmp_path: Path) -> None:
    video = write_levels(tmp_path / "short.mp4", [DARK] * 3)
    found = predict_timeline(model, video)
    assert (found.times_s, found.window_s) == (pytest.approx([0.15]), pytest.approx(0.3))
    with pytest.raises(UserError, match="single frame"):
        predict_timeline(model, write_levels(tmp_path / "one.mp4", [DARK]))


def test_events_begin_and_end_where_the_video_changes(seeing: Model, flash: Path) -> None:
    found = predict_timeline(seeing, flash)
    assert [event.name for event in found.events] == ["left", "right", "left"]
    for event, (start_s, end_s) in zip(found.events, [(0, 10), (10, 20), (20, 40)], strict=True):
        assert event.start_s == pytest.approx(start_s, abs=0.3)
        assert event.end_s == pytest.approx(end_s, abs=0.3)
        assert event.score > 0.9
    assert found.events[-1].end_s == pytest.approx(40)


def test_events_after_a_long_pause_are_where_the_video_has_them(
    seeing: Model, tmp_path: Path
) -> None:
    """Two seconds, a pause up to 62 s, and two seconds, of which the second is bright."""
    levels = [DARK] * 30 + [BRIGHT] * 10
    video = write_levels(tmp_path / "pause.mp4", levels, pause=(20, 600))
    found = predict_timeline(seeing, video)
    (bright,) = [event for event in found.events if event.name == "right"]
    assert (bright.start_s, bright.end_s) == pytest.approx((63, 64), abs=0.3)
    assert found.duration_s == pytest.approx(64)
    assert len(found.times_s) < 60  # the pause itself is shown for ten seconds


def test_smoothing_removes_what_is_shorter(seeing: Model, tmp_path: Path) -> None:
    levels = [DARK] * 60 + [BRIGHT] * 6 + [DARK] * 60
    blink = write_levels(tmp_path / "blink.mp4", levels)
    rough = predict_timeline(seeing, blink, smoothing_s=0.01).events
    smooth = predict_timeline(seeing, blink, smoothing_s=3).events
    assert [event.name for event in rough] == ["left", "right", "left"]
    assert [event.name for event in smooth] == ["left"]


def test_smoothing_is_the_mean_around_each_time() -> None:
    times_s = np.arange(5) * 0.5
    scores = np.array([[0.0], [0.0], [1.0], [0.0], [0.0]])
    assert smoothed(times_s, scores, 1.0)[:, 0] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0])
    assert smoothed(times_s, scores, 0.1) == pytest.approx(scores)
    live = Smoothing(1.0)
    assert [float(live(t, row)[0]) for t, row in zip(times_s, scores, strict=True)] == (
        pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3])
    )


def test_classes_have_events_of_their_own() -> None:
    tracker = EventTracker(("a", "b"), 0.5)
    assert tracker.add(0, 1, np.array([0.9, 0.1])) == []
    assert tracker.add(1, 2, np.array([0.7, 0.6])) == []
    assert tracker.add(2, 3, np.array([0.1, 0.8])) == [Event("a", 0, 2, pytest.approx(0.8))]
    assert tracker.end() == [Event("b", 1, 3, pytest.approx(0.7))]


def test_which_videos_are_long(model: Model, flash: Path, tmp_path: Path) -> None:
    assert is_long(model, flash)
    assert not is_long(model, write_levels(tmp_path / "short.mp4", [DARK] * 299))
    minute = model.card.model_copy(update={"typical_frames": 140})
    assert not is_long(Model(model.network, model.classes, minute), flash)


def test_a_match_in_full_hd_is_long(model: Model, tmp_path: Path) -> None:
    """At 25 frames a second, 150 GB in its own size."""
    video = write_still(tmp_path / "match.mp4", (1920, 1080), seconds=16 * 60)
    card = model.card.model_copy(update={"clips": ClipSettings(size_px=32, rate_fps=25)})
    assert is_long(replace(model, card=card), video)
    with pytest.raises(VideoError, match="would take 149 GB decoded"):
        read_video(video, rate_fps=25)


def test_what_is_never_held_may_be_of_any_size(
    model: Model, flash: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_BYTES_MAX", 1 << 20)
    with pytest.raises(VideoError, match=r"more than the 1\.05 MB that a video may take"):
        read_video(flash, size_px=32)
    assert is_long(model, flash)
    assert len(predict_timeline(model, flash).times_s) > 100


def test_memory_does_not_grow_with_the_video(
    model: Model, flash: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held is one window of frames, and one batch of clips."""
    held: list[int] = []
    cut = windows.window_clips

    def counting(recent, contract):
        held.append(len(recent))
        return cut(recent, contract)

    monkeypatch.setattr(windows, "window_clips", counting)
    predict_timeline(model, flash)
    assert max(held) == 7


def test_subtitles() -> None:
    events = [Event("sit\ndown", 0, 1.0005, 0.5), Event("päuse", 3661.25, 3662, 1)]
    assert subtitles(events) == (
        "1\n00:00:00,000 --> 00:00:01,000\nsit\\ndown 50%\n\n"
        "2\n01:01:01,250 --> 01:01:02,000\npäuse 100%\n"
    )


def timeline() -> Timeline:
    return Timeline(("a", 'b,"c'), np.array([0.5]), np.array([[0.25, 0.75]]), 1.0, 1.0, 1.0, 0.5)


def test_files_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    folder = TimelineFolder(tmp_path / "out")
    for video in ("a/clip.mp4", "b/clip.avi", "b/CLIP.mp4"):
        folder.files_of(Path(video)).write(timeline())
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names == {"clip", "clip-2", "CLIP-3"}
    with (tmp_path / "out" / "clip.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["time_s", "a", 'b,"c'], ["0.500", "0.2500", "0.7500"]]
    record = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert record["events"] == [{"name": 'b,"c', "start_s": 0, "end_s": 1, "score": 0.75}]
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        TimelineFolder(tmp_path / "file")


def test_the_command_shows_and_writes_timelines(model: Model, flash: Path, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    short = write_levels(tmp_path / "short.mp4", [DARK] * 20)
    done = call("predict", tmp_path / "model", flash, short, "--threshold", 0.2)
    assert done.returncode == 0
    assert "0:00.0 to 0:40.0" in done.stdout  # of the long one, and no event of the short one
    assert done.stdout.count(" to ") <= len(model.classes)
    record = json.loads(call("predict", tmp_path / "model", flash, "--json").stdout)[str(flash)]
    assert len(record["times_s"]) == len(record["scores"])
    assert len(record["scores"][0]) == len(record["classes"])
    rough = call("predict", tmp_path / "model", flash, "--json", "--smoothing", 0)
    assert json.loads(rough.stdout)[str(flash)]["smoothing_s"] == 0
    assert "--smoothing" in call("predict", tmp_path / "model", flash, "--smoothing", "-1s").stderr
    out = tmp_path / "out"
    assert call("predict", tmp_path / "model", flash, short, "--out", out).returncode == 0
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{suffix}" for name in ("flash", "short") for suffix in ("csv", "json", "srt")
    }
