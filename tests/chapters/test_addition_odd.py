"""The chapters beside modular addition at legal values at which nothing converges."""

import pytest
from rerun import chapter, false_sentences, run

SMALL = {"networks": 2, "p": 13, "hidden_size": 8}
VALUES = {
    "recipe_or_network": {
        "most_steps": 30,
        "sparse_at_most": 3,
        "every_variant": True,
        "decays": [0.1],
        "nuclear": [0.001],
    },
    "schur_meets_fourier": {
        "training_steps": 30,
        "running_networks": 2,
        "running_p": 5,
        "operands": 2,
        "running_steps": 20,
        "couplings": 3,
        "trials": 20,
    },
}


@pytest.mark.reruns
@pytest.mark.parametrize("name", VALUES)
def test_nothing_converged_is_a_page(name, tmp_path):
    done = run(chapter(name), tmp_path, SMALL | VALUES[name])
    assert not false_sentences(done)
    assert "No network converged" in str(done["cells"]) or "has converged" in str(done["cells"])
