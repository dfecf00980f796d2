"""What was asked of a study: it must be the same when the study is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

import vidnas
from vidnas.core import UserError
from vidnas.core.files import replacing
from vidnas.core.value import Value
from vidnas.evolution.limits import Limits

_SHOWN = 3


class StudyConfig(Value):
    """Everything that the meaning of a study's trials depends on."""

    vidnas: str = vidnas.__version__
    family: str
    space: dict[str, Any]
    """The space's `describe()`."""
    classes: tuple[str, ...]
    data_fingerprint: str
    limits: Limits
    strategy: dict[str, Any]
    """The strategy's `describe()`."""
    training: dict[str, Any]
    """Settings of the proxy training, or whatever else the evaluator depends on."""
    seed: int
    deterministic: bool = False
    """Whether the history follows from the seed alone, not from which evaluation ends first."""

    def write(self, path: Path) -> None:
        """Write YAML, whole or not at all."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> StudyConfig:
        """Read what `write` wrote.

        Raises:
            UserError: the file is damaged, or of a version whose settings were others.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} cannot be read by vidnas {vidnas.__version__}: it is damaged or of "
                "another version; restore it, or start a new study in another folder."
            ) from error

    def require_same(self, asked: StudyConfig, folder: Path) -> None:
        """Refuse to resume a study with anything but what it was started with.

        Raises:
            UserError: something differs; it is named with both values.
        """
        mine, theirs = _flat(self.model_dump(mode="json")), _flat(asked.model_dump(mode="json"))
        differing = [
            f"{name} is {mine.get(name, 'not set')} there and {theirs.get(name, 'not set')} now"
            for name in {**mine, **theirs}
            if mine.get(name) != theirs.get(name)
        ]
        if differing:
            rest = f" (and {len(differing) - _SHOWN} more)" if len(differing) > _SHOWN else ""
            raise UserError(
                f"{folder} holds a study of something else: {'; '.join(differing[:_SHOWN])}{rest}; "
                "ask for the same again to resume it, or choose another folder."
            )


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested JSON as `{"space.blocks.most": 4}`; lists are compared whole."""
    if not isinstance(value, dict):
        return {name: value}
    return {
        key: leaf
        for part, inner in value.items()
        for key, leaf in _flat(inner, f"{name}.{part}" if name else part).items()
    }
