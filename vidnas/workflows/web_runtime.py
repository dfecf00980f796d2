"""ONNX Runtime for browsers, as the npm registry has it: one version, known by its checksum."""

from __future__ import annotations

import base64
import hashlib
import os
import tarfile
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.core.text import cause_of
from vidnas.data.cache_folder import default_directory

VERSION = "1.30.0"
FILE = f"onnxruntime-web-{VERSION}.tgz"
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""As the registry states it (`dist.integrity`)."""
_REGISTRY = "https://registry.npmjs.org/"
_SCRIPT, _WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
_LARGEST_BYTES = 64_000_000
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class WebRuntime:
    """What a page needs of it."""

    script: str
    """A JavaScript module."""
    wasm: bytes
    """The program that it runs."""


def web_runtime() -> WebRuntime:
    """Return the runtime, downloaded where it is not yet beside the clip caches.

    Raises:
        UserError: it cannot be downloaded or kept, or is not what it should be.
    """
    path = default_directory() / FILE
    if not path.is_file():
        _download(path)
    content = path.read_bytes()
    if not _is_right(content):
        raise UserError(f"{path} is damaged; delete it and run the same command again.")
    with tarfile.open(path) as archive:
        script, wasm = (_member(archive, name) for name in (_SCRIPT, _WASM))
    return WebRuntime(script.decode(), wasm)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f"package/dist/{name}")
    assert file is not None  # its checksum is right
    with file:
        return file.read()


def _download(path: Path) -> None:
    registry = os.environ.get("NPM_CONFIG_REGISTRY") or _REGISTRY
    url = f"{registry.rstrip('/')}/onnxruntime-web/-/{FILE}"
    try:
        if not url.startswith(("https://", "http://")):
            raise ValueError("NPM_CONFIG_REGISTRY is no web address")
        with closing(urllib.request.urlopen(url, timeout=_PATIENCE_S)) as answer:
            content = answer.read(_LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{url} could not be downloaded ({cause_of(error)}); go online, or put the file there "
            f"as {path}."
        ) from error
    if not _is_right(content):
        raise UserError(f"{url} is not what it should be: its checksum differs; try again later.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _is_right(content: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(content).digest()).decode() == _SHA512
