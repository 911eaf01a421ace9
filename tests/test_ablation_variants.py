"""One variant after another in NumPy: against the equation, written out anew."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import SCALARS, gauss, plain_loop, random_rnn, random_trials

from schurkit import measure
from schurkit.ablation import variants
from schurkit.metrics import FVU, METRICS, Metric

LEAKS = np.linspace(0.2, 1, 7)
UNITS = np.linspace(-0.5, 0.9, 7)


KINDS = [
    *({"activation": name, "form": form} for name in SCALARS for form in ("rate", "voltage")),
    *({"form": form, "leak": leak} for form in ("rate", "voltage") for leak in (0.3, LEAKS)),
    {"form": "voltage", "activation": "relu", "D": UNITS},
    {"form": "voltage", "leak": LEAKS, "c": UNITS},
    {"form": "voltage", "psi": "identity"},
    {"form": "voltage", "activation": "relu", "D": UNITS, "c": UNITS, "psi": "tanh", "leak": 0.5},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own_start", [False, True])
def test_a_variant_is_what_the_equation_says(kind, own_start, monkeypatch):
    """In blocks of trials, with autonomous steps, masks, and every metric."""
    rnn = random_rnn(1, scale=0.3, **kind)
    trials = random_trials(mask=gauss(6, 8, seed=2) > -0.5)
    trials = replace(trials, h0=gauss(6, 7, seed=3) if own_start else None)
    change = 0.1 * gauss(7, 7, seed=4)
    wanted, _ = plain_loop(rnn.with_W_rec(rnn.W_rec + change), trials)
    seen = []
    look = Metric("seen", lambda outputs, _: seen.append(outputs) or np.zeros(1), "lower")
    monkeypatch.setattr(variants, "LEAST_TRIALS", 4)
    monkeypatch.setattr(variants, "STATES", 1)
    monkeypatch.setattr(variants, "CELLS", 50)
    for metric in (look, *METRICS.values()):
        (value,) = measure(rnn, [change], trials, metric, engine="numpy")
        if metric is not look:
            assert value == pytest.approx(metric.measure(wanted, trials)[0], rel=1e-12)
    assert seen[0] == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    single = measure(rnn, [change], trials, engine="numpy", dtype="float32")
    assert single == pytest.approx(FVU.measure(wanted, trials), rel=1e-5) and single[0] != value
