"""Whether the classes of labelled clips are so unequal in size that accuracy forgets the rare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

MOST_TIMES = 3
"""Classes are imbalanced where the largest has more than so many times the training videos of the
smallest: a network that ignores the smallest hardly loses accuracy by it."""

ClassWeights = Literal["auto", "none", "balanced"]
"""What counts alike, in training and where networks are ranked: every video, every class, or every
class only if classes are imbalanced."""


def is_imbalanced(counts: Sequence[int]) -> bool:
    """Return whether classes with so many training videos are imbalanced, the empty ones aside."""
    present = [count for count in counts if count]
    return bool(present) and max(present) > MOST_TIMES * min(present)


def imbalance_remark(classes: Sequence[str], counts: Sequence[int]) -> str | None:
    """Say what follows from imbalanced classes, unless told otherwise; None where they are not.

    Args:
        classes: their names.
        counts: the training videos of each.
    """
    if not is_imbalanced(counts):
        return None
    sizes = sorted((count, name) for name, count in zip(classes, counts, strict=True) if count)
    (fewest, rare), (most, frequent) = sizes[0], sizes[-1]
    return (
        f"The classes are imbalanced: '{frequent}' has {most} training videos and '{rare}' has "
        f"{fewest}. So every class counts alike: in training, in what ranks networks and in "
        "the accuracy that is shown first, the mean over classes; --class-weights none lets every "
        "video count alike."
    )
