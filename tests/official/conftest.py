"""A network of the original code, as small as it gets."""

from __future__ import annotations

import numpy as np
import pytest
from written_checkpoints import CLASSES, GENOME

from vidnas.families import Network, create_network, official_variables
from vidnas.families.tinyvideonet import from_official


@pytest.fixture(scope="module")
def network() -> Network:
    return create_network(from_official(GENOME), CLASSES).eval()


@pytest.fixture(scope="module")
def arrays(network: Network) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: rng.random(slot.shape, dtype=np.float32) + 0.5
        for name, slot in official_variables(network).items()
    }
