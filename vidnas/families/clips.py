"""The genes of clips and their bounds, the same in all families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args

import numpy as np
from pydantic import Field, PositiveInt
from typing_extensions import Self

from vidnas.core import ClipSpec, Modality, UserError, bounds
from vidnas.core.clip import SAMPLINGS, Sampling
from vidnas.core.value import Value
from vidnas.families.architecture import Architecture
from vidnas.families.genes import Change, nearest, redraw

VideoModality = Literal["rgb", "flow"]
"""What a stream of video is made of: frames, or the optical flow between them."""
NormalizationKind = Literal["data", "clip"]
"""By the statistics of the training clips, or every clip by itself, without what stands still."""
_VIDEO: tuple[VideoModality, ...] = get_args(VideoModality)

FrameCount = Annotated[int, Field(ge=1, le=bounds.FRAMES)]
SizePx = Annotated[int, Field(ge=1, le=bounds.SIZE_PX)]

CLIP_GENES = {
    "size_px": "size",
    "frames": "frames",
    "frame_stride": "frame stride",
    "sampling": "sampling",
}
"""The genes that a search changes, and what people call them."""


class ClipGenes(Value):
    """The genes of a clip but for its modality."""

    frames: FrameCount
    frame_stride: PositiveInt = 1
    """Distance between two frames of a dense clip, in frames of the video."""
    size_px: SizePx
    sampling: Sampling = "dense"

    @property
    def neutral_clip(self) -> dict[str, Any]:
        """Stride and sampling as far as they matter: a single frame has neither, and frames that
        are spread evenly have no stride."""
        sampling: Sampling = self.sampling if self.frames > 1 else "dense"
        strides = self.frames > 1 and sampling == "dense"
        return {"frame_stride": self.frame_stride if strides else 1, "sampling": sampling}

    def clip(self, modality: Modality) -> ClipSpec:
        """The clip of this modality."""
        genes = self.neutral_clip
        return ClipSpec(
            modality=modality,
            frames=self.frames,
            frame_stride=genes["frame_stride"],
            size_px=self.size_px,
            sampling=genes["sampling"],
        )


class NormalizedClips(ClipGenes):
    """The genes of a network that normalises its clips in one way or another."""

    normalization: NormalizationKind = "data"

    @property
    def centres_clips(self) -> bool:
        """Whether every clip is normalised by itself, which leaves nothing of a single frame."""
        return self.normalization == "clip" and self.frames > 1

    @property
    def neutral_clip(self) -> dict[str, Any]:
        """Stride, sampling and normalisation as far as they matter."""
        kind = self.normalization if self.frames > 1 else "data"
        return {**super().neutral_clip, "normalization": kind}


NormalizedT = TypeVar("NormalizedT", bound=NormalizedClips)


def seen_both_ways(network: NormalizedT) -> tuple[NormalizedT, ...]:
    """The network with each normalisation: which suits the data is known when both were tried."""
    ways = get_args(NormalizationKind)
    return tuple(network.model_copy(update={"normalization": way}) for way in ways)


def seen_alike(network: NormalizedT, other: NormalizedClips) -> NormalizedT:
    """The network with the normalisation of another one, unless that has none: a single frame."""
    if other.frames == 1:
        return network
    return network.model_copy(update={"normalization": other.normalization})


def are_seen_otherwise(one: Architecture, other: Architecture) -> bool:
    """Whether two networks are the same but for how they normalise their clips."""
    if not (isinstance(one, NormalizedClips) and isinstance(other, NormalizedClips)):
        return False
    return one.centres_clips != other.centres_clips and seen_alike(one, other) == other


class SingleClip(NormalizedClips, Architecture):
    """An architecture on one clip, of RGB or of optical flow."""

    modality: VideoModality = "rgb"

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """The one clip."""
        return (self.clip(self.modality),)


class ClipBounds(Value):
    """The values that each gene of a clip may take, in ascending order."""

    size_px: tuple[PositiveInt, ...]
    frames: tuple[PositiveInt, ...]
    frame_stride: tuple[PositiveInt, ...] = (1, 2, 3, 4, 6, 8)
    sampling: tuple[Sampling, ...] = SAMPLINGS
    """The first is that of the designs."""
    normalization: tuple[NormalizationKind, ...] = ("data", "clip")
    max_frames: PositiveInt
    """Longest stretch of video that a clip may span."""

    @classmethod
    def for_videos(
        cls, max_size_px: int, max_frames: int, frames: Sequence[int], **others: Any
    ) -> Self:
        """The bounds of a search among videos of this size and length.

        Args:
            max_size_px: size of the largest clips.
            max_frames: length of the videos.
            frames: numbers of frames that suit the family, as far as the videos have them.
            others: values of other bounds.

        Raises:
            UserError: the videos are too small or have no frames.
        """
        if max_size_px < 16 or max_frames < 1:
            raise UserError(
                f"Clips of {max_frames} frame(s) of {max_size_px} px leave nothing to search; use "
                "at least 1 frame of 16 px."
            )
        return cls(
            size_px=tuple(range(min(32, max_size_px), max_size_px + 1, 16)),
            frames=tuple(count for count in frames if count <= max_frames) or (max_frames,),
            max_frames=max_frames,
            **others,
        )

    def strides(self, frames: int) -> list[int]:
        """Frame strides of clips of so many frames that fit into the longest stretch of video."""
        return [stride for stride in self.frame_stride if (frames - 1) * stride < self.max_frames]

    def for_streams(self) -> Self:
        """The bounds without what only a whole clip says of itself, and without single frames,
        which have nothing to keep for the next step."""
        frames = tuple(count for count in self.frames if count > 1) or self.frames
        changed = {"sampling": ("dense",), "normalization": ("data",), "frames": frames}
        return self.model_copy(update=changed)

    def nearest_clip(self, genes: ClipGenes) -> dict[str, Any]:
        """The genes of a clip within the bounds: each as large as wanted, or as large as can be."""
        frames = nearest(self.frames, genes.frames)
        strides = self.strides(frames) or self.frame_stride
        return {
            "size_px": nearest(self.size_px, genes.size_px),
            "frames": frames,
            "frame_stride": nearest(strides, genes.frame_stride),
            "sampling": self.sampling[0],
        }

    def smaller_clip(self, genes: ClipGenes) -> dict[str, Any]:
        """The genes of a clip of the next smaller size; of the smallest, with fewer frames."""
        if smaller := [size for size in self.size_px if size < genes.size_px]:
            return {"size_px": smaller[-1]}
        fewer = [count for count in self.frames if count < genes.frames]
        return {"frames": fewer[-1]} if fewer else {}

    def hold_clip(self, genes: ClipGenes) -> bool:
        """Whether a clip lies within the bounds."""
        return (
            genes.size_px in self.size_px
            and genes.frames in self.frames
            and genes.frame_stride in self.strides(genes.frames)
            and genes.sampling in self.sampling
            and getattr(genes, "normalization", self.normalization[0]) in self.normalization
        )


def change_clip(
    gene: str,
    genes: ClipGenes,
    rng: np.random.Generator,
    bounds: ClipBounds,
    *,
    reach: int | None = None,
) -> Change | None:
    """Redraw one of `CLIP_GENES` or the normalisation; see `redraw`.

    The stride gives way where more frames would span too much, also that of a uniform clip: it
    does not matter there, and must not stand in the way.
    """
    values, label = getattr(bounds, gene), CLIP_GENES.get(gene, gene)
    change = redraw(genes, gene, values, rng, label=label, reach=reach)
    if change is None or gene != "frames":
        return change
    changed, phrase = change
    stride = genes.frame_stride
    fitting = nearest(bounds.strides(changed["frames"]) or bounds.frame_stride, stride)
    if fitting == stride:
        return change
    if genes.neutral_clip["frame_stride"] == stride:
        phrase = f"{phrase}, frame stride {stride} -> {fitting}"
    return {**changed, "frame_stride": fitting}, phrase


def video_modalities(modalities: Sequence[Modality]) -> tuple[VideoModality, ...]:
    """The modalities of a search in a family that takes video.

    Raises:
        UserError: there are object maps among them.
    """
    found = tuple(one for one in _VIDEO if one in modalities)
    if len(found) < len(modalities):
        raise UserError(
            "The family takes rgb and flow, and no object maps; choose among these, or another "
            "family."
        )
    return found


def single_modality(modalities: Sequence[Modality]) -> VideoModality:
    """The modality of a search in a family whose networks take one clip.

    Raises:
        UserError: there are several modalities, or object maps.
    """
    for modality in _VIDEO:
        if tuple(modalities) == (modality,):
            return modality
    raise UserError(
        f"The family takes one kind of clip, rgb or flow, and not {' and '.join(modalities)}; "
        "choose one of the two, or a family with several input streams."
    )
