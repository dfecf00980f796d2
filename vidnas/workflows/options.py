"""What the options of all jobs share: groups, types that read what people write, and errors.

An option is declared once, as a field of a `Request`: from it the command line is derived, and
Python passes the same fields. Cyclopts derives it, because it reads the fields of pydantic with
their groups, help and defaults, suggests names and imports commands lazily.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails
from typing_extensions import Self

from vidnas.core import Modality, UserError, bounds
from vidnas.core.durations import parse_duration
from vidnas.core.names import suggest
from vidnas.core.paths import is_there
from vidnas.core.quantities import parse_bytes
from vidnas.core.value import Value

SUBJECT = Parameter(group=Group("What to search", sort_key=1))
TRAINED = Parameter(group=Group("What to train", sort_key=1))
MEMBERS = Parameter(group=Group("What to put together", sort_key=1))
LIMITS = Parameter(group=Group("Limits and budget", sort_key=2))
EVOLUTION = Parameter(group=Group("Evolution", sort_key=3))
TRAINING = Parameter(group=Group("Training", sort_key=4))
MACHINES = Parameter(group=Group("Machines", sort_key=5))
OUTPUT = Parameter(group=Group("Output", sort_key=6))

_UNITS = ("_s", "_px", "_bytes")
_INPUTS: dict[str, tuple[Modality, ...]] = {
    "rgb": ("rgb",),
    "flow": ("flow",),
    "rgb+flow": ("rgb", "flow"),
}


def without_unit(field: str) -> str:
    """Return the name that a field has as an option and in Python: `budget` for `budget_s`."""
    for unit in _UNITS:
        field = field.removesuffix(unit)
    return field


def _read_seconds(value: object) -> object:
    try:
        return parse_duration(value) if isinstance(value, str) else value
    except UserError as error:
        raise ValueError(str(error).rstrip(".")) from error


def _read_seconds_from_zero(value: object) -> object:
    return 0.0 if value in ("0", "0s") else _read_seconds(value)


def _read_bytes(value: object) -> object:
    try:
        return parse_bytes(value) if isinstance(value, str) else value
    except UserError as error:
        raise ValueError(str(error).rstrip(".")) from error


def _read_input(value: object) -> object:
    text = value if isinstance(value, str) else "+".join(value)  # type: ignore[arg-type]
    if text not in _INPUTS:
        raise ValueError(f"{text!r} is not an input; {suggest(text, _INPUTS)}")
    return _INPUTS[text]


def _read_share(value: object) -> object:
    if value == "auto":
        return value
    with suppress(TypeError, ValueError):
        if 0 <= (share := float(value)) <= 1:  # type: ignore[arg-type]
            return share
    raise ValueError(
        f"{value!r} is not a valid GPU share; give a number from 0 to 1, such as 0.25, or auto"
    )


def _require(path: Path, info: ValidationInfo) -> Path:
    # A record of an earlier request is JSON, and its clips may have moved.
    if info.mode == "python" and not is_there(path):
        raise UserError(
            f"{path} does not exist; give a folder of class folders, a CSV, or the annotations of "
            "a published data set."
        )
    return path


Seconds = Annotated[float, BeforeValidator(_read_seconds), Field(gt=0), Parameter(metavar="TIME")]
"""A duration: text with a unit, such as "1h30m", or a number of seconds."""

SecondsFromZero = Annotated[
    float, BeforeValidator(_read_seconds_from_zero), Field(ge=0), Parameter(metavar="TIME")
]
"""A duration that may be 0, which needs no unit."""

Bytes = Annotated[PositiveInt, BeforeValidator(_read_bytes), Parameter(metavar="SIZE")]
"""A size: text with a unit, such as "100MB", or a number of bytes."""

Input = Annotated[
    tuple[Modality, ...],
    BeforeValidator(_read_input),
    Parameter(metavar="|".join(_INPUTS), show_choices=False, show_default="+".join),
]
"""The modalities that networks take: "rgb+flow", or a tuple of them."""

GpuShare = Annotated[
    float | Literal["auto"], BeforeValidator(_read_share), Parameter(show_choices=False)
]

Clips = Annotated[
    Path,
    AfterValidator(_require),
    Field(
        description="Labelled clips: a folder of class folders, a CSV (path,label), or the "
        "annotations of a published data set."
    ),
]
Format = Annotated[
    str | None,
    Field(
        description="Format of the clips, such as kinetics; by default it is recognised, and an "
        "unknown name lists them all."
    ),
]
VideoFolder = Annotated[
    Path | None,
    Field(
        description="Folder of the videos that annotations name; by default they are looked for "
        "beside the annotations."
    ),
]
Model = Annotated[Path, Field(description="Folder of a model or of a study.")]
ArchitectureName = Annotated[
    str, Field(description="Published name, architecture JSON file, or folder of a model or study.")
]
Limits = Annotated[
    tuple[str, ...],
    Parameter(metavar="NAME=VALUE"),
    Field(
        description="Bound that every candidate keeps: latency=40ms, frame_latency=5ms (of a new "
        "frame of a stream), parameters=2M, macs=500M or memory=64MB; repeatable."
    ),
]
Seed = Annotated[
    NonNegativeInt,
    Field(description="Seed of all that is random: splits, proposals, weights and training."),
]
Runtime = Annotated[
    str,
    Field(
        description="Runtime in which latency is measured: onnxruntime, onnxruntime-int8, "
        "openvino, openvino-bf16, openvino-int8 or torch."
    ),
]
LatencyThreads = Annotated[
    PositiveInt, Field(description="CPU threads on which latency is measured.")
]
Target = Annotated[
    str | None,
    Parameter(metavar="ssh://HOST|tcp://HOST"),
    Field(
        description="Machine where the model will run, and where latency is measured, such as "
        "ssh://pi@robot; by default this one."
    ),
]
Device = Annotated[str, Field(description="Device to compute on: cpu, cuda or cuda:1.")]
ClipsPerVideo = Annotated[
    int,
    Field(
        ge=1,
        le=bounds.CLIPS_PER_VIDEO,
        description="Evenly spaced clips per video; their scores are averaged, or the highest "
        "taken where a video may show several classes, and the model does the same.",
    ),
]
OwnClipsPerVideo = Annotated[
    ClipsPerVideo | None,
    Field(
        description="Evenly spaced clips per video; their scores are averaged, or the highest "
        "taken where a video may show several classes; by default as many as the model looks at."
    ),
]
Storage = Annotated[
    str | None,
    Field(
        description="Database for the trials, postgresql://user@host/db or mysql://...; study.db "
        "in the study's folder by default."
    ),
]
Flip = Annotated[
    bool, Field(description="Mirror training clips; wrong where left and right are classes.")
]
ClassWeights = Annotated[
    Literal["auto", "none", "balanced"],
    Field(
        description="What counts alike, in training and in what networks are ranked by: every "
        "video (none), every class (balanced), or every class only where the largest has more than "
        "three times the training videos of the smallest (auto)."
    ),
]
Workers = Annotated[
    PositiveInt | None,
    Field(description="Worker processes of one thread each; one per core by default."),
]
Size = Annotated[
    int | None,
    Field(
        ge=16,
        le=bounds.SIZE_PX,
        description="Short side of the frames, in pixels; by default that of the videos, up to "
        "128.",
    ),
]
CacheSize = Annotated[
    PositiveInt | None,
    BeforeValidator(_read_bytes),
    Parameter(metavar="SIZE"),
    Field(
        description="Space for all clip caches together, such as 200GB: the least recently used "
        "ones make room; by default VIDNAS_CACHE_SIZE, or four fifths of the free space and what "
        "the caches already take."
    ),
]


@Parameter(name="*", group=Group("Options", sort_key=0))
class Request(Value):
    """What a job is asked for. Required fields are arguments of its command, others are options.

    An option has its field's name without the unit, and Python takes that name, too:
    `--budget 30m`, `budget="30m"` and `budget_s=1800` are the same. The option of a list is
    repeated and has the singular.

    Raises:
        UserError: a value is invalid, or a name is unknown.
    """

    model_config = ConfigDict(
        alias_generator=without_unit, populate_by_name=True, use_attribute_docstrings=True
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Tell Cyclopts which fields are options, and their names."""
        for name, field in cls.model_fields.items():
            field.kw_only = not field.is_required()
            hidden: dict[str, Any] = {"show_default": False} if field.default == () else {}
            field.metadata.append(
                Parameter(
                    name=cls.option(name),
                    help=" ".join((field.description or "").split()),
                    negative_iterable=(),
                    **hidden,
                )
            )

    @classmethod
    def option(cls, name: str) -> str:
        """Return the option of a field on the command line."""
        field = cls.model_fields.get(name)
        is_repeated = field is not None and field.default == ()
        name = name.removesuffix("s") if is_repeated else without_unit(name)
        return f"--{name.rstrip('_').replace('_', '-')}"  # `as_` is no word of Python's

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise UserError(cls._sentence(error.errors()[0])) from error

    @classmethod
    def _sentence(cls, problem: ErrorDetails) -> str:
        name, value = str((*problem["loc"], "request")[0]), problem["input"]
        option = cls.option(name)
        if problem["type"] == "extra_forbidden":
            known = suggest(name, map(without_unit, cls.model_fields))
            return f"There is no option {name}; {known}"
        if problem["type"] == "missing":
            return f"{name.upper()} is missing; give it as well."
        if problem["type"] == "value_error":
            return f"{option}: {str(problem['ctx']['error']).rstrip('.')}."
        if problem["type"] == "literal_error":
            choices = [one.strip("'") for one in re.split(", | or ", problem["ctx"]["expected"])]
            return f"{option} {value} is unknown; {suggest(str(value), choices)}"
        must = problem["msg"].replace("Input should", "must").partition(",")[0]
        return f"{option} {value} {must}."


class RecordedRequest(Request):
    """A request whose paths are written down, for later commands and on the page.

    Raises:
        UserError: a path cannot be written, because it is not text.
    """

    @model_validator(mode="after")
    def _paths_are_text(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            for one in value if isinstance(value, tuple) else (value,):
                _require_text(one.absolute() if isinstance(one, Path) else one)
        return self


def _require_text(value: object) -> None:
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{value} is not valid UTF-8, so a study cannot write it down; rename what is not, or "
            "choose another one."
        ) from error
