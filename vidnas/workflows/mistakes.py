"""The mistakes of a network on the test split, and the frames that mattered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.data.cache import ClipCache
from vidnas.data.sampling import Clips, clips_of
from vidnas.deploy.kept_logits import logits_of
from vidnas.deploy.model import Model
from vidnas.report.mistakes import ConfusedClip, Mistakes, film_strip
from vidnas.training.evaluation import predict_scores

_MOST = 12
_WIDEST_STRIP_PX = 2048
_LARGEST_PX, _SMALLEST_PX = 96, 40
_CPU = torch.device("cpu")


def find_mistakes(model: Model, cache: ClipCache, finished: Path) -> Mistakes | None:
    """Return test clips that a model takes for something else, the most frequent confusions first.

    Of each confusion the surest mistakes are taken; of a video, the clip on which the network is
    surest. Return None where a video may show several classes, or there is no test split.

    Args:
        model: a trained network.
        cache: the clips.
        finished: its folder, where what it says of them may be kept.

    Raises:
        CacheDamaged: a clip is not what was written.
    """
    videos = cache.videos("test")
    if cache.multi_label or not len(videos):
        return None
    task = model.card.task
    said = task.scores(logits_of(model, cache, "test", finished))  # (V, K, classes)
    scores, pooled = said.numpy(), task.pooled(said).numpy()
    truths, taken = cache.targets[videos], pooled.argmax(axis=1)
    wrong = np.flatnonzero(truths != taken)
    pairs: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for row in sorted(wrong, key=lambda row: -pooled[row, taken[row]]):
        pairs[int(truths[row]), int(taken[row])].append(int(row))
    chosen = [*_in_turns(sorted(pairs.values(), key=len, reverse=True))][:_MOST]
    clips = tuple(
        _confused(model, cache, int(videos[row]), scores[row], pooled[row]) for row in chosen
    )
    return Mistakes(wrong=len(wrong), clips=clips)


def _in_turns(groups: list[list[int]]) -> Iterator[int]:
    """Yield the first of each group, then the second of each, and so on."""
    for turn in range(max(map(len, groups), default=0)):
        yield from (group[turn] for group in groups if turn < len(group))


def _confused(
    model: Model,
    cache: ClipCache,
    video: int,
    scores: NDArray[np.float32],
    pooled: NDArray[np.float32],
) -> ConfusedClip:
    """Return a video that is mistaken.

    Args:
        model: what mistakes it.
        cache: the clips.
        video: its index.
        scores: of its clips, `(K, num_classes)`.
        pooled: of the video, `(num_classes,)`.
    """
    inputs, taken = model.architecture.inputs, int(pooled.argmax())
    surest = int(scores[:, taken].argmax())
    frames = cache.frames(video)
    flow = cache.frames(video, "flow") if any(one.modality == "flow" for one in inputs) else None
    cut = clips_of(frames, inputs, CLIPS_PER_VIDEO, flow=flow)
    clip = tuple(one[surest : surest + 1] for one in cut)
    longest = max(inputs, key=lambda spec: spec.frames)
    seen = clips_of(frames, [longest.model_copy(update={"modality": "rgb"})], CLIPS_PER_VIDEO)
    strip = _thumbnails(seen[0][surest])
    return ConfusedClip(
        video=cache.paths[video],
        truth=cache.classes[int(cache.targets[video])],
        taken=cache.classes[taken],
        probability=float(pooled[taken]),
        frames=len(strip),
        size_px=strip.shape[1],
        strip=film_strip(strip),
        drops=tuple(_drops(model, clip, taken)),
    )


def _drops(model: Model, clip: Clips, taken: int) -> list[float]:
    """Return how much of the probability of a class is gone where each frame is covered."""
    count = max(one.shape[2] for one in clip)
    if count == 1:
        return []
    covered = [[_without(one, frame, count) for frame in range(count)] for one in clip]
    batch = tuple(torch.cat([one, *changed]) for one, changed in zip(clip, covered, strict=True))
    with torch.inference_mode():
        scores = predict_scores(model.network, batch, _CPU, model.card.task)[:, taken]
    return (scores[0] - scores[1:]).tolist()


def _without(clip: Tensor, frame: int, count: int) -> Tensor:
    """Return a clip `(1, C, T, H, W)` with a frame, of `count` of the longest input, in the mean
    colour of the clip."""
    changed = clip.clone()
    colour = clip.float().mean(dim=(0, 2, 3, 4)).round().to(clip.dtype)
    changed[0, :, frame * clip.shape[2] // count] = colour[:, None, None]
    return changed


def _thumbnails(clip: Tensor) -> NDArray[np.uint8]:
    """Return the frames of a clip `(3, T, H, W)` as small pictures, `(T, H, W, 3)`."""
    side = min(clip.shape[-1], max(_WIDEST_STRIP_PX // clip.shape[1], _SMALLEST_PX), _LARGEST_PX)
    side = max(side // 2 * 2, 2)
    frames = clip.transpose(0, 1).contiguous()
    small = F.interpolate(frames, size=(side, side), mode="bilinear", antialias=True)
    found: NDArray[np.uint8] = small.permute(0, 2, 3, 1).numpy()
    return found
