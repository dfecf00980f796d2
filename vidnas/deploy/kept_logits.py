"""What a finished network says of the videos that judge it, kept beside it, so that nobody has to
ask it twice: for its test, for the votes that it takes part in, and for its mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.core.files import replacing
from vidnas.data.cache import ClipCache
from vidnas.data.splits import Split
from vidnas.deploy.model import Model
from vidnas.training.evaluation import predict_logits

LOGITS_FILE = "logits.safetensors"


def keep_logits(folder: Path, cache: ClipCache, logits: Mapping[Split, Tensor]) -> None:
    """Write what a network says into its folder.

    Args:
        folder: of the model.
        cache: the clips.
        logits: `(videos, clips, num_classes)`, by split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Tensor] = {split: one.contiguous() for split, one in logits.items()}
    with replacing(folder / LOGITS_FILE) as file:
        file.write_bytes(save(found, {"data": cache.fingerprint}))


def logits_of(model: Model, cache: ClipCache, split: Split, folder: Path) -> Tensor:
    """Return what a model says of the evenly spaced clips of a split, `(videos, clips,
    num_classes)`: as it is kept in its folder, or else the model is asked.

    Raises:
        NotFinite: it predicts numbers that are not finite.
    """
    kept = kept_logits(model, cache, split, folder)
    if kept is not None:
        return kept
    return predict_logits(model.network, cache, split, clips_per_video=CLIPS_PER_VIDEO)


def kept_logits(model: Model, cache: ClipCache, split: Split, folder: Path) -> Tensor | None:
    """Return what `logits_of` does where it is kept in the folder of the model, else None."""
    kept = _read(folder / LOGITS_FILE, cache, split)
    expected = len(cache.videos(split)), CLIPS_PER_VIDEO, len(model.classes)
    return kept if kept is not None and kept.shape == expected else None


def _read(file: Path, cache: ClipCache, split: Split) -> Tensor | None:
    """Return what is kept of these clips; None where that is nothing, or damaged."""
    try:
        with safe_open(file, "pt") as opened:
            if (opened.metadata() or {}).get("data") != cache.fingerprint:
                return None
            found: Tensor = opened.get_tensor(split)
            return found
    except (OSError, SafetensorError):
        return None
