"""A served model: requests per second and p99 under load, and what 1,000 hostile requests leave.

The server is `vidnas serve` in a process of its own, the load comes from locust, and the hostile
requests from `hostile_requests.py`, while somebody well-behaved asks twice a second. It ends with
an error if an attack was answered otherwise than it should be, if the well-behaved one got no
answer or another one than before, or if files or memory are left.

python -m benchmarks.serving [--model MODEL --clip CLIP] [--users 1 4 8] [--seconds 15]
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import psutil

from benchmarks import hostile, hostile_requests
from benchmarks.results import Line, Results, options, print_table
from benchmarks.serving_user import CLIP

CONCURRENCY, TURNS = 12, 8
"""What the server takes on, and how many attacks run at a time."""
TIMEOUT_S = 3
PAUSE_S = 0.5
GROWN_MB_MAX = 50
"""How much more memory the server may hold afterwards."""


class Served(NamedTuple):
    """A server in a process of its own."""

    url: str
    process: psutil.Process
    uploads: Path

    @property
    def memory_mb(self) -> float:
        """What the server itself holds; its decoders keep within a bound of their own."""
        return float(self.process.memory_info().rss / 1e6)

    @property
    def decoders_mb(self) -> float:
        """What its decoders hold."""
        children = self.process.children(recursive=True)
        return sum(one.memory_info().rss for one in children) / 1e6


@contextmanager
def served(model: Path, folder: Path) -> Iterator[Served]:
    """Run `vidnas serve`."""
    command = [sys.executable, "-m", "vidnas.cli.main", "serve", str(model), "--json"]
    limits = ["--port", "0", "--concurrency", str(CONCURRENCY), "--timeout", f"{TIMEOUT_S}s"]
    process = subprocess.Popen(
        [*command, *limits],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        assert process.stdout is not None
        told = json.loads("".join(takewhile(lambda line: line != "}\n", process.stdout)) + "}")
        yield Served(told["url"], psutil.Process(process.pid), folder)
    finally:
        process.terminate()
        process.wait()


def load(url: str, clip: Path, users: int, seconds: int) -> Line:
    """Let so many users of locust send a clip again and again."""
    user = Path(__file__).with_name("serving_user.py")
    command = [sys.executable, "-m", "locust", "-f", str(user), "--headless", "--json"]
    done = subprocess.run(
        [*command, "-H", url, "-u", str(users), "-r", str(users), "-t", f"{seconds}s"],
        env={**os.environ, CLIP: str(clip)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,  # failures are counted
    )
    (found,) = json.loads(done.stdout)
    times = sorted(float(ms) for ms in Counter(found["response_times"]).elements())
    return {
        "users": users,
        "per_s": found["num_requests"] / (found["last_request_timestamp"] - found["start_time"]),
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "requests": found["num_requests"],
        "failed": found["num_failures"],
    }


async def besiege(served: Served, clip: bytes, count: int) -> tuple[list[Line], Line]:
    """Attack so many times, in turn with each attack, and ask decently meanwhile."""
    url, attacks = httpx.URL(served.url), hostile_requests.attacks()
    turns, over = asyncio.Semaphore(TURNS), asyncio.Event()
    answers, times_s = [], []

    async def attack(number: int, name: str) -> Line:
        async with turns:
            began = time.perf_counter()
            status = await hostile_requests.send(
                url.host, url.port or 0, attacks[name], clip, number
            )
            seconds = time.perf_counter() - began
        return {
            "attack": name,
            "status": status,
            "seconds": seconds,
            "harmless": status in attacks[name].answers,
        }

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            while not over.is_set():
                began = time.perf_counter()
                answers.append(await scores(client, served.url, clip))
                times_s.append(time.perf_counter() - began)
                await asyncio.sleep(PAUSE_S)

    asking = asyncio.create_task(ask())
    names = [list(attacks)[number % len(attacks)] for number in range(count)]
    lines = await asyncio.gather(*(attack(*one) for one in enumerate(names)))
    over.set()
    await asking
    return list(lines), {
        "asked": len(answers),
        "same": sum(answer == answers[0] for answer in answers),
        "p50_ms": 1e3 * statistics.median(times_s),
        "max_ms": 1e3 * max(times_s),
    }


async def scores(client: httpx.AsyncClient, url: str, clip: bytes) -> Any:
    """Return the scores of a clip, or the refusal."""
    answer = await client.post(f"{url}/predict", files={"video": clip})
    return answer.json().get("scores", answer.text)


def main() -> None:
    """Measure, print and judge."""
    parser = options(__doc__)
    parser.add_argument("--model", type=Path, help="by default a tiny one")
    parser.add_argument("--clip", type=Path, help="by default a generated one of 16 frames")
    parser.add_argument("--users", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--seconds", type=int, default=15, help="for each number of users")
    parser.add_argument("--attacks", type=int, default=1000)
    arguments = parser.parse_args()
    results = Results("serving", arguments)
    with tempfile.TemporaryDirectory() as folder:
        model, clip = _prepared(Path(folder), arguments.model, arguments.clip)
        (Path(folder) / "uploads").mkdir()
        with served(model, Path(folder) / "uploads") as server:
            under_load = [
                results.add(**load(server.url, clip, users, arguments.seconds))
                for users in arguments.users
            ]
            print_table(list(under_load[0]), [_rounded(line) for line in under_load])
            before = server.memory_mb
            attacked, friend = asyncio.run(besiege(server, clip.read_bytes(), arguments.attacks))
            left = {
                "memory_mb_before": before,
                "memory_mb_after": server.memory_mb,
                "decoders_mb": server.decoders_mb,
                "files": len([*server.uploads.glob("vidnas-serve-*")]),
                "health": httpx.get(f"{server.url}/health", trust_env=False).status_code,
            }
    print_table(["attack", "sent", "answers", "median s"], _by_name(attacked))
    harmful = [line for line in attacked if not line["harmless"]]
    summary = {**friend, **left, "attacks": len(attacked), "harmful": len(harmful)}
    results.finish(*attacked, **summary)
    print(json.dumps(summary, indent=2))
    grown_mb = left["memory_mb_after"] - left["memory_mb_before"]
    if harmful or left["files"] or friend["same"] < friend["asked"] or grown_mb > GROWN_MB_MAX:
        raise SystemExit(f"Harm was done: {harmful[:5]}")


def _prepared(folder: Path, model: Path | None, clip: Path | None) -> tuple[Path, Path]:
    from vidnas.data.demo import write_clips

    if model is None:
        model = folder / "model"
        hostile.write_model(model)
    if clip is None:
        write_clips(folder / "clips", classes=["right"], clips_per_class=1)
        (clip,) = (folder / "clips").rglob("*.mp4")
    return model, clip


def _rounded(line: Line) -> list[object]:
    return [f"{value:.1f}" if isinstance(value, float) else value for value in line.values()]


def _by_name(attacked: list[Line]) -> Iterator[tuple[object, ...]]:
    for name in dict.fromkeys(line["attack"] for line in attacked):
        lines = [line for line in attacked if line["attack"] == name]
        counts = Counter(line["status"] or "closed" for line in lines)
        answers = ", ".join(f"{status} x {count}" for status, count in counts.items())
        median_s = statistics.median(line["seconds"] for line in lines)
        yield name, len(lines), answers, f"{median_s:.2f}"


if __name__ == "__main__":
    main()
