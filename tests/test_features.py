"""Weight change and tangent kernels: against sums by hand and against torch.func.jacrev."""

import numpy as np
import pytest
import torch
from helpers import random_rnn, random_trials

from schurkit import RNN, InputError, Trials
from schurkit.analyses.features import kernel_alignment, weight_change
from schurkit.engine import Spec
from schurkit.engine.torch import forward

NAMES = ("W_in", "W_rec", "W_out", "b_rec", "b_out")
KINDS = [{}, {"activation": "relu", "leak": 0.5}, {"form": "voltage", "leak": 0.4}]


def pair(**kind):
    return random_rnn(2, hidden=6, scale=0.4, **kind), random_rnn(
        2, hidden=6, scale=0.6, seed=5, **kind
    )


def kernel(rnn, i, trials, names, factors):
    """K = J Jᵀ of one network by torch.func.jacrev, over the unmasked outputs."""
    fixed = {name: torch.tensor(np.array(getattr(rnn, name)[i : i + 1])) for name in (*NAMES, "h0")}
    x, kept = (
        torch.tensor(np.array(trials.inputs)),
        torch.tensor(np.broadcast_to(trials.mask, trials.targets.shape[:2]).copy()),
    )

    def outputs(trained):
        return forward(fixed | trained, Spec.of(rnn), x, trials.autonomous)[0][0][kept].reshape(-1)

    J = torch.func.jacrev(outputs)({name: fixed[name] for name in names})
    J = torch.cat(
        [J[name].reshape(len(J[name]), -1) * factors.get(name, 1.0) for name in names], dim=1
    ).numpy()
    return J @ J.T


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "names, factors", [(("W_in", "W_rec", "W_out"), {}), (NAMES, {"W_rec": 0.1, "W_out": 3.0})]
)
def test_exact_kernels_are_jacrevs(kind, names, factors):
    start, end = pair(**kind)
    trials = random_trials(trials=3, mask=np.random.default_rng(0).random((3, 8)) > 0.4)
    for i, row in enumerate(
        kernel_alignment(start, end, trials, arrays=names, multipliers=factors)
    ):
        K0, K = (kernel(rnn, i, trials, names, factors) for rnn in (start, end))
        assert row.norm_start == pytest.approx(
            np.linalg.norm(K0), rel=1e-9
        ) and row.norm_end == pytest.approx(np.linalg.norm(K), rel=1e-9)
        assert row.alignment == pytest.approx(
            np.trace(K @ K0) / np.linalg.norm(K) / np.linalg.norm(K0), rel=1e-9
        )
        assert (
            row.entries == len(K)
            and row.standard_error == 0
            and row.network == i
            and row.probes is None
        )


def test_probes_estimate_it_and_know_how_well():
    start, end = pair()
    start, end = start[0], end[0]
    trials = random_trials(trials=4)
    exact = kernel_alignment(start, end, trials)[0]
    found = [kernel_alignment(start, end, trials, probes=24, seed=seed)[0] for seed in range(60)]
    values, errors = (
        np.array([getattr(row, name) for row in found]) for name in ("alignment", "standard_error")
    )
    assert values.mean() == pytest.approx(exact.alignment, abs=4 * values.std() / 60**0.5 + 0.01)
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.5)
    squares = np.array([row.norm_end**2 for row in found])  # without bias
    assert squares.mean() == pytest.approx(exact.norm_end**2, abs=4 * squares.std() / 60**0.5)


def test_a_network_is_aligned_with_itself_and_scales_do_not_matter():
    start, _ = pair()
    trials = random_trials(trials=2)
    for probes in (None, 5):
        rows = kernel_alignment(start, start, trials, probes=probes)
        assert [row.alignment for row in rows] == pytest.approx([1, 1]) and all(
            row.standard_error < 1e-6 for row in rows
        )


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_single_precision_is_enough(engine):
    start, end = pair()
    trials = random_trials(trials=6, steps=20)
    exact = kernel_alignment(start, end, trials, probes=8)
    found = kernel_alignment(
        start.astype(np.float32), end.astype(np.float32), trials, probes=8, engine=engine
    )
    assert [row.alignment for row in found] == pytest.approx(
        [row.alignment for row in exact], rel=1e-4
    )


def test_weight_change_by_hand():
    start, end = pair()
    rows = weight_change(start, end, multipliers={"W_rec": 0.5})
    for i, row in enumerate(rows):
        each = {
            name: np.linalg.norm(getattr(end, name)[i] - getattr(start, name)[i])
            * (2 if name == "W_rec" else 1)
            for name in NAMES
        }
        assert {name: getattr(row, name) for name in NAMES} == pytest.approx(each)
        assert row.all == pytest.approx(np.sqrt(sum(x**2 for x in each.values())))
        size = np.sqrt(
            sum(
                (getattr(start, name)[i] ** 2).sum() * (4 if name == "W_rec" else 1)
                for name in NAMES
            )
        )
        assert row.relative == pytest.approx(row.all / size) and row.network == i
    assert weight_change(start, start)[0].all == 0


def test_a_kernel_of_zero_has_no_alignment():
    nothing = RNN(np.zeros((4, 2)), np.zeros((4, 4)), np.zeros((1, 4)))
    assert np.isnan(
        kernel_alignment(nothing, nothing, Trials(np.zeros((2, 3, 2)), np.zeros((2, 3, 1))))[
            0
        ].alignment
    )
    assert np.isnan(weight_change(nothing, nothing)[0].relative)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda s, e: weight_change(s, e[0]), "start and end must be the same networks"),
        (lambda s, e: weight_change(s, e[[1, 0]]), "start and end must be the same networks"),
        (lambda s, e: weight_change(s, random_rnn(2, hidden=6, leak=0.5)), "networks of one kind"),
        (lambda s, e: weight_change(s, None), "must be schurkit.RNN; got RNN and NoneType"),
        (lambda s, e: weight_change(s, e, multipliers={"J": 1}), "multipliers must be one of"),
        (lambda s, e: kernel_alignment(s, e, random_trials(2)), "trials that all networks share"),
        (
            lambda s, e: kernel_alignment(s, e, random_trials(), probes=2),
            "probes must be at least 3",
        ),
        (
            lambda s, e: kernel_alignment(s, e, random_trials(), arrays=("E",)),
            "arrays must be one of",
        ),
        (
            lambda s, e: kernel_alignment(s, e, random_trials(trials=9000, steps=40)),
            "exact kernels of 1548000 outputs need more than 1 GiB",
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(InputError, match=message):
        make(*pair())
