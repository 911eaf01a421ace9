"""Four networks that are trained once for all tests of this folder."""

import pytest

from schurkit.tasks import FlipFlop
from schurkit.training import Phase, Recipe, Store, Until, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    fields = {"phases": (Phase(400, 1e-2),), "until": Until(0.5, 1), "epoch_steps": 10}
    recipe = Recipe(hidden_size=12, batch_size=16, **fields)
    store = Store(tmp_path_factory.mktemp("runs"))
    return train(FlipFlop(bits=1, steps=10), recipe, range(4), store=store)
