"""What `vidnas data show` and the bars of `vidnas data check` show."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from commands import call
from written_videos import encode, levels_of

from vidnas.core import ClipSpec
from vidnas.data import preview
from vidnas.data.augmentation import Augmentation
from vidnas.data.datasets import Video, load_dataset
from vidnas.data.preview import preview_clips
from vidnas.data.spreads import by_name, by_range
from vidnas.report.bars import draw_bars
from vidnas.report.contact_sheet import SheetRow, draw_sheet

HOSTILE = "[/b] <b> \x1b[31m \u202e"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([2.0, 2.0, 2.0], {"2 s": 3}),
        ([0.0, 3.9, 4.0, 16.0], {"0 to 2 s": 1, "2 to 4 s": 1, "4 to 6 s": 1, "16 to 18 s": 1}),
    ],
)
def test_ranges(values: list[float], expected: dict[str, int]) -> None:
    found = by_range(values, "s")
    assert {name: count for name, count in found.items() if count} == expected
    assert sum(found.values()) == len(values)


def test_rare_ones_are_counted_together() -> None:
    found = by_name(["25"] * 3 + [str(number) for number in range(10)])
    assert next(iter(found.items())) == ("25", 3)
    assert found["3 others"] == 3
    assert sum(found.values()) == 13


def test_clips_of_all_classes_and_only_training_clips_vary(demo_folder: Path) -> None:
    dataset = load_dataset(demo_folder)
    spec = ClipSpec(frames=4, frame_stride=1, size_px=32, sampling="uniform")

    def preview(augmentation: Augmentation) -> dict[Path, np.ndarray]:
        rng = np.random.default_rng(1)
        found, problems = preview_clips(dataset, spec, count=12, augmentation=augmentation, rng=rng)
        assert not problems
        assert set(Counter(one.video.labels for one in found).values()) == {4}
        return {one.video.path: one.frames for one in found}

    plain, varied = preview(Augmentation()), preview(Augmentation(crop_scale_min=0.3, colour=0.5))
    assert {frames.shape for frames in plain.values()} == {(4, 32, 32, 3)}
    split_of = {video.path: video.split for video in dataset.videos}
    assert {"train", "val"} <= {split_of[path] for path in plain}
    for path, frames in plain.items():
        assert np.array_equal(frames, varied[path]) == (split_of[path] != "train")


def test_few_frames_of_a_long_video_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    original = preview.clips_of
    monkeypatch.setattr(
        preview, "clips_of", lambda frames, specs: held.append(frames) or original(frames, specs)
    )
    path = encode(tmp_path / "a.mp4", [20 * (i // 20) for i in range(200)])
    spec = ClipSpec(frames=5, frame_stride=1, size_px=32, sampling="uniform")
    for video in (Video(path, (0,), "test"), Video(path, (0,), "test", start_s=10.0)):
        clips = []
        for most in (10_000, 40):
            monkeypatch.setattr(preview, "_FRAMES_MAX", most)
            clips.append(levels_of(preview._cut(video, 0, spec, Augmentation())))
        assert clips[0] == clips[1]
    assert [len(frames) for frames in held] == [200, 40, 100, 40]


def test_the_sheet_is_a_picture(demo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    done = call("data", "show", demo_folder, "--out", out, "--count", 3, "--size", 32)
    assert (done.returncode, done.stdout) == (0, f"{out}\n"), done.stderr
    with av.open(str(out)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert image.shape[1] > 2 * 8 * 32
    assert image.std() > 10
    wrong = call("data", "show", demo_folder, "--out", tmp_path / "sheet.gif", "--count", 1)
    assert wrong.returncode == 2
    assert ".svg or .png" in wrong.stderr


def test_names_in_pictures_are_data() -> None:
    frames = np.zeros((2, 16, 16, 3), dtype=np.uint8)
    for svg in (
        draw_sheet(HOSTILE, HOSTILE, [SheetRow(HOSTILE, (HOSTILE,), frames)]),
        draw_bars(HOSTILE, {HOSTILE: {HOSTILE: 3}}),
    ):
        texts = [one.text for one in ET.fromstring(svg).iter() if one.text]
        assert len(texts) >= 3
        assert set(texts) <= {r"[/b] <b> \x1b[31m \u202e", "3"}


def test_the_check_draws_bars(demo_folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "bars.svg"
    done = call("data", "check", demo_folder, "--picture", picture)
    assert done.returncode == 0
    assert "Videos by class" in done.stdout
    assert "16 per s 24" in done.stdout
    assert "48 x 48" in picture.read_text(encoding="utf-8")
    spreads = json.loads(call("data", "check", demo_folder, "--json").stdout)["spreads"]
    assert spreads["Videos by class"] == {"growing": 8, "left": 8, "right": 8}
    assert all(sum(bars.values()) == 24 for bars in spreads.values())
