"""A page that runs its network in the browser: what it holds, and where the runtime comes from."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import http.server
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vidnas.core import UserError
from vidnas.report.in_browser import InBrowser
from vidnas.workflows import web_runtime


def archive(**members: bytes) -> bytes:
    """A package as the registry has it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as package:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(content)
            package.addfile(entry, io.BytesIO(content))
    return made.getvalue()


PACKAGE = archive(**{
    "ort.wasm.bundle.min.mjs": b"export const here = 1;",
    "ort-wasm-simd-threaded.wasm": b"\0asm",
})  # fmt: skip


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a registry on this machine; the right package is in it."""
    folder = tmp_path / "registry" / "onnxruntime-web" / "-"
    folder.mkdir(parents=True)
    (folder / f"onnxruntime-web-{web_runtime.VERSION}.tgz").write_bytes(PACKAGE)
    digest = base64.b64encode(hashlib.sha512(PACKAGE).digest()).decode()
    monkeypatch.setattr(web_runtime, "_SHA512", digest)
    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "cache"))
    handler = functools.partial(_Silent, directory=str(tmp_path / "registry"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_address[1]}")
        yield folder
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_runtime_is_downloaded_once(registry: Path, tmp_path: Path) -> None:
    first = web_runtime.web_runtime()
    assert (first.script, first.wasm) == ("export const here = 1;", b"\0asm")
    next(registry.iterdir()).unlink()
    assert web_runtime.web_runtime() == first
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(PACKAGE[:-1])
    with pytest.raises(UserError, match="is damaged; delete it"):
        web_runtime.web_runtime()


def test_something_else_is_not_kept(registry: Path, tmp_path: Path) -> None:
    next(registry.iterdir()).write_bytes(archive(**{"ort.wasm.bundle.min.mjs": b"evil()"}))
    with pytest.raises(UserError, match="checksum differs"):
        web_runtime.web_runtime()
    next(registry.iterdir()).unlink()
    with pytest.raises(UserError, match="go online, or put the file there"):
        web_runtime.web_runtime()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("address", ["file:///etc", "not an address", "http://127.0.0.1:9"])
def test_a_registry_that_is_none(
    registry: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", address)
    with pytest.raises(UserError, match="could not be downloaded"):
        web_runtime.web_runtime()


def test_the_parts_of_the_page_unpack_to_what_they_were() -> None:
    clips = {"classes": ["</script><b>", "é"], "inputs": []}
    parts = InBrowser(b"network", "export {}", b"\0asm", clips).parts
    unpacked = {name: gzip.decompress(base64.b64decode(text)) for name, text in parts.items()}
    assert json.loads(unpacked.pop("packed-clips")) == clips
    assert unpacked == {
        "packed-network": b"network", "packed-ort": b"export {}", "packed-wasm": b"\0asm",
    }  # fmt: skip
    assert not any(re.search("[<>&]", text) for text in parts.values())
