"""A video played as a network camera and watched for minutes: age of answers, memory, drops.

A file is sent as RTSP on loopback at its own pace, and `vidnas predict` watches it in a process of
its own. The end-to-end age is from when the camera got a frame to when the line about it was read,
by one clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.camera import Camera
from benchmarks.clips import find_clips
from benchmarks.results import Results, options, print_table

_RATE_FPS = 25
_SETTLED_S = 30.0
"""What a process takes in its first seconds is not growth."""


def untrained_model(folder: Path) -> Path:
    """Write a model of a design of Tiny Video Networks, whose weights are random."""
    import torch

    from vidnas.deploy import Model, ModelCard, save_model
    from vidnas.families import create_network
    from vidnas.families.tinyvideonet.designs import DESIGNS

    torch.manual_seed(0)
    network = create_network(DESIGNS[0], 4).eval()
    save_model(Model(network, ("a", "b", "c", "d"), ModelCard()), folder)
    return folder


def watch(model: Path, video: Path, minutes: float) -> dict[str, Any]:
    """Watch the video for so many minutes and return what was seen of it."""
    command = [sys.executable, "-m", "vidnas.cli.main", "predict", str(model)]
    ages_ms, said_ms, at_s, memory_mb = [], [], [], []
    last: dict[str, Any] = {}
    with Camera(video, rate_fps=_RATE_FPS, seconds=60 * minutes) as camera:
        watching = subprocess.Popen(
            [*command, camera.url, "--json", "--threshold", "1"], stdout=subprocess.PIPE, text=True
        )
        process = psutil.Process(watching.pid)
        assert watching.stdout is not None
        for line in watching.stdout:
            now_s = time.monotonic()
            answer = json.loads(line)
            if "scores" not in answer:
                continue
            last = answer
            # The first packet of a stream has no stamp, so that time counts from the second.
            frame = min(round(answer["time_s"] * _RATE_FPS) + 1, len(camera.sent_s) - 1)
            ages_ms.append(1000 * (now_s - camera.sent_s[frame]))
            said_ms.append(answer["age_ms"])
            at_s.append(answer["time_s"])
            if process.is_running():
                memory_mb.append(process.memory_info().rss / 2**20)
        code = watching.wait()
    times_s = np.array(at_s)
    settled = times_s > min(_SETTLED_S, times_s[-1] / 2)
    ages, memory = np.array(ages_ms)[settled], np.array(memory_mb)[settled]
    half = len(ages) // 2
    growth = np.polyfit(times_s[settled] / 60, memory, 1)[0]
    return {
        "exit_code": code,
        "answers": len(ages_ms),
        "frames": last["frames"],
        "sent": len(camera.sent_s),
        "dropped": last["dropped"],
        "age_ms": np.percentile(ages, (50, 95, 100)).round(1).tolist(),
        "said_ms": np.percentile(np.array(said_ms)[settled], (50, 95)).round(1).tolist(),
        "age_halves_ms": [float(np.median(part).round(1)) for part in (ages[:half], ages[half:])],
        "memory_mb": [float(memory[0].round(1)), float(memory[-1].round(1))],
        "growth_mb_per_minute": round(float(growth), 3),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--model", type=Path, help="by default a small one with random weights")
    parser.add_argument("--video", type=Path, help="by default a generated clip, over and over")
    arguments = parser.parse_args()
    results = Results("live", arguments)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or untrained_model(Path(folder) / "model")
        video = arguments.video
        if video is None:
            video = next(find_clips("demo", Path(folder)).rglob("*.mp4"))
        found = results.add(watched=watch(model, video, arguments.minutes))["watched"]
    first, second = found["age_halves_ms"]
    rows = [
        ("answers", found["answers"]),
        ("frames sent, seen, dropped", f"{found['sent']}, {found['frames']}, {found['dropped']}"),
        ("frame to answer, ms: p50, p95, most", ", ".join(map(str, found["age_ms"]))),
        ("as the command says, ms: p50, p95", ", ".join(map(str, found["said_ms"]))),
        ("median of the first and second half, ms", f"{first}, {second}"),
        ("memory, MB: settled, at the end", ", ".join(map(str, found["memory_mb"]))),
        ("growth, MB per minute", found["growth_mb_per_minute"]),
    ]
    print_table(("watched", f"{arguments.minutes:g} minutes at {_RATE_FPS} fps"), rows)
    results.finish(**found)


if __name__ == "__main__":
    main()
