"""How well a network classifies the clips of a split."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from vidnas.core import UserError
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.data.resident import cutter
from vidnas.data.sampling import Clips, test_batches
from vidnas.data.splits import Split
from vidnas.families import Network
from vidnas.training.device import usable_device
from vidnas.training.errors import NotFinite

_SMALLEST_PROBABILITY = 1e-12  # keeps the loss finite where a network is certain and wrong


class Metrics(Value):
    """How well a network classifies the videos of one split; shares are between 0 and 1."""

    clips: int
    loss: float
    """Mean cross-entropy of the predicted probabilities, without smoothing or weights."""
    top1: float
    top5: float
    """Top-n accuracy for n = min(5, number of classes)."""
    mean_class: float
    """Mean recall of the classes that are present."""
    confusion: tuple[tuple[int, ...], ...]
    """Number of clips of true class [row] that were taken for class [column]."""

    @property
    def rank(self) -> tuple[float, float]:
        """The key that orders trained networks, the greater the better: top-1, then the loss."""
        return (self.top1, -self.loss)

    @property
    def likelihood(self) -> float:
        """The geometric mean of the probability that the right class was given: the loss as a
        share, the greater the better."""
        return math.exp(-self.loss)


def evaluate(
    network: Network,
    cache: ClipCache,
    split: Split,
    *,
    clips_per_video: int = 1,
    batch_size: int = 32,
    device: str = "cpu",
    change: Callable[[Clips], Clips] | None = None,
) -> Metrics:
    """Classify every video of a split by the mean probability over evenly spaced clips.

    The network computes in float32, as it will where it is used.

    Args:
        network: to evaluate.
        cache: the clips.
        split: which of them.
        clips_per_video: over how many clips of a video to average.
        batch_size: clips at a time.
        device: where to compute.
        change: what is done to a batch of clips before the network sees it.

    Raises:
        UserError: the split is empty, or the device does not exist.
        NotFinite: the network predicted numbers that are not finite.
    """
    if not len(cache.videos(split)):
        raise UserError(
            f"The {split} split has no videos to evaluate on; assign some to it in the data set."
        )
    sums: dict[int, Tensor] = {}
    where = usable_device(device)
    inputs = network.architecture.inputs
    batches = test_batches(
        cache,
        split,
        inputs,
        batch_size=batch_size,
        clips_per_video=clips_per_video,
        cut=cutter(cache, split, inputs, where),
    )
    was_training = network.training
    network.to(where).eval()
    with torch.inference_mode():
        for clips, _, videos in batches:
            changed = change(clips) if change else clips
            probabilities = predict_probabilities(network, changed, where)
            for video, row in zip(videos.tolist(), probabilities, strict=True):
                sums[video] = sums.get(video, torch.zeros(())) + row
    network.train(was_training)
    labels = torch.tensor([int(cache.targets[video]) for video in sums])
    return score(torch.stack(list(sums.values())) / clips_per_video, labels)


def predict_probabilities(
    network: nn.Module, clips: tuple[Tensor, ...], device: torch.device
) -> Tensor:
    """Return class probabilities `(N, num_classes)` on the CPU for uint8 clips `(N, C, T, H, W)`.

    Raises:
        NotFinite: they are not finite.
    """
    logits = network(*(to_input(clip, device) for clip in clips))
    probabilities: Tensor = logits.float().softmax(dim=1).cpu()
    if not probabilities.isfinite().all():
        raise NotFinite("The network predicts numbers that are not finite.")
    return probabilities


def to_input(clip: Tensor, device: torch.device) -> Tensor:
    """Convert a uint8 clip to what a network takes: float in [0, 1]."""
    return torch.mul(clip.to(device, non_blocking=True), 1 / 255)  # one pass over memory


def score(probabilities: Tensor, labels: Tensor) -> Metrics:
    """Compare predicted probabilities `(N, num_classes)` with true labels `(N,)`."""
    count, classes = probabilities.shape
    ranked = probabilities.argsort(dim=1, descending=True)
    hits = ranked == labels[:, None]  # (N, num_classes), one True per row
    confusion = torch.bincount(labels * classes + ranked[:, 0], minlength=classes**2)
    confusion = confusion.view(classes, classes)
    present = confusion.sum(dim=1) > 0
    recalls = confusion.diagonal()[present] / confusion.sum(dim=1)[present]
    of_truth = probabilities.gather(1, labels[:, None]).clamp(min=_SMALLEST_PROBABILITY)
    return Metrics(
        clips=count,
        loss=-of_truth.log().mean().item(),
        top1=hits[:, :1].any(dim=1).double().mean().item(),
        top5=hits[:, :5].any(dim=1).double().mean().item(),
        mean_class=recalls.double().mean().item(),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )
