"""An attack on everything that must not be lost and on everything that must stay outside.

Fuzzed clips, kills and full disks in every phase of a search, damaged caches and checkpoints, and
folders of a stranger. It ends with a table; the exit code is 1 if anything was lost, doubled, hung,
executed, or written outside.

python -m benchmarks.torture [--quick] [--clips 2000] [--attempts 3] [--only NAME ...]
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import hostile
from benchmarks.attacked_search import (
    PHASES,
    Attempt,
    Scene,
    attack,
    damage,
    fingerprint,
    harm_bytes,
)
from benchmarks.results import Results, options, print_table

PATIENCE_S = 300.0
_TICK_S = 0.02
_NO_CLIP = "no-such-clip.mp4"
_TRIES = 4
"""How often a phase that was missed is tried again."""


@dataclass
class Row:
    """What came of the attempts of one kind."""

    name: str
    attempts: int = 0
    resumed: int = 0
    """Or, of what cannot go on, refused with a sentence."""
    lost: int = 0
    doubled: int = 0
    hung: int = 0
    outside: int = 0
    left: int = 0
    peak_bytes: int = 0
    longest_s: float = 0.0

    def add(self, one: Attempt) -> None:
        """Count an attempt."""
        self.attempts += 1
        self.resumed += one.resumed and one.told
        self.lost += one.lost
        self.doubled += one.doubled
        self.hung += one.hung
        self.outside += one.outside
        self.left += one.left

    @property
    def failed(self) -> bool:
        """Whether a promise was broken."""
        broken = self.lost + self.doubled + self.hung + self.outside + self.left
        return broken > 0 or self.resumed < self.attempts


def searches(kind: str, attempts: int, rng: random.Random) -> Iterator[Row]:
    """Attack real searches in each phase, by a "kill" or a "full disk"."""
    with tempfile.TemporaryDirectory() as folder, Scene(Path(folder)) as scene:
        for phase in PHASES:
            row = Row(f"{kind}: {phase}")
            for _ in range(attempts):
                tries = (attack(scene, phase, kind, rng) for _ in range(_TRIES))
                row.add(next((one for one in tries if one.hit), Attempt(hit=False)))
            yield row


def damages(attempts: int, rng: random.Random) -> Iterator[Row]:
    """Damage caches and checkpoints of a search that has ended, and let it go on."""
    with tempfile.TemporaryDirectory() as folder, Scene(Path(folder)) as scene:
        scene.clear()
        scene.search().communicate()
        kept = Path(folder) / "kept"
        shutil.copytree(scene.disk, kept, ignore=shutil.ignore_patterns("filler"))
        for place in ("cache", "checkpoints"):
            row = Row(f"damage: {place}")
            for _ in range(attempts):
                scene.clear()
                shutil.copytree(kept, scene.disk, dirs_exist_ok=True)
                row.add(damage(scene, place, rng))
            yield row


def checkpoints(count: int, rng: random.Random) -> Iterator[Row]:
    """Read damaged checkpoints: whole, or of no use."""
    import torch

    from vidnas.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
    from vidnas.training.errors import UnusableCheckpoint

    row, network = Row("damage: checkpoints read"), torch.nn.Linear(8, 3)
    state = network.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "0.state"
        save_checkpoint(
            path, {}, TrainingState(), {"network": state, "optimizer": {}, "average": state}
        )
        whole = path.read_bytes()
        for _ in range(count):
            path.write_bytes(whole)
            harm_bytes(path, rng)
            resumed = True
            try:
                found = load_checkpoint(path, {})[1]["network"]
                resumed = all(torch.equal(state[name], found[name]) for name in state)
            except UnusableCheckpoint:
                pass
            except Exception:
                resumed = False
            row.add(Attempt(resumed=resumed))
    yield row


def clips(count: int, seed: int) -> Iterator[Row]:
    """Read fuzzed clips: each is decoded or refused."""
    from benchmarks import fuzz

    row = Row("fuzzed clips")
    with tempfile.TemporaryDirectory() as folder:
        found = fuzz.fuzz(fuzz.generate(Path(folder)), count, seed, Path(folder))
    for one in found.values():
        row.add(Attempt(resumed=not one.failed, hung=one.outcome.startswith("lost")))
        row.peak_bytes = max(row.peak_bytes, one.peak_bytes)
        row.longest_s = max(row.longest_s, one.seconds)
    yield row


def strangers(most: int | None) -> Iterator[Row]:
    """Give folders of a stranger to the commands that people look at them with."""
    with tempfile.TemporaryDirectory() as name, listening() as (port, calls):
        folder = Path(name)
        hostile.write_model(folder / "model")
        hostile.write_study(folder / "study")
        servers = {"a server of theirs": hostile.server(port)}
        for title, kind, harms, words in (
            ("predict", "model", hostile.MODELS, [_NO_CLIP]),
            ("status", "study", hostile.STUDIES | servers, []),
            ("ensemble", "study", hostile.LINKS | servers, []),
        ):
            row = Row(f"hostile folders: {title}")
            for harm in list(harms.values())[:most]:
                given = folder / "given"
                shutil.copytree(folder / kind, given / kind)
                look(row, given, harm, [title, str(given / kind), *words])
                shutil.rmtree(given)
            row.outside += len(calls)
            calls.clear()
            yield row


def look(row: Row, given: Path, harm: hostile.Harm, command: list[str]) -> None:
    """Run a command on a folder that was made hostile; it must be refused in a sentence."""
    outside = given / "outside"
    outside.mkdir()
    for name in ("thesis.txt", "thesis.state", "model.json", "0123456789abcdef.state"):
        (outside / name).write_text("precious")
    harm(Path(command[1]), outside)
    before = fingerprint(outside)
    began = time.monotonic()
    with (given / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "vidnas.cli.main", *command],
            stdout=said, stderr=said, cwd=Path(__file__).parents[1],
            env={**os.environ, "XDG_CONFIG_HOME": str(given / "home"), "PGPASSWORD": "secret"},
        )  # fmt: skip
        peak = 0
        while process.poll() is None and time.monotonic() < began + PATIENCE_S:
            peak = max(peak, _peak_bytes(process.pid))
            time.sleep(_TICK_S)
        hung = process.poll() is None
        process.kill()
        code, seconds = process.wait(), time.monotonic() - began
        said.seek(0)
        text = said.read()
    refused = code == 2 and "Traceback" not in text and _NO_CLIP not in text
    if not refused:
        print(f"{row.name}: {command} ended with {code}: {text[-300:]}", flush=True)
    row.add(Attempt(resumed=refused, hung=hung, outside=int(fingerprint(outside) != before)))
    row.peak_bytes = max(row.peak_bytes, peak)
    row.longest_s = max(row.longest_s, seconds)


def _peak_bytes(process: int) -> int:
    """Return the peak of a process's memory; `ru_maxrss` would count ours, too."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """Yield the port of a server, and who connects to it."""
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, caller = server.accept()
                except OSError:  # closed
                    return
                calls.append(str(caller))
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], calls
        server.shutdown(socket.SHUT_RDWR)


def show(rows: list[Row]) -> None:
    """Print the table."""
    print_table(
        ("attack", "attempts", "resumed or refused", "lost", "doubled", "hung", "outside", "left",
         "peak MB", "longest s"),
        (
            (row.name, str(row.attempts), str(row.resumed), str(row.lost), str(row.doubled),
             str(row.hung), str(row.outside), str(row.left),
             f"{row.peak_bytes / 1e6:.0f}" if row.peak_bytes else "",
             f"{row.longest_s:.1f}" if row.longest_s else "")
            for row in rows
        ),
    )  # fmt: skip


def attacks(
    quick: bool, count: int, attempts: int, seed: int
) -> dict[str, Callable[[], Iterator[Row]]]:
    """Return all attacks by name."""
    rng = random.Random(seed)
    found: dict[str, Callable[[], Iterator[Row]]] = {
        "clips": lambda: clips(4 if quick else count, seed),
        "checkpoints": lambda: checkpoints(20 if quick else 300, rng),
        "strangers": lambda: strangers(1 if quick else None),
    }
    if not quick:
        found |= {
            "kill": lambda: searches("kill", attempts, rng),
            "full disk": lambda: searches("full disk", attempts, rng),
            "damage": lambda: damages(attempts, rng),
        }
    return found


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--quick", action="store_true", help="a sample that takes seconds")
    parser.add_argument("--clips", type=int, default=2000, help="number of fuzzed clips")
    parser.add_argument("--attempts", type=int, default=3, help="in each phase")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    results = Results("torture", arguments, keep=not (arguments.quick or arguments.only))
    rows: list[Row] = []
    named = attacks(arguments.quick, arguments.clips, arguments.attempts, arguments.seed)
    for name in arguments.only or named:
        for row in named[name]():
            print(f"{row.name}: {row.resumed} of {row.attempts}", flush=True)
            rows.append(row)
    show(rows)
    results.finish(**{row.name: vars(row) for row in rows})
    if any(row.failed for row in rows):
        raise SystemExit("a promise was broken")


if __name__ == "__main__":
    main()
