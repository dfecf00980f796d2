"""A real search in a folder of its own, which is killed or runs out of disk in a named phase.

The disk is a small tmpfs where one may be mounted; elsewhere the operating system is told that the
processes may write no byte more, which looks the same to them.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PATIENCE_S = 300.0
EVALUATIONS = 6
DISK_BYTES = 256 << 20
_TICK_S = 0.001


@dataclass(frozen=True)
class Attempt:
    """What came of one attack."""

    hit: bool = True
    """Whether the phase was met; a search that was faster is attacked again."""
    resumed: bool = False
    lost: int = 0
    doubled: int = 0
    hung: bool = False
    outside: int = 0
    """Files outside that were written, changed or removed."""
    left: int = 0
    """Temporary files that are still there after the search went on."""
    told: bool = True
    """Whether the end was a sentence, without a traceback."""


class Scene:
    """Clips, a cache and a study on a disk of their own, and a folder that must stay as it is."""

    def __init__(self, root: Path) -> None:
        self.clips, self.disk, self.outside = root / "clips", root / "disk", root / "outside"
        self.home = root / "home"
        self.study, self.cache = self.disk / "study", self.disk / "cache"
        for folder in (self.disk, self.outside, self.home):
            folder.mkdir(parents=True, exist_ok=True)
        (self.outside / "thesis.txt").write_text("precious")
        self.is_mounted = _mount(self.disk)
        self.filler = self.disk / "filler"

    def __enter__(self) -> Scene:
        from vidnas.data.demo import write_clips

        write_clips(self.clips, classes=("left", "right"), clips_per_class=10, size_px=32)
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)

    def clear(self) -> None:
        """Remove the study and the cache."""
        self.filler.unlink(missing_ok=True)
        for folder in (self.study, self.cache):
            shutil.rmtree(folder, ignore_errors=True)
        self.cache.mkdir()

    def search(self, evaluations: int = EVALUATIONS) -> subprocess.Popen[str]:
        """Start the search, or go on with it."""
        arguments = {
            "--out": self.study, "--evaluations": evaluations, "--candidate-epochs": 1,
            "--train-time": "4s", "--workers": 2, "--runtime": "torch",
        }  # fmt: skip
        words = [str(word) for pair in arguments.items() for word in pair]
        return subprocess.Popen(
            [sys.executable, "-m", "vidnas.cli.main", "search", str(self.clips), *words],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "HOME": str(self.home), "VIDNAS_CACHE": str(self.cache)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def fill(self, process: subprocess.Popen[str]) -> None:
        """Leave no room on the disk."""
        if not self.is_mounted:
            with suppress(psutil.NoSuchProcess):
                driver = psutil.Process(process.pid)
                for one in [driver, *driver.children(recursive=True)]:
                    one.rlimit(psutil.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            return
        with suppress(OSError), self.filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    def records(self) -> dict[int, tuple[str, int]]:
        """Return digest and rungs of each trial that is on disk."""
        from vidnas.core import UserError
        from vidnas.evolution import Study

        try:
            trials = Study.read(self.study).trials
        except UserError:  # the attack came before there was a study
            return {}
        return {one.number: (one.architecture.digest, one.rung) for one in trials}

    def is_whole(self) -> bool:
        """Return whether all that a search leaves is there and can be read."""
        from vidnas.deploy import load_model

        load_model(self.study)
        names = ("report.html", "best/model.onnx", "request.json")
        return all((self.study / name).stat().st_size > 0 for name in names)

    def leftovers(self) -> int:
        """Return how many temporary files there are."""
        return sum(path.name.endswith(".tmp") for path in self.study.rglob(".*"))


PHASES: dict[str, Callable[[Scene], bool]] = {
    "cache": lambda scene: any(scene.cache.iterdir()),
    "search": lambda scene: (scene.study / "study.db").exists(),
    "rung": lambda scene: any(scene.study.glob("states/*.state")),
    "final training": lambda scene: any(scene.study.glob("models/*/training.checkpoint")),
    "export": lambda scene: (scene.study / "best").exists(),
    "report": lambda scene: any(scene.study.glob(".report.html.*.tmp")),
}
"""How to see from outside that a search has come to a phase."""
DELAYS_S = {"search": 4.0, "rung": 6.0, "final training": 2.0, "export": 0.5}
"""Up to how long to wait in a phase before the attack; the others are short."""


def attack(scene: Scene, phase: str, kind: str, rng: random.Random) -> Attempt:
    """Kill a search in a phase, or fill its disk; let it go on, and compare."""
    scene.clear()
    before = fingerprint(scene.outside)
    process = scene.search()
    if not _reach(process, scene, PHASES[phase]):
        _end(process)
        return Attempt(hit=False)
    time.sleep(rng.uniform(0, DELAYS_S.get(phase, 0.0)))
    hit = process.poll() is None
    workers = _descendants(process)
    if kind == "kill":
        process.kill()
    else:
        scene.fill(process)
    said = _end(process)
    alive = psutil.wait_procs(workers, timeout=30)[1]
    for one in alive:
        one.kill()
    held = scene.records()
    scene.filler.unlink(missing_ok=True)
    resumed = scene.search()
    told = _end(resumed)
    after = scene.records()
    return Attempt(
        hit=hit,
        resumed=resumed.returncode == 0 and scene.is_whole(),
        lost=_lost(held, after),
        doubled=sum(count - 1 for count in Counter(one for one, _ in after.values()).values()),
        hung=said is None or told is None or bool(alive),
        outside=int(fingerprint(scene.outside) != before),
        left=scene.leftovers(),
        told="Traceback" not in f"{said}{told}",
    )


def damage(scene: Scene, place: str, rng: random.Random) -> Attempt:
    """Damage files of a study that has ended or of its cache; let it go on, and compare.

    The scene holds a whole study.
    """
    folder = scene.cache if place == "cache" else scene.study / "states"
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    before, held = fingerprint(scene.outside), scene.records()
    for path in rng.sample(files, min(2, len(files))):
        harm_bytes(path, rng)
    process = scene.search(len(held) + 2)
    said = _end(process)
    after = scene.records()
    return Attempt(
        resumed=process.returncode == 0 and scene.is_whole() and not _failed(scene),
        lost=_lost(held, after),
        doubled=sum(count - 1 for count in Counter(one for one, _ in after.values()).values()),
        hung=said is None,
        outside=int(fingerprint(scene.outside) != before),
        left=scene.leftovers(),
        told="Traceback" not in f"{said}",
    )


def harm_bytes(path: Path, rng: random.Random) -> None:
    """Change a file as a failing disk does."""
    data = bytearray(path.read_bytes())
    place, kind = rng.randrange(len(data)), rng.choice(("cut", "zeros", "bits", "empty"))
    if kind == "cut":
        del data[place:]
    elif kind == "zeros":
        data[place : place + 4096] = bytes(len(data[place : place + 4096]))
    elif kind == "bits":
        for _ in range(16):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    else:
        data.clear()
    path.write_bytes(data)


def fingerprint(folder: Path) -> str:
    """Return what is in a folder, in short: names, links and content."""
    found: list[Any] = []
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        found.append([str(path), path.is_symlink(), hashlib.sha256(content).hexdigest()])
    return json.dumps(found)


def _reach(process: subprocess.Popen[str], scene: Scene, reached: Callable[[Scene], bool]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        with suppress(FileNotFoundError):
            if reached(scene):
                return True
        time.sleep(_TICK_S)
    return False


def _end(process: subprocess.Popen[str]) -> str | None:
    """Wait for the end of a command and return what it said; None where it hung."""
    try:
        return process.communicate(timeout=PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None


def _descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _lost(held: dict[int, tuple[str, int]], after: dict[int, tuple[str, int]]) -> int:
    """Return how many trials are gone, are others, or stand lower than before."""
    gone = ("", -1)
    return sum(
        after.get(number, gone)[0] != digest or after.get(number, gone)[1] < rung
        for number, (digest, rung) in held.items()
    )


def _failed(scene: Scene) -> bool:
    from vidnas.evolution import Study

    return any(one.evaluation.status == "failed" for one in Study.read(scene.study).trials)


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
