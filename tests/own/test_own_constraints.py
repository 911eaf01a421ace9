"""Dale's law and zeros: matrices built with known signs and zeros, and what each removal does to
them, counted another way.
"""

import itertools

import numpy as np
import pytest
from examined import examined
from helpers import orthogonal

from schurkit import RNN, InputError, ablate, real_schur
from schurkit.own import analyze, constraint_report
from schurkit.own.report import summary


def dale(size=12, inhibitory=3, density=1.0, seed=0):
    """Columns of one sign, a share of the entries exactly zero."""
    rng = np.random.default_rng(seed)
    signs = np.where(np.arange(size) < size - inhibitory, 1.0, -1.0)
    return (
        np.abs(rng.normal(size=(size, size)))
        * signs
        * (rng.random((size, size)) < density)
        / np.sqrt(size)
    )


def rnn_of(W):
    return RNN(np.ones((len(W), 1)), W, np.ones((1, len(W))))


def test_columns_are_counted_by_their_signs():
    W = dale(density=0.5)
    W[:, 4] = 0
    W[np.arange(12), np.arange(12)] = 0
    found = constraint_report(W)
    assert found["dale"] and not found["dale_rows"]
    assert (found["excitatory"], found["inhibitory"], found["mixed"], found["silent"]) == (
        8,
        3,
        0,
        1,
    )
    assert (
        found["zeros"] == sum(entry == 0 for row in W.tolist() for entry in row)
        and found["zeros_on_diagonal"] == 12
    )
    assert found["zero_share"] == found["zeros"] / 144
    turned = constraint_report(W.T)
    assert turned["dale_rows"] and not turned["dale"]
    W[0, 0] = -1.0
    assert not constraint_report(W)["dale"] and constraint_report(W)["mixed"] == 1


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_small_matrix_may_have_one_sign_a_column_by_accident(size):
    assert not constraint_report(np.ones((size, size)))["dale"]
    assert constraint_report(np.ones((5, 5)))["dale"]


def test_each_removal_is_counted_one_entry_at_a_time():
    W = dale(density=0.6)
    form = real_schur(W)
    found = constraint_report(W, form)
    variants = ablate(rnn_of(W), form)
    assert len(found["removals"]) == len(variants) == 8
    column_sign = np.sign(W.sum(axis=0))
    for entry, label, changed in zip(found["removals"], variants.labels, variants.W_rec):
        assert "+".join(entry["removed"]) == (label if label != "none" else "")
        tiny = 1e-12
        wrong = [
            changed[i, j]
            for i, j in itertools.product(range(12), repeat=2)
            if changed[i, j] * column_sign[j] < -tiny
        ]
        filled = [
            changed[i, j]
            for i, j in itertools.product(range(12), repeat=2)
            if W[i, j] == 0 and abs(changed[i, j]) > tiny
        ]
        size = np.linalg.norm(changed - W)
        assert entry["sign_violations"] == len(wrong) and entry["filled_zeros"] == len(filled)
        assert (
            entry["sign_violation_share"] == len(wrong) / 144
            and entry["filled_zero_share"] == len(filled) / (W == 0).sum()
        )
        if entry["removed"] and size:
            assert entry["sign_violation_norm"] == pytest.approx(np.linalg.norm(wrong) / size)
            assert entry["filled_zero_norm"] == pytest.approx(np.linalg.norm(filled) / size)
            assert 0 <= entry["sign_violation_norm"] <= 1 and 0 <= entry["filled_zero_norm"] <= 1
    assert (
        found["removals"][-1]["filled_zero_share"] > 0.9
        and found["removals"][-1]["sign_violations"] > 0
    )


def test_norms_are_of_what_a_leaky_network_loses():
    """A change of the step matrix is a change of W_rec over the leak: what it fills is at most what
    it changes.
    """
    W, leak = dale(density=0.6), np.linspace(0.1, 0.3, 12)
    form = real_schur(W, leak=leak)
    last = constraint_report(W, form)["removals"][-1]
    change = form.weights(form.N)
    assert last["filled_zero_norm"] == pytest.approx(
        np.linalg.norm(change[W == 0]) / np.linalg.norm(change)
    )


def test_removing_nothing_breaks_nothing():
    first = constraint_report(dale(density=0.6))["removals"][0]
    assert first["removed"] == [] and first["sign_violations"] == first["filled_zeros"] == 0
    assert first["undefined"] == {
        "sign_violation_norm": "nothing was removed",
        "filled_zero_norm": "nothing was removed",
    }


def test_what_is_not_constrained_is_undefined_with_a_reason():
    W = np.random.default_rng(0).normal(size=(8, 8))
    found = constraint_report(W)
    assert not found["dale"] and found["zeros"] == 0 and found["mixed"] == 8
    for entry in found["removals"]:
        names = [
            f"{kind}{what}"
            for kind in ("sign_violation", "filled_zero")
            for what in ("s", "_share", "_norm")
        ]
        assert all(entry[name] is None for name in names) and set(entry["undefined"]) == set(names)
        assert (
            entry["undefined"]["filled_zeros"] == "W_rec has no zeros"
            and "Dale" in entry["undefined"]["sign_violations"]
        )


def test_zeros_that_a_removal_leaves_alone():
    """Two blocks that do not meet: what is removed inside one cannot fill the zeros between
    them.
    """

    def block(radius, seed):
        T = radius * np.diag([1.0, 0.98, 0.96]) + np.triu(np.ones((3, 3)), 1)
        return orthogonal(3, seed) @ T @ orthogonal(3, seed).T

    W = np.zeros((6, 6))
    W[:3, :3], W[3:, 3:] = block(1.0, 0), block(0.3, 1)
    removals = {tuple(entry["removed"]): entry for entry in constraint_report(W)["removals"]}
    assert removals["RR",]["filled_zeros"] == removals["CC",]["filled_zeros"] == 0


@pytest.mark.parametrize(
    "wrong", [np.ones((2, 3)), np.ones(4), np.full((2, 2), np.nan), 1j * np.eye(2), "W"]
)
def test_wrong_matrices(wrong):
    with pytest.raises(InputError, match="W_rec must"):
        constraint_report(wrong)


@pytest.mark.parametrize(
    ("W", "words"),
    [
        (
            np.random.default_rng(0).normal(size=(8, 8)),
            "no constraint seen on the weights: columns of both signs, no exact zeros",
        ),
        (
            dale(),
            "constraints: Dale's law (9 excitatory, 3 inhibitory columns); removing all couplings "
            "turns ",
        ),
        (
            dale().T,
            "no constraint seen on the weights: columns of both signs though every row of one: is "
            "W_rec transposed?",
        ),
        (
            dale(density=0.5).T,
            "constraints: one sign in every row, not column (is W_rec transposed?), ",
        ),
        (
            np.random.default_rng(0).normal(size=(8, 8)) * (1 - np.eye(8)),
            "12.5 % exact zeros, all on the diagonal; removing all couplings fills 100 %",
        ),
        (np.zeros((3, 3)), "100 % exact zeros; removing all couplings fills 0 % of the zeros"),
    ],
)
def test_one_line_of_the_summary(W, words):
    told = summary(examined(rnn_of(W)))
    (line,) = [line for line in told.splitlines() if "constraint" in line]
    assert words in line


def test_every_network_of_a_stack_has_its_own():
    stack = RNN.stack([rnn_of(dale()), rnn_of(dale().T)])
    networks = analyze(stack)["networks"]
    assert [network["constraints"]["dale"] for network in networks] == [True, False]
