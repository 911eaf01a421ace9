"""Weight change and tangent kernels: against sums by hand and against torch.func.jacrev."""

import numpy as np
import pytest
import torch
from helpers import gauss, messages, random_rnn, random_trials, refuses
from test_importance import KINDS

from schurkit import RNN
from schurkit.analyses.features import TRAINED, kernel_alignment, weight_change
from schurkit.engine import Spec
from schurkit.engine.torch import forward

NAMES = ("W_in", "W_rec", "W_out", "b_rec", "b_out")


def pair(**kind):
    kind = {"networks": 2, "hidden": 6} | kind
    return random_rnn(scale=0.4, **kind), random_rnn(scale=0.6, seed=5, **kind)


def kernel(rnn, i, trials, factors):
    """K = J Jᵀ of one network by torch.func.jacrev, over the unmasked outputs."""
    fixed = {name: torch.tensor(np.array(getattr(rnn, name)[i : i + 1])) for name in (*NAMES, "h0")}
    x = torch.tensor(np.array(trials.inputs))
    counted = torch.tensor(np.array(trials.counted))

    def outputs(trained):
        return forward(fixed | trained, Spec.of(rnn), x, trials.autonomous)[0][0][counted].reshape(
            -1
        )

    J = torch.func.jacrev(outputs)({name: fixed[name] for name in TRAINED})
    parts = [J[name].reshape(len(J[name]), -1) * factors.get(name, 1.0) for name in TRAINED]
    J = torch.cat(parts, dim=1).numpy()
    return J @ J.T


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factors", [{}, {"W_rec": 0.1, "W_out": 3.0}])
def test_exact_kernels_are_jacrevs(kind, factors):
    start, end = pair(**kind)
    trials = random_trials(trials=3, mask=gauss(3, 8) > -0.25)
    for i, found in enumerate(kernel_alignment(start, end, trials, multipliers=factors)):
        K0, K = (kernel(rnn, i, trials, factors) for rnn in (start, end))
        size = np.linalg.norm(K0) * np.linalg.norm(K)
        assert found == pytest.approx(np.trace(K @ K0) / size, rel=1e-9)


def test_kernels_one_after_another_where_memory_is_short(monkeypatch):
    (start, end), trials = pair(networks=3), random_trials(trials=3)
    whole = kernel_alignment(start, end, trials)
    numbers, entries = sum(getattr(start, name)[0].size for name in TRAINED), trials.targets.size
    needed = entries * (start.dtype.itemsize * numbers + 16 * entries)
    monkeypatch.setattr("schurkit.analyses.features.MOST_BYTES", needed)
    assert np.array_equal(kernel_alignment(start, end, trials), whole) and len(whole) == 3
    monkeypatch.setattr("schurkit.analyses.features.MOST_BYTES", needed - 1)
    refuses("give fewer trials", kernel_alignment, start, end, trials)


def test_weight_change_by_hand():
    start, end = pair()
    found = weight_change(start, end, multipliers={"W_rec": 0.5})
    for i in range(2):
        each = {n: np.linalg.norm(getattr(end, n)[i] - getattr(start, n)[i]) for n in NAMES}
        each["W_rec"] *= 2
        assert {name: moved[i] for name, moved in found.items()} == pytest.approx(each)
    assert not weight_change(start, start)["W_rec"].any()


def test_a_kernel_of_zero_has_no_alignment():
    nothing = RNN(np.zeros((4, 2)), np.zeros((4, 4)), np.zeros((1, 4)))
    assert np.isnan(kernel_alignment(nothing, nothing, random_trials(outputs=1))).all()


START, END = pair()
test_messages = messages(
    (weight_change, START, END[[1, 0]], "start and end must be the same networks"),
    (weight_change, START, random_rnn(2, hidden=6, leak=0.5), "networks of one kind"),
    (lambda: weight_change(START, END, multipliers={"J": 1}), "multipliers must be one of"),
    (kernel_alignment, START, END, random_trials(2), "trials that all networks share"),
    (
        *(kernel_alignment, START, END, random_trials(trials=9000, steps=40)),
        "exact kernels of 1548000 outputs need more than 1 GiB",
    ),
)
