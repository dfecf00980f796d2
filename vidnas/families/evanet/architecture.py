"""EvaNet's ResNet-like meta-architecture: four stages of evolved modules.

Piergiovanni, Angelova, Toshev, Ryoo: Evolving Space-Time Neural Architectures for Videos, ICCV
2019, arXiv 1811.10636; semantics of the published code, google-research/evanet.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from vidnas.families.architecture import scaled
from vidnas.families.evanet.modular import ModularNet, Place
from vidnas.families.evanet.module import ConvKind, Module, Time, shortest_pooling

_STEM_WIDTH = 64


class EvaNet(ModularNet):
    """Stem, max-pool, and four stages with a max-pool between each two of them.

    A module is a stage, and may be repeated.
    """

    family: ClassVar[str] = "evanet"
    places = tuple(Place(f"stage {stage}", 4, 2**stage) for stage in (2, 3, 4, 5))
    widths = (256, 512, 1024, 2048)

    stem_conv: ConvKind = "2+1d"
    pool_times: tuple[Time, Time, Time, Time] = (1, 1, 1, 1)
    """Temporal lengths of the max-pools before each stage; the published code ties the second to
    the first."""
    modules: Annotated[tuple[Module, ...], Field(min_length=4, max_length=4)]

    @property
    def stem_channels(self) -> int:
        """Channels after the stem."""
        return scaled(_STEM_WIDTH, self.width)

    def canonical(self) -> EvaNet:
        """The same network with every gene that cannot matter set to its neutral value."""
        frames = -(-self.frames // 2)  # after the stem
        pooled = -(-frames // 2)
        first, *others = self.pool_times
        pool_times = (
            shortest_pooling(first, frames, stride=2),
            *(shortest_pooling(time, pooled) for time in others),
        )
        return self.model_copy(update={**self.neutral_genes(), "pool_times": pool_times})
