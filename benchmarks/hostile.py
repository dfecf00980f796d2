"""Folders as a stranger may send them: each takes a model or a study and makes it do harm.

Every function takes a folder that is fine, and `outside`, a folder that must stay as it is.
"""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Harm = Callable[[Path, Path], None]
TINY = """{"family": "tinyvideonet", "size_px": 32, "frames": 4, "frame_stride": 2, "blocks": [
  {"filters": 8, "spatial_kernel": 3, "spatial_stride": 2, "temporal_kernel": 3},
  {"filters": 8, "spatial_kernel": 3, "spatial_stride": 2}]}"""


def write_model(folder: Path) -> None:
    """Write a tiny model that is fine."""
    from vidnas.deploy import Model, ModelCard, save_model
    from vidnas.families import architecture_from_json, create_network

    network = create_network(architecture_from_json(TINY), 3).eval()
    save_model(Model(network, ("left", "right", "up"), ModelCard(data="abc")), folder)


def write_study(folder: Path) -> None:
    """Write a small study that is fine, with a model, a state and a request."""
    import vidnas
    from benchmarks.engine_overhead import evaluate_nothing, searched_space

    vidnas.search(
        searched_space(), evaluate_nothing, evaluations=3, folder=folder, classes=("a", "b")
    )
    write_model(folder / "models" / "trial-0")
    write_model(folder / "best")
    (folder / "states").mkdir()
    (folder / "states" / "0123456789abcdef.state").write_bytes(b"learned")
    (folder / "request.json").write_text('{"clips": "clips", "workers": 2}')


def genes(**changed: Any) -> Harm:
    """Change genes of the architecture, and of its first block."""

    def harm(folder: Path, outside: Path) -> None:
        description = _description(folder)
        architecture = description["architecture"]
        for name, value in changed.items():
            place = architecture if name in architecture else architecture["blocks"][0]
            place[name] = value
        _describe(folder, description)

    return harm


def blocks(count: int) -> Harm:
    """Repeat the blocks."""

    def harm(folder: Path, outside: Path) -> None:
        description = _description(folder)
        description["architecture"]["blocks"] *= count
        _describe(folder, description)

    return harm


def published(name: str, **changed: Any) -> Harm:
    """Take a published architecture with other genes."""

    def harm(folder: Path, outside: Path) -> None:
        from vidnas.families import find_architecture

        description = _description(folder)
        description["architecture"] = json.loads(find_architecture(name).to_json()) | changed
        _describe(folder, description)

    return harm


def members(count: int, depth: int) -> Harm:
    """Put ensembles into ensembles."""

    def harm(folder: Path, outside: Path) -> None:
        description = _description(folder)
        inner = description["architecture"]
        for _ in range(depth):
            one = {"architecture": inner, "weight": 1}
            inner = {"family": "ensemble", "members": [one] * count}
        description["architecture"] = inner
        _describe(folder, description)

    return harm


def many_classes(folder: Path, outside: Path) -> None:
    """Name a million classes."""
    _describe(folder, {**_description(folder), "classes": [f"c{n}" for n in range(1_000_000)]})


def clips(**settings: Any) -> Harm:
    """Change what the clips depend on."""

    def harm(folder: Path, outside: Path) -> None:
        description = _description(folder)
        description["card"]["clips"] = {"size_px": 32, **settings}
        _describe(folder, description)

    return harm


def confusion(matrix: Any) -> Harm:
    """Give a confusion matrix, and weights that do not fit."""

    def harm(folder: Path, outside: Path) -> None:
        description = _description(folder)
        found = {"clips": 1, "loss": 0, "top1": 0, "top5": 0, "mean_class": 0}
        description["card"]["test"] = {**found, "confusion": matrix}
        _describe(folder, description)
        (folder / "weights.safetensors").unlink()

    return harm


def text(name: str, content: bytes) -> Harm:
    """Replace a file by this text."""

    def harm(folder: Path, outside: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(content)

    return harm


def long_file(name: str, size_bytes: int = 1 << 40) -> Harm:
    """Replace a file by an endless one of zeros, which takes no room on the disk."""

    def harm(folder: Path, outside: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(size_bytes)

    return harm


def pipe(name: str) -> Harm:
    """Replace a file by a pipe into which nobody writes."""

    def harm(folder: Path, outside: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return harm


def link(name: str, target: str = "") -> Harm:
    """Replace a file or folder by a link to what is outside."""

    def harm(folder: Path, outside: Path) -> None:
        place = folder / name
        if place.is_dir():
            place.rename(folder.parent / f"moved-{place.name}")
        place.unlink(missing_ok=True)
        place.symlink_to(outside / target if target else outside)

    return harm


def weights_header(claimed: dict[str, Any], *, length: int | None = None) -> Harm:
    """Name weights that are not there."""

    def harm(folder: Path, outside: Path) -> None:
        header = json.dumps(claimed).encode()
        size = len(header) if length is None else length
        path = folder / "weights.safetensors"
        path.write_bytes(struct.pack("<Q", size) + header)
        with path.open("r+b") as file:
            file.truncate(1 << 42)

    return harm


class Executed:
    """Leaves a file outside when it is unpickled."""

    def __init__(self, outside: Path) -> None:
        self.outside = outside

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.outside / "executed", "yes")


def pickled(name: str) -> Harm:
    """Replace a file by a pickle."""

    def harm(folder: Path, outside: Path) -> None:
        (folder / name).write_bytes(pickle.dumps(Executed(outside)))

    return harm


def sql(*statements: str) -> Harm:
    """Change the study's database."""

    def harm(folder: Path, outside: Path) -> None:
        with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
            for statement in statements:
                connection.execute(statement.replace("OUTSIDE", str(outside)))

    return harm


def journal(folder: Path, outside: Path) -> None:
    """Leave a journal of a transaction over several databases: SQLite removes the file it names."""
    name = str(outside / "thesis.txt").encode()
    checksum = sum(name) & 0xFFFFFFFF
    tail = struct.pack(">I", 1) + name + struct.pack(">II", len(name), checksum)
    magic = bytes.fromhex("d9d505f920a163d7")
    header = magic + struct.pack(">IIIII", 0, 0, 1, 512, 4096)
    (folder / "study.db-journal").write_bytes(header.ljust(512, b"\0") + tail + magic)


def server(port: int) -> Harm:
    """Name a database server of the stranger."""

    def harm(folder: Path, outside: Path) -> None:
        (folder / "study.db").unlink()
        url = f"postgresql+psycopg://me@127.0.0.1:{port}/db?connect_timeout=2"
        (folder / "storage.json").write_text(json.dumps({"url": url, "study": "vidnas-0"}))

    return harm


def _description(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return found


def _describe(folder: Path, description: dict[str, Any]) -> None:
    (folder / "model.json").write_text(json.dumps(description))


_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
)
_ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
_TRIAL = "UPDATE trial_user_attributes SET value_json = {} WHERE key = '{}'"
_DEEP = b"[" * 400_000

MODELS: dict[str, Harm] = {
    "wide filters": genes(filters=12_000, expand=8),
    "endless repeats": genes(repeats=1_000_000),
    "huge kernel": genes(spatial_kernel=10**18),
    "numbers without end": genes(filters=10**400),
    "huge clip": genes(size_px=2048, frames=4096),
    "long clip": genes(frames=10**9),
    "twenty thousand blocks": blocks(10_000),
    "five hundred wide blocks": blocks(250),
    "endless flow": published("assemblenet_50", flow_iterations=10**9),
    "wide published network": published("evanet_a", width=1e300),
    "deep ensembles": members(2, 12),
    "ensemble of thousands": members(3000, 1),
    "a million classes": many_classes,
    "huge frames": clips(size_px=1 << 20),
    "another rate than the contract's": clips(rate_fps=1e300),
    "huge confusion": confusion([[123_456] * 3000] * 3000),
    "large confusion": confusion([[123_456] * 1480] * 1480),
    "sparse confusion without end": confusion({"classes": 10**9, "cells": []}),
    "large sparse confusion": confusion(
        {"classes": 4096, "cells": [cell for n in range(4096) for cell in (n, n, 123_456)]}
    ),
    "deep description": text("model.json", _DEEP),
    "endless description": long_file("model.json"),
    "description of a pipe": pipe("model.json"),
    "weights of a pipe": pipe("weights.safetensors"),
    "endless weights": long_file("weights.safetensors"),
    "weights of terabytes": weights_header(
        {"a": {"dtype": "F32", "shape": [1 << 39], "data_offsets": [0, 1 << 41]}}
    ),
    "header without end": weights_header({}, length=1 << 60),
    "pickled weights": pickled("weights.safetensors"),
    "pickled description": pickled("model.json"),
}
"""Models that must be refused in little time and memory, by name."""

STUDIES: dict[str, Harm] = {
    "alias bomb": text("config.yaml", _BOMB.encode()),
    "deep config": text("config.yaml", b"a: " + _DEEP),
    "long config": text("config.yaml", b"a: 1\n" * 200_000),
    "endless config": long_file("config.yaml"),
    "config that runs code": text("config.yaml", b"!!python/object/apply:os.abort []\n"),
    "pickled config": pickled("config.yaml"),
    "deep request": text("request.json", _DEEP),
    "endless request": long_file("request.json"),
    "deep server": text("storage.json", _DEEP),
    "endless view": sql("ALTER TABLE trials RENAME TO old", f"CREATE VIEW trials AS {_ENDLESS}"),
    "triggers": sql("CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM trials; END"),
    "endless architecture": sql(
        _TRIAL.format("'{\"family\": \"tinyvideonet\", \"blocks\": [{\"filters\": 8, "
                      "\"repeats\": 900000000}]}'", "architecture")
    ),
    "huge value": sql(_TRIAL.format("'\"' || hex(zeroblob(60000000)) || '\"'", "architecture")),
    "deep value": sql(_TRIAL.format("replace(hex(zeroblob(150000)), '0', '[')", "rung 0")),
    "parents in a circle": sql(_TRIAL.format("'2'", "parent")),
    "trials out of order": sql("UPDATE trials SET number = 7 - number"),
    "digest that leaves the folder": sql(
        _TRIAL.format("'\"{\\\"family\\\": \\\"unknown\\\"}\"'", "architecture"),
        _TRIAL.format("'\"OUTSIDE/thesis\"'", "digest"),
    ),
    "another's journal": journal,
    "hostile answer": lambda folder, outside: MODELS["deep description"](folder / "best", outside),
    "hostile model": lambda folder, outside: MODELS["endless description"](
        folder / "models" / "trial-0", outside
    ),
}  # fmt: skip
"""Studies that must be refused in little time and memory, by name."""

LINKS = {
    f"{name} elsewhere": link(name, target)
    for name, target in (
        ("states", ""), ("best", ""), ("models", ""), ("models/trial-0", ""), ("ensemble", ""),
        ("report.html", "thesis.txt"), ("request.json", "thesis.txt"), (".lock", "thesis.txt"),
        ("study.db-journal", "thesis.txt"), ("study.db-wal", "thesis.txt"),
        ("states/0123456789abcdef.state", "thesis.txt"), ("best/model.onnx", "thesis.txt"),
    )
}  # fmt: skip
"""Studies with links, which nothing may be written or removed through."""
