"""One variant after another in NumPy: against the equation, written out anew."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_rnn, random_trials

from schurkit import Trials, measure, metrics
from schurkit.ablation import variants
from schurkit.metrics import FVU, METRICS, Metric

PHI = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "retanh": lambda x: np.maximum(np.tanh(x), 0),
    "identity": lambda x: x,
}
LEAKS = np.linspace(0.2, 1, 7)
UNITS = np.linspace(-0.5, 0.9, 7)


def by_the_equation(rnn, W, trials):
    """Outputs (trials, time, output), a trial and a step at a time."""
    phi, psi = PHI[rnn.activation], PHI[rnn.psi or rnn.activation]
    D = 1 - rnn.leak if rnn.D is None else rnn.D[0]
    c = 0 if rnn.c is None else rnn.c[0]
    starts = rnn.h0.repeat(len(trials), 0) if trials.h0 is None else trials.h0
    outputs = np.empty(trials.targets.shape)
    for i, v in enumerate(starts):
        for t in range(outputs.shape[1]):
            x = trials.inputs[i, t] if t < trials.inputs.shape[1] else np.zeros(rnn.input_size)
            given = rnn.W_in[0] @ x + rnn.b_rec[0]
            if rnn.form == "voltage":
                v = D * v + rnn.leak * (W @ phi(v + c) + given)
            else:
                v = (1 - rnn.leak) * v + rnn.leak * phi(W @ v + given)
            outputs[i, t] = rnn.W_out[0] @ (v if rnn.form == "rate" else psi(v)) + rnn.b_out[0]
    return outputs


KINDS = [
    *({"activation": name, "form": form} for name in PHI for form in ("rate", "voltage")),
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
    mask = np.random.default_rng(2).random((6, 8)) > 0.3
    trials = random_trials(mask=mask)
    trials = replace(trials, h0=np.random.default_rng(3).normal(size=(6, 7)) if own_start else None)
    change = 0.1 * np.random.default_rng(4).normal(size=(7, 7))
    wanted = by_the_equation(rnn, rnn.W_rec[0] + change, trials)[None]
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
