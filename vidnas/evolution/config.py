"""What was asked of a study: it must be the same when the study is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from vidnas.core import UserError
from vidnas.core.bounds import bounded_bytes
from vidnas.core.files import replacing
from vidnas.core.value import Value
from vidnas.core.version import VERSION
from vidnas.evolution.limits import Limits

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SHOWN = 3
_DEEPEST, _LONGEST = 32, 50_000


class StudyConfig(Value):
    """Everything that the meaning of a study's trials depends on."""

    vidnas: str = VERSION
    family: str
    space: dict[str, Any]
    """The space's `describe()`."""
    classes: tuple[str, ...]
    data_fingerprint: str
    limits: Limits
    strategy: dict[str, Any]
    """The strategy's `describe()`."""
    evaluator: dict[str, Any]
    """The evaluator's `describe()`."""
    seed: int
    deterministic: bool = False
    """Whether the history follows from the seed alone, not from which evaluation ends first."""
    rungs: int = 1
    """How many rungs the evaluator's ladder has."""
    designs: bool = False
    """Whether the designs of the space are tried first."""

    def write(self, path: Path) -> None:
        """Write YAML, whole or not at all."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> StudyConfig:
        """Read what `write` wrote.

        Raises:
            UserError: the file is damaged, or from a version whose settings were others.
        """
        try:
            read = yaml.load(_plain_yaml(bounded_bytes(path)), _LOADER)
            _require_readable(read, path)
            return cls.model_validate(read)
        except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:  # of its values
            raise UserError(
                f"{path} cannot be read by vidnas {VERSION}: it is damaged; restore it, "
                "or start a new study in another folder."
            ) from error

    def require_same(self, asked: StudyConfig, folder: Path) -> None:
        """Reject a request for anything but what the study was started with.

        Raises:
            UserError: something differs; it is named with both values.
        """
        differing = self.differences(asked)
        if differing:
            raise UserError(
                f"{folder} holds a study of something else: {differing}; ask for the same again to "
                "resume it, or choose another folder."
            )

    def differences(self, asked: StudyConfig) -> str:
        """Return what differs, with both values; nothing if they are the same.

        The version does not count: `read` rejects those whose trials mean something else.
        """
        mine, theirs = (
            _flat(one.model_dump(mode="json", exclude={"vidnas"})) for one in (self, asked)
        )
        differing = [
            f"{name} is {mine.get(name, 'not set')} there and {theirs.get(name, 'not set')} now"
            for name in {**mine, **theirs}
            if mine.get(name) != theirs.get(name)
        ]
        rest = f" (and {len(differing) - _SHOWN} more)" if len(differing) > _SHOWN else ""
        return "; ".join(differing[:_SHOWN]) + rest


def _plain_yaml(text: bytes) -> bytes:
    """Return YAML that is as long as it looks: none of it stands for something elsewhere.

    Raises:
        yaml.YAMLError: it refers to itself, which a few lines can do a billion times, or is deeper
            or longer than any config.
    """
    depth = 0
    for number, event in enumerate(yaml.parse(text, _LOADER)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST or number > _LONGEST:
            raise yaml.YAMLError("no config")
    return text


def _require_readable(read: Any, path: Path) -> None:
    """Accept what other releases of the same minor version wrote, in which trials mean the same."""
    version = read.get("vidnas") if isinstance(read, dict) else None
    if version and _minor(str(version)) != _minor(VERSION):
        raise UserError(
            f"{path} is of vidnas {version}, this is {VERSION}, and their trials cannot "
            f"be mixed; install vidnas {version} to resume it, or start a new study in another "
            "folder."
        )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return nested JSON as `{"space.blocks.most": 4}`; lists are compared whole."""
    if not isinstance(value, dict):
        return {name: value}
    return {
        key: leaf
        for part, inner in value.items()
        for key, leaf in _flat(inner, f"{name}.{part}" if name else part).items()
    }
