"""Weight change and tangent kernels: against sums by hand and against torch.func.jacrev."""

import numpy as np
import pytest
import torch
from helpers import messages, random_rnn, random_trials

from schurkit import RNN
from schurkit.analyses.features import TRAINED, kernel_alignment, weight_change
from schurkit.engine import Spec
from schurkit.engine.torch import forward

NAMES = ("W_in", "W_rec", "W_out", "b_rec", "b_out")
KINDS = [{}, {"activation": "relu", "leak": 0.5}, {"form": "voltage", "leak": 0.4}]


def pair(**kind):
    kind |= {"networks": 2, "hidden": 6}
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
    trials = random_trials(trials=3, mask=np.random.default_rng(0).random((3, 8)) > 0.4)
    for i, row in enumerate(kernel_alignment(start, end, trials, multipliers=factors)):
        K0, K = (kernel(rnn, i, trials, factors) for rnn in (start, end))
        norms = np.linalg.norm(K0), np.linalg.norm(K)
        assert (row.norm_start, row.norm_end) == pytest.approx(norms, rel=1e-9)
        assert row.alignment == pytest.approx(np.trace(K @ K0) / np.prod(norms), rel=1e-9)
        assert (row.network, row.entries, row.standard_error, row.probes) == (i, len(K), 0, None)


def test_probes_estimate_it_and_know_how_well():
    (start, end), trials = pair(), random_trials(trials=4)
    start, end = start[0], end[0]
    exact = kernel_alignment(start, end, trials)[0]
    found = [kernel_alignment(start, end, trials, probes=24, seed=seed)[0] for seed in range(60)]
    rows = [(row.alignment, row.standard_error, row.norm_end**2) for row in found]
    values, errors, squares = np.transpose(rows)
    assert values.mean() == pytest.approx(exact.alignment, abs=4 * values.std() / 60**0.5 + 0.01)
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.5)
    # without bias
    assert squares.mean() == pytest.approx(exact.norm_end**2, abs=4 * squares.std() / 60**0.5)
    (itself,) = kernel_alignment(start, start, trials, probes=5)
    assert itself.alignment == pytest.approx(1) and itself.standard_error < 1e-6


def test_weight_change_by_hand():
    start, end = pair()
    for i, row in enumerate(weight_change(start, end, multipliers={"W_rec": 0.5})):
        arrays = {n: np.stack([getattr(rnn, n)[i] for rnn in (start, end)]) for n in NAMES}
        arrays["W_rec"] = 2 * arrays["W_rec"]
        each = {name: np.linalg.norm(b - a) for name, (a, b) in arrays.items()}
        assert {name: getattr(row, name) for name in NAMES} == pytest.approx(each)
        size = np.sqrt(sum((a**2).sum() for a, _ in arrays.values()))
        assert row.all == pytest.approx(np.linalg.norm(list(each.values())))
        assert row.relative == pytest.approx(row.all / size) and row.network == i
    assert weight_change(start, start)[0].all == 0


def test_a_kernel_of_zero_has_no_alignment():
    nothing = RNN(np.zeros((4, 2)), np.zeros((4, 4)), np.zeros((1, 4)))
    (row,) = kernel_alignment(nothing, nothing, random_trials(outputs=1))
    assert np.isnan(row.alignment) and np.isnan(weight_change(nothing, nothing)[0].relative)


START, END = pair()
test_messages = messages(
    (weight_change, START, END[[1, 0]], "start and end must be the same networks"),
    (weight_change, START, random_rnn(2, hidden=6, leak=0.5), "networks of one kind"),
    (lambda: weight_change(START, END, multipliers={"J": 1}), "multipliers must be one of"),
    (kernel_alignment, START, END, random_trials(2), "trials that all networks share"),
    (lambda: kernel_alignment(START, END, random_trials(), probes=2), "probes must be at least 3"),
    (
        *(kernel_alignment, START, END, random_trials(trials=9000, steps=40)),
        "exact kernels of 1548000 outputs need more than 1 GiB",
    ),
)
