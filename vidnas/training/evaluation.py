"""Networks at work: what they predict for clips, and how well for the videos of a split."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vidnas.core import NotFinite, UserError
from vidnas.core.clip import Squares
from vidnas.data.cache import ClipCache
from vidnas.data.resident import cutter
from vidnas.data.sampling import Clips, spread, test_batches
from vidnas.data.splits import Split
from vidnas.families import Network
from vidnas.training.calibration import fit_temperature
from vidnas.training.device import usable_device
from vidnas.training.metrics import AnyMetrics
from vidnas.training.tasks import Task, task_of


def evaluate(
    network: Network,
    cache: ClipCache,
    split: Split,
    *,
    task: Task | None = None,
    clips_per_video: int = 1,
    squares: Squares = 1,
    most: int | None = None,
    batch_size: int = 32,
    device: str = "cpu",
    change: Callable[[Clips], Clips] | None = None,
    calibrated: bool = False,
) -> AnyMetrics:
    """Classify the videos of a split by their evenly spaced clips.

    The scores of a video are the mean of those of its clips or, where it may show several classes,
    their maximum. The network computes in float32, as it will where it is used.

    Args:
        network: to evaluate.
        cache: the clips.
        split: which of them.
        task: of the network; None for the one that the clips set.
        clips_per_video: how many clips of a video.
        squares: how many squares of each.
        most: how many videos, evenly spread over the split; None for all.
        batch_size: clips at a time.
        device: where to compute.
        change: what is done to a batch of clips before the network sees it.
        calibrated: whether the scores are those at the temperature that suits these videos best,
            so that the loss tells what the network knows and not how sure it is.

    Raises:
        UserError: the split is empty or has more labels than the network tells, or the device does
            not exist.
        NotFinite: the network predicted numbers that are not finite.
    """
    task = task or task_of(cache)
    require_labels(cache, split, task)
    logits = predict_logits(
        network,
        cache,
        split,
        clips_per_video=clips_per_video,
        squares=squares,
        most=most,
        batch_size=batch_size,
        device=device,
        change=change,
    )
    labels = labels_of(cache, split, most)
    if calibrated:
        logits = logits / fit_temperature(logits, labels, task)
    return task.measure(task.pooled(task.scores(logits)), labels)


def labels_of(cache: ClipCache, split: Split, most: int | None = None) -> Tensor:
    """Return the labels of the videos of a split, or of no more than so many, in its order: `(N,)`,
    or `(N, num_classes)` where there may be several."""
    return torch.from_numpy(cache.targets[spread(cache.videos(split), most)])


def predict_logits(
    network: Network,
    cache: ClipCache,
    split: Split,
    *,
    clips_per_video: int = 1,
    squares: Squares = 1,
    most: int | None = None,
    batch_size: int = 32,
    device: str = "cpu",
    change: Callable[[Clips], Clips] | None = None,
) -> Tensor:
    """Return the logits of the evenly spaced clips, `(videos, clips, num_classes)`, on the CPU;
    the arguments are those of `evaluate`.

    Raises:
        UserError: the device does not exist.
        NotFinite: they are not finite.
    """
    where = usable_device(device)
    inputs = network.architecture.inputs
    batches = test_batches(
        cache,
        split,
        inputs,
        batch_size=batch_size,
        clips_per_video=clips_per_video,
        squares=squares,
        most=most,
        cut=cutter(cache, split, inputs, where),
    )
    was_training = network.training
    network.to(where).eval()
    rows = []
    with torch.inference_mode():
        for clips, _, _ in batches:
            changed = change(clips) if change else clips
            rows.append(_finite_logits(network, changed, where))
    network.train(was_training)
    return torch.cat(rows).view(-1, clips_per_video * squares, network.num_classes)


def require_labels(cache: ClipCache, split: Split, task: Task) -> None:
    """Reject a split that says nothing about a network.

    Raises:
        UserError: it has no videos, or labels that the network does not tell.
    """
    targets = cache.targets[cache.videos(split)]
    if not len(targets):
        raise UserError(
            f"The {split} split has no videos to evaluate on; assign some to it in the data set."
        )
    if cache.multi_label and not task.multi_label:
        raise UserError(
            "These videos may show several classes each, and the model tells one class of a video; "
            "use clips with one label each, or a model that was trained on several."
        )
    if cache.multi_label and not targets.any():
        raise UserError(
            f"No video of the {split} split shows any of the classes, so that no precision can be "
            "measured; assign some that do to it in the data set."
        )


def predict_scores(
    network: Callable[..., Tensor], clips: tuple[Tensor, ...], device: torch.device, task: Task
) -> Tensor:
    """Return a score in [0, 1] per class, `(N, num_classes)`, on the CPU for uint8 clips
    `(N, C, T, H, W)`.

    Raises:
        NotFinite: they are not finite.
    """
    return task.scores(_finite_logits(network, clips, device))


def _finite_logits(
    network: Callable[..., Tensor], clips: tuple[Tensor, ...], device: torch.device
) -> Tensor:
    logits = network(*(to_input(clip, device) for clip in clips)).float().cpu()
    if not logits.isfinite().all():
        raise NotFinite("The network predicts numbers that are not finite.")
    return logits


def to_input(clip: Tensor, device: torch.device) -> Tensor:
    """Convert a uint8 clip to what a network takes: float in [0, 1]."""
    return torch.mul(clip.to(device, non_blocking=True), 1 / 255)  # one pass over memory
