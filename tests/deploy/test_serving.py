"""A model that answers over HTTP."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from commands import call
from served import LIMITS, httpx, serving, tiny_model

from vidnas.core import UserError
from vidnas.data.demo import write_clips
from vidnas.deploy import predict_video, save_model
from vidnas.deploy.serving.server import is_loopback, known_names, listen

MODEL = tiny_model("left", "päuse <b>", "half \ud83d")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, classes=["right"], clips_per_class=1, size_px=64, seed=0)
    return sorted(folder.rglob("*.mp4"))[0]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(MODEL) as found:
        yield found


def send(client: httpx.Client, content: bytes, name: str = "clip.mp4") -> httpx.Response:
    return client.post("/predict", files={"video": (name, content)})


def test_scores_are_those_of_predict(client: httpx.Client, clip: Path) -> None:
    answer = send(client, clip.read_bytes()).json()
    expected = predict_video(MODEL, clip)
    names = [name.replace("\ud83d", "\\ud83d") for name, _ in expected]
    assert [one["name"] for one in answer["scores"]] == names
    assert [one["score"] for one in answer["scores"]] == [score for _, score in expected]
    assert answer["decoding_ms"] > 0 < answer["network_ms"]


def test_what_is_served_and_its_limits_are_told(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    told = client.get("/model").json()
    assert told["classes"][1] == "päuse <b>"
    assert told["inputs"][0]["frames"] == 4
    assert told["max_upload_bytes"] == LIMITS.max_upload_bytes


def test_the_page_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)|https?://|@import|innerHTML", page.text)
    assert client.get("/docs").status_code == 404  # those of FastAPI do


def test_what_happened_is_counted(client: httpx.Client, clip: Path) -> None:
    def count(line: str) -> float:
        found = re.search(re.escape(line) + r" ([\d.e+]+)", client.get("/metrics").text)
        return float(found[1]) if found else 0.0

    good, bad, odd = (
        'vidnas_requests_total{path="/predict",status="200"}',
        'vidnas_requests_total{path="/predict",status="422"}',
        'vidnas_requests_total{path="other",status="404"}',
    )
    decoded = 'vidnas_prediction_seconds_count{stage="decoding"}'
    before = [count(line) for line in (good, bad, odd, decoded)]
    send(client, clip.read_bytes())
    send(client, b"no video")
    for number in range(3):
        client.get(f"/nowhere/{number}")
    after = [count(line) for line in (good, bad, odd, decoded)]
    assert [late - early for early, late in zip(before, after, strict=True)] == [1, 1, 3, 1]
    assert count("vidnas_predictions_in_progress") == 0


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"files": {"file": b"x"}}, 422, "no file in the field video"),
        ({"data": {"video": "x"}, "files": {"other": b"x"}}, 422, "no file in the field video"),
        ({"content": b"x"}, 415, "curl -F video=@clip.mp4"),
        ({"json": {"video": "/etc/passwd"}}, 415, "is no form"),
        ({"files": {"video": b""}}, 422, "the file is empty"),
        ({"files": {"video": b"x" * 400_000}}, 413, "larger than 300 kB"),
    ],
)
def test_a_refusal_says_what_to_do(
    client: httpx.Client, request_: dict[str, Any], status: int, said: str
) -> None:
    answer = client.post("/predict", **request_)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert tempfile.gettempdir() not in answer.text  # where the upload lay is nobody's business


def test_more_than_it_takes_on_is_told_to_come_back(clip: Path) -> None:
    one = LIMITS.model_copy(update={"concurrency": 1, "timeout_s": 20})
    content = clip.read_bytes()
    with serving(MODEL, one) as client:
        found: list[httpx.Response] = []
        begun, end = threading.Event(), threading.Event()

        def slowly() -> Iterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="video"; filename="v"\r\n\r\n'
            begun.set()
            end.wait(20)
            yield content + b"\r\n--b--\r\n"

        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        first = threading.Thread(
            target=lambda: found.append(client.post("/predict", content=slowly(), headers=kind))
        )
        first.start()
        assert begun.wait(20)
        while "predictions_in_progress 1" not in client.get("/metrics").text:
            pass
        busy = send(client, content)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
        assert client.get("/health").status_code == 200
        end.set()
        first.join()
        assert found[0].status_code == 200
        assert send(client, content).status_code == 200


@pytest.mark.parametrize("path", ["/", "/model", "/openapi.json", "/nowhere"])
def test_another_site_cannot_have_its_own_name_lead_here(client: httpx.Client, path: str) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1", ""):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 400
        said = answer.json()["detail"]
        assert said.startswith(f"The host {host!r} does not belong here; ask for localhost or ")
    for host in ("LOCALHOST:80", "[::1]", "127.0.0.1"):
        assert client.get("/model", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "::1"])
def test_the_address_that_it_listens_on_belongs_there(host: str) -> None:
    try:
        listen(host, 0).close()
    except UserError as error:
        pytest.skip(str(error))
    with serving(MODEL, host=host) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/health", headers={"Host": "evil.example"}).status_code == 400


def test_a_machine_that_others_reach_has_names_that_it_does_not_know() -> None:
    with closing(listen("0.0.0.0", 0)) as listening:
        assert known_names("0.0.0.0", listening) is None


def test_what_is_loopback() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("evil.example")


def test_the_body_of_an_answer_does_not_wait_for_its_head() -> None:
    with (
        closing(listen("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_command_serves_until_it_is_stopped(tmp_path: Path, clip: Path) -> None:
    save_model(tiny_model(), tmp_path / "model")
    (tmp_path / "uploads").mkdir()
    command = [sys.executable, "-m", "vidnas.cli.main", "serve", tmp_path / "model"]
    served = subprocess.Popen(
        [*command, "--port", "0", "--json", "--workers", "1", "--max-upload", "1MB"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"TMPDIR": str(tmp_path / "uploads")},
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert served.stdout is not None
    told = json.loads("".join(takewhile(lambda line: line != "}\n", served.stdout)) + "}")
    assert told["max_upload_bytes"] == 1_000_000
    answer = httpx.post(
        told["url"] + "/predict", files={"video": clip.read_bytes()}, timeout=30, trust_env=False
    )
    assert answer.status_code == 200
    served.send_signal(signal.SIGINT)
    _, said = served.communicate(timeout=20)
    assert served.returncode == 130
    assert said.splitlines()[-1] == "Stopped."
    assert "Traceback" not in said
    assert not list((tmp_path / "uploads").glob("vidnas-*"))


def test_a_port_that_is_taken_is_said(client: httpx.Client, tmp_path: Path) -> None:
    save_model(tiny_model(), tmp_path)
    done = call("serve", tmp_path, "--port", client.base_url.port)
    assert done.returncode == 2
    assert "Address already in use); choose another --host or --port" in done.stderr


def test_no_more_decoders_start_than_requests_are_taken_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(*_: object, on_ready: Callable[[str], None], **__: object) -> None:
        on_ready("http://127.0.0.1")

    monkeypatch.setattr("vidnas.cli.serve.available_cores", lambda: 64)
    monkeypatch.setattr("vidnas.deploy.serving.server.serve", serve)
    save_model(tiny_model(), tmp_path)
    told = json.loads(call("serve", tmp_path, "--json").stdout)
    assert (told["concurrency"], told["workers"]) == (8, 8)
    assert json.loads(call("serve", tmp_path, "--json", "--workers", 2).stdout)["workers"] == 2
