"""Clips for the nodes of a Ray cluster: copied once to each that lacks them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import ray
from filelock import FileLock
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from typing_extensions import Self

from vidnas.core import Evaluation, UserError
from vidnas.core.files import own_folders
from vidnas.data.cache import ClipCache
from vidnas.data.cache_folder import default_directory, delete_files
from vidnas.data.flow import FlowMethod
from vidnas.evolution.clip_evaluator import ClipEvaluator
from vidnas.evolution.cluster_states import states_here
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture

_CHUNK_BYTES = 32 << 20


@dataclass(frozen=True)
class ClipSource:
    """A clip cache on the node where the search runs, and how other nodes recognise a copy."""

    directory: Path
    files: tuple[str, ...]
    digest: str
    node: str
    flow_method: FlowMethod | None

    @classmethod
    def of(cls, directory: Path, flow_method: FlowMethod | None = None) -> Self:
        """Return the source of a cache on this node, which must stay while the search runs: of its
        frames and of the flow of a method, if one is named, whatever else the cache holds."""
        found = ClipCache(directory, flow_method).files(with_flow=flow_method is not None)
        files = tuple(path.name for path in found)
        node = ray.get_runtime_context().get_node_id()
        return cls(directory.resolve(), files, _digest(directory, files), node, flow_method)


@dataclass(frozen=True)
class ClusterClipEvaluator:
    """Evaluates as another evaluator does, with a copy of its clips on the node where it runs.

    A node looks for the clips where it would build them itself (`$VIDNAS_CACHE`), so nodes that
    share a disk share them. What a node lacks, one of its workers reads through Ray's object store
    from the node where the search runs, while the others wait.
    """

    evaluator: ClipEvaluator
    source: ClipSource

    @classmethod
    def of(cls, evaluator: ClipEvaluator) -> Self:
        """Make the clips of an evaluator on this node available to all nodes."""
        method = evaluator.settings.clips.flow_method
        return cls(evaluator, ClipSource.of(Path(evaluator.cache_directory), method))

    def describe(self) -> dict[str, Any]:
        """Return the settings of the evaluator: where it runs does not matter."""
        return self.evaluator.describe()

    @property
    def rungs(self) -> int:
        """How many rungs there are."""
        return self.evaluator.rungs

    def at_rung(self, rung: int) -> Self:
        """Return the evaluator of a rung."""
        return replace(self, evaluator=self.evaluator.at_rung(rung))

    def seconds_at(self, rung: int) -> float | None:
        """Return what the evaluator says; copying is not counted."""
        return self.evaluator.seconds_at(rung)

    def for_candidate(self, proposal: Proposal, trials: Sequence[Trial]) -> Self:
        """Return this evaluator with what the inner one takes along."""
        return replace(self, evaluator=self.evaluator.for_candidate(proposal, trials))

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        """Evaluate with this node's copy of the clips and of what the candidate has learned.

        Raises:
            UserError: a copy cannot be written, or the evaluator raised it.
        """
        evaluator = replace(self.evaluator, cache_directory=local_copy(self.source))
        if evaluator.states is None:
            return evaluator.evaluate(architecture, seed, deadline_s)
        digest = architecture.digest
        needed = [digest, *([evaluator.parent.digest] if evaluator.parent else [])]
        with states_here(evaluator.states, self.source.node, needed, digest) as states:
            return replace(evaluator, states=states).evaluate(architecture, seed, deadline_s)


@cache  # once per worker
def local_copy(source: ClipSource) -> Path:
    """Return this node's copy of a cache, made now if there is none.

    Raises:
        UserError: the copy cannot be written.
    """
    root = default_directory()
    same = root / source.directory.name
    if _is_whole(same, source):
        return same
    target = root / f"{source.directory.name}-{source.digest}"
    partial = target.with_name(f"{target.name}.partial")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not _is_whole(target, source):
                if target.is_dir():  # what is damaged is copied anew
                    delete_files(target)
                partial.mkdir(exist_ok=True)
                own_folders(partial)  # nothing is written through a link
                for name in source.files:
                    _copy(source.directory / name, source.node, partial / name)
                partial.replace(target)
    except OSError as error:
        raise UserError(
            f"{target}: the clips cannot be copied to this node ({error.strerror}); free some "
            "space, or start its Ray with another folder in the variable VIDNAS_CACHE."
        ) from error
    return target


def _is_whole(directory: Path, source: ClipSource) -> bool:
    """Return whether a folder holds the clips, as they were written."""
    if _digest(directory, source.files) != source.digest:
        return False
    try:
        cache = ClipCache(directory, source.flow_method)
        cache.require_whole()
        if source.flow_method is not None:
            cache.require_whole("flow")
    except UserError:
        return False
    return True


def _digest(directory: Path, files: Iterable[str]) -> str:
    """Hash the indices, which name the videos' content and where in the large files it is."""
    small = [directory / name for name in files if name.endswith(".npz")]
    if not all(path.is_file() for path in small):
        return ""
    return hashlib.sha256(b"".join(path.read_bytes() for path in small)).hexdigest()[:16]


def _copy(source: Path, node: str, target: Path) -> None:
    """Append what is missing: a copy that was cut off with its worker resumes."""
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    read = ray.remote(_read).options(num_cpus=0, scheduling_strategy=there)
    with target.open("ab") as file:
        while chunk := ray.get(read.remote(source, file.tell())):
            file.write(chunk)


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(_CHUNK_BYTES)
