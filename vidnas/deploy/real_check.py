"""What a file answers on real clips, beside what its network answers in torch."""

from __future__ import annotations

from vidnas.core.quantities import format_points
from vidnas.core.value import Value
from vidnas.data.splits import Split


class RealCheck(Value):
    """How the answers of an exported file on real clips compare with those of torch."""

    split: Split
    videos: int
    clips: int
    largest_difference: float
    """Of a logit."""
    mean_difference: float
    """Of a logit."""
    largest_logit: float
    """In torch: what differences are to be seen beside."""
    agreement: float
    """The share of clips for which both answer the same."""
    metric: str
    """Which accuracy the next two are: "top-1"."""
    accuracy: float
    """Of the file, over the videos."""
    torch_accuracy: float

    @property
    def lost(self) -> float:
        """The share of accuracy that the file has lost."""
        return self.torch_accuracy - self.accuracy

    @property
    def where(self) -> str:
        """Which videos they were, for people: "72 validation videos"."""
        return f"{self.videos} {'validation' if self.split == 'val' else self.split} videos"

    @property
    def accuracies(self) -> str:
        """Both accuracies, in one phrase."""
        return (
            f"{self.metric} {self.accuracy:.1%}, in torch {self.torch_accuracy:.1%} "
            f"({format_points(self.accuracy - self.torch_accuracy)})"
        )

    def __str__(self) -> str:
        return (
            f"{self.clips} real clips of {self.where}: logits differ by "
            f"{self.largest_difference:.1e} at most and {self.mean_difference:.1e} on average (the "
            f"largest is {self.largest_logit:.3g}), {self.agreement:.1%} of the answers agree; "
            f"{self.accuracies}"
        )
