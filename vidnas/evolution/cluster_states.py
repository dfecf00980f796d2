"""What candidates have learned, for the nodes of a Ray cluster: read from and written to the node
where the search runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.evolution.states import StateFolder


@contextmanager
def states_here(
    home: StateFolder, node: str, needed: Iterable[str], changed: str
) -> Iterator[StateFolder]:
    """Yield a folder of states on this node; what is learned in it goes home when the block ends.

    Args:
        home: the folder on the node where the search runs.
        node: the identity of that node.
        needed: digests of the candidates whose states are read.
        changed: digest of the candidate that is trained.

    Raises:
        UserError: a state cannot be written here, or at home.
    """
    if ray.get_runtime_context().get_node_id() == node:
        yield home
        return
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    read, write, set_aside = (
        ray.remote(function).options(num_cpus=0, scheduling_strategy=there)
        for function in (_read, _write, _set_aside)
    )
    with tempfile.TemporaryDirectory() as folder:
        here = StateFolder(Path(folder))
        states = {digest: ray.get(read.remote(home.file(digest))) for digest in needed}
        try:
            for digest, state in states.items():
                if state is not None:
                    here.file(digest).write_bytes(state)
        except OSError as error:
            raise UserError(
                f"{here.path} cannot be written ({error.strerror}); free some space on that node, "
                "and run the same command again."
            ) from error
        yield here
        ray.get([set_aside.remote(home, digest) for digest in here.aside()])
        if here.file(changed).exists():
            try:
                ray.get(write.remote(home.file(changed), here.file(changed).read_bytes()))
            except exceptions.RayTaskError as error:
                raise UserError(
                    f"{home.file(changed)} cannot be written ({error.cause}); free some space, and "
                    "run the same command again."
                ) from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # the search removes states that it has no room for, at any time
        return None


def _set_aside(home: StateFolder, digest: str) -> None:
    home.set_aside(digest)


def _write(path: Path, state: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(state)
