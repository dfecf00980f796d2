"""The card of a model for people: `README.md` in the form that the Hugging Face hub reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from vidnas.core import Cost, Latency
from vidnas.core.files import replacing
from vidnas.core.quantities import (
    format_bytes,
    format_count,
    format_metric,
    format_ms,
    format_number,
    format_percent,
)
from vidnas.core.text import counted, escaped
from vidnas.deploy.card import ModelCard
from vidnas.deploy.contract import Contract
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.deploy.shipped_file import ShippedFile
from vidnas.families import Architecture
from vidnas.families.calibrated import Calibrated
from vidnas.training import AnyMetrics, Metrics
from vidnas.training.chance import chance_warning, describe_chance

README_FILE = "README.md"
_MARK = (
    "# Written by vidnas whenever the model is saved. Without this line the file is yours, and "
    "stays as it is."
)
_SHOWN_CLASSES = 100
_TOP5_SAYS_SOMETHING = 6  # classes: of five, five are always right
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#+!|&~$.:/@])")
_HUB_METRICS = {"top1": "accuracy", "map": "mean_average_precision", "mean_class": "recall"}


def write_readme(folder: Path, text: str) -> None:
    """Write the card beside a model, unless somebody's own README is there."""
    path = folder / README_FILE
    if path.exists() and not _is_ours(path):
        return
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def readme_of(
    architecture: Architecture, contract: Contract, card: ModelCard, seen: SeenVideos | None
) -> str:
    """Return the card as Markdown below the YAML that the hub reads.

    Names of classes are from outside: they can be no markup and no line of their own.
    """
    head = yaml.safe_dump(_hub(architecture, card), sort_keys=False, allow_unicode=True)
    tells = "any of its classes that" if card.multi_label else "the one of its classes that"
    parts = (
        f"---\n{_MARK}\n{head}---",
        f"# A video network of {len(contract.classes)} classes",
        f"A network of the family {_plain(architecture.family)}, made with vidnas "
        f"{_plain(card.versions.get('vidnas', ''))}. It names {tells} "
        "a video shows.",
        _classes(contract.classes),
        "## Use",
        _USE,
        "## Training data",
        *_data(contract, card, seen),
        "## How well it does",
        *_metrics(
            card,
            [_plain(name) for name in contract.classes],
            calibrated=isinstance(architecture, Calibrated),
        ),
        "## What it costs",
        *_cost(card.cost, card.shipped),
        "## What it sees",
        *_clips(contract),
        "## Limits of use",
        "\n".join(f"* {limit}" for limit in _limits(architecture, card)),
    )
    return "\n\n".join(parts) + "\n"


_USE = """```bash
vidnas predict . video.mp4
```

```python
import vidnas
from vidnas.deploy import predict_video

model = vidnas.load(".")
print(predict_video(model, "video.mp4"))
```"""


def _hub(architecture: Architecture, card: ModelCard) -> dict[str, Any]:
    """Return what the hub reads: tags, and the results of the test."""
    head: dict[str, Any] = {
        "library_name": "vidnas",
        "pipeline_tag": "video-classification",
        "tags": ["vidnas", "video-classification", architecture.family],
    }
    if card.test is not None:
        shares = _shares(card.test)
        kinds = {name: _HUB_METRICS.get(name, name) for name in shares}
        head["metrics"] = [kinds[card.test.headline]]
        measured = [
            {"type": kinds[name], "name": f"test {format_metric(name)}", "value": round(share, 4)}
            for name, share in shares.items()
        ]
        # A calibration may have tested it on other clips than those that it was trained with.
        data = "" if isinstance(architecture, Calibrated) else card.data
        clips = {"type": "clips", "name": f"clips {data}".rstrip(), "split": "test"}
        task = {"type": "video-classification"}
        result = {"task": task, "dataset": clips, "metrics": measured}
        head["model-index"] = [{"name": architecture.family, "results": [result]}]
    return head


def _classes(classes: tuple[str, ...]) -> str:
    shown = [_plain(name) for name in classes[:_SHOWN_CLASSES]]
    more = len(classes) - len(shown)
    return f"Classes: {', '.join(shown)}" + (f", and {more} more in model.json." if more else ".")


def _data(contract: Contract, card: ModelCard, seen: SeenVideos | None) -> Iterator[str]:
    if seen is None:
        yield "Which videos it was trained on is not known."
    else:
        yield (
            f"{len(seen.trained)} video files to train on and {len(seen.validated)} that chose the "
            "model; training-videos.txt lists them by their content, so that `vidnas eval` leaves "
            "them out. The videos are not part of this folder."
        )
    if card.data:
        yield f"Fingerprint of videos, labels and splits: `{card.data}`."
    if card.typical_frames is not None:
        rate = f" at {contract.rate_fps:g} per second" if contract.rate_fps else ""
        yield f"The median video has {card.typical_frames} frames{rate}."


def _metrics(card: ModelCard, classes: Sequence[str], *, calibrated: bool) -> Iterator[str]:
    measured = {"test": card.test, "validation (chose the model)": card.validation}
    rows = [
        f"| {split} | {metrics.clips} | {_named(metrics)} | {metrics.loss:.3f} |"
        for split, metrics in measured.items()
        if metrics is not None
    ]
    if not rows:
        yield "Nothing was measured."
        return
    yield "\n".join(("| split | videos | accuracy | loss |", "| --- | --- | --- | --- |", *rows))
    if card.test is not None:
        yield f"The test accuracy: {describe_chance(card.test, classes)}."
        if warning := chance_warning(card.test, classes):
            yield f"**{warning}**"
    if card.test is not None and card.time_use is not None:
        said = card.time_use.describe(card.test.headline_share, card.test.headline_name)
        when = "Before it was calibrated: " if calibrated else ""
        yield f"Does it use time? {when}{said}."
    seeds = [str(run.seed) for run in card.training_runs]
    if seeds:
        runs = "one training run" if len(seeds) == 1 else f"{len(seeds)} training runs"
        yield f"These are figures of {runs} (seed {', '.join(seeds)}); another seed gives others."


def _shares(metrics: AnyMetrics) -> dict[str, float]:
    """Return the accuracies that say something, the headline first."""
    is_small = isinstance(metrics, Metrics) and len(metrics.confusion) < _TOP5_SAYS_SOMETHING
    return {
        name: share for name, share in metrics.shares.items() if not (is_small and name == "top5")
    }


def _named(metrics: AnyMetrics) -> str:
    shares = _shares(metrics).items()
    return ", ".join(f"{format_metric(name)} {format_percent(share)}" for name, share in shares)


def _cost(cost: Cost | None, shipped: ShippedFile | None) -> Iterator[str]:
    if cost is None:
        yield "Nothing was measured."
        return
    facts = [f"{format_count(cost.parameters)} parameters", f"{format_count(cost.macs)} MACs"]
    if cost.activation_bytes:
        facts.append(f"{format_bytes(cost.activation_bytes)} of activations")
    yield f"For one clip: {', '.join(facts)}."
    if shipped is not None:
        answers = "; ".join(shipped.answers)
        yield (
            f"It ships as [{shipped.name}]({shipped.name}), for {_plain(shipped.facts)}. On "
            f"real clips: {_plain(answers)}."
        )
    if cost.latency is not None:
        what = f"one clip in {shipped.name}" if shipped else "one clip"
        yield f"Latency of {what}, {_measured(cost.latency)}"
    if cost.frame_latency is not None:
        yield (
            "Latency of a new frame in the streaming step, which `vidnas export --streaming` "
            f"writes, {_measured(cost.frame_latency)}"
        )


def _measured(latency: Latency) -> str:
    how = latency.protocol
    return (
        f"from the tensor to the logits: p50 {format_ms(latency.p50_ms)}, "
        f"p90 {format_ms(latency.p90_ms)}, spread {format_percent(latency.spread)}. Measured "
        f"on {_plain(how.device)} with {_plain(how.runtime)}, {how.threads} thread(s), "
        f"{_plain(how.dtype)}, batch {how.batch}, {how.warmup} runs to warm up and "
        f"{how.repeats} timed"
        + (f", each beside a run of {_plain(how.reference)}." if how.reference else ".")
    )


def _clips(contract: Contract) -> Iterator[str]:
    inputs = "; ".join(str(spec) for spec in contract.inputs)
    rate = f"{contract.rate_fps:g} frames per second" if contract.rate_fps else "their own rate"
    yield (
        f"{counted(contract.clips_per_video, 'clip')} of a video ({inputs}), read at {rate}, "
        f"scaled to a short side of {contract.stored_px} px and cut to the {contract.crop}; "
        f"{contract.colours}, {contract.values}, normalised {contract.normalisation}. Scores: "
        f"{contract.activation} of the logits of each clip, then their {contract.pooling}. The "
        "whole contract is in model.json and in the metadata of exported files."
    )


def _limits(architecture: Architecture, card: ModelCard) -> Iterator[str]:
    if card.multi_label:
        yield "It knows these classes only, and says nothing about what else a video shows."
    else:
        yield (
            "It names one of these classes for every video, also for one that shows none of them."
        )
    yield (
        "Its figures are those of videos like the ones that it was trained on; cameras, places, "
        "light and people that were not among them were not measured. Measure it with `vidnas "
        "eval` on videos from where it will be used."
    )
    if isinstance(card.test, Metrics):
        sizes = [sum(row) for row in card.test.confusion]
        yield (
            f"The test has {format_number(min(sizes))} to {format_number(max(sizes))} videos of a "
            "class: figures of single classes are uncertain."
        )
    if card.test is not None and card.time_use is not None:
        warning = card.time_use.warning(card.test.headline_share)
        if warning:
            yield warning
    if isinstance(architecture, Calibrated):
        yield "Its scores are calibrated on validation videos: elsewhere they may be too high."
    else:
        yield "Its scores order the classes; they are not calibrated probabilities."
    yield "Decisions about people need more than this network."


def _plain(text: str) -> str:
    """Return a text from outside so that Markdown shows it and reads nothing into it."""
    return _MARKUP.sub(r"\\\1", escaped(text))


def _is_ours(path: Path) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        if path.is_file():
            with path.open(encoding="utf-8") as file:
                return f"---\n{_MARK}\n" == file.read(len(_MARK) + 5)
    return False
