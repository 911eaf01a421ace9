"""Four networks that are trained once for all tests of this folder."""

import pytest
from training.small import recipe

from schurkit.tasks import FlipFlop
from schurkit.training import Store, Until, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    kind = recipe(400, 1e-2, until=Until(0.5, 1), epoch_steps=10, clip_norm=None)
    store = Store(tmp_path_factory.mktemp("runs"))
    return train(FlipFlop(bits=1, steps=10), kind, range(4), store=store)
