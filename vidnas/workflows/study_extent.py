"""What of a search follows from its clips, and stays as its study was started with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveInt, ValidationError
from typing_extensions import Self

from vidnas.core.clip import Sampling
from vidnas.core.value import Value
from vidnas.data.cache import ClipSettings
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.study import CONFIG_NAME
from vidnas.training.tasks import Fitness


class StudyExtent(Value):
    """What a study was started with, and what another search of its clips might find otherwise.

    It follows from the videos that could be decoded then. Of the same clips, one that was left out
    may be read by now; and a fork goes on with other clips, among which trials keep their meaning
    only as long as this stays.
    """

    clips: ClipSettings
    fitness: tuple[Fitness, ...]
    max_frames: PositiveInt | None = None
    """The longest stretch of video that a clip of the space may span; None where the space does not
    say, as one of another package may not."""
    sampling: Annotated[tuple[Sampling, ...], Field(min_length=1)] | None = None
    """Those of the space, in its order; None as above."""

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """Return that of the study in a folder; None where the folder holds none yet, or one that
        is searched on no clips, which is refused later."""
        if not (folder / CONFIG_NAME).is_file():
            return None
        config = StudyConfig.read(folder / CONFIG_NAME)
        try:
            evaluation = ClipEvaluation.model_validate(config.evaluator)
            return cls(
                clips=evaluation.clips,
                fitness=evaluation.fitness,
                max_frames=config.space.get("max_frames"),
                sampling=config.space.get("sampling"),
            )
        except ValidationError:
            return None

    @property
    def of_space(self) -> dict[str, Any]:
        """What of it bounds the space, as far as the study says it."""
        return self.model_dump(include={"max_frames", "sampling"}, exclude_none=True)
