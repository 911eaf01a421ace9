"""Dale's law and zeros: matrices built with known signs and zeros, and what each removal does to
them, counted another way.
"""

import numpy as np
import pytest
from examined import examined, refused
from helpers import gauss, network

from schurkit import RNN, ablate, real_schur
from schurkit.own import analyze, constraint_report
from schurkit.own.report import summary


def dale(size=12, density=1.0):
    """Columns of one sign, a share of the entries exactly zero."""
    signs = np.where(np.arange(size) < size - 3, 1.0, -1.0)
    kept = np.random.default_rng(1).random((size, size)) < density
    return np.abs(gauss(size, size)) * signs / np.sqrt(size) * kept


def test_columns_are_counted_by_their_signs():
    W = dale(density=0.5)
    W[:, 4] = 0
    np.fill_diagonal(W, 0)
    report = constraint_report(W)
    kinds = ("excitatory", "inhibitory", "mixed", "silent", "dale", "dale_rows")
    assert [report[kind] for kind in kinds] == [8, 3, 0, 1, True, False]
    assert report["zeros"] == sum(entry == 0 for row in W.tolist() for entry in row)
    assert report["zeros_on_diagonal"] == 12 and report["zero_share"] == report["zeros"] / 144
    turned = constraint_report(W.T)
    assert turned["dale_rows"] and not turned["dale"]
    W[0, 0] = -1.0
    assert not constraint_report(W)["dale"] and constraint_report(W)["mixed"] == 1


def test_a_small_matrix_may_have_one_sign_a_column_by_accident():
    sizes = (1, 2, 3, 5)
    assert [constraint_report(np.ones((k, k)))["dale"] for k in sizes] == [False] * 3 + [True]
    refused(lambda: constraint_report(np.ones((2, 3))), "W_rec must have axes (hidden, hidden)")


@pytest.mark.parametrize("leak", [1.0, np.linspace(0.1, 0.3, 12)])
def test_each_removal_is_counted_one_entry_at_a_time(leak):
    """Also of a leaky network, which loses ΔT of its step matrix over the leak."""
    W = dale(density=0.6)
    form = real_schur(W, leak=leak)
    report = constraint_report(W, form)
    variants = ablate(network(W), form)
    sign, empty = np.sign(W.sum(axis=0)), (W == 0).sum()
    for entry, label, changed in zip(
        report["removals"], variants.labels, variants.W_rec, strict=True
    ):
        assert "+".join(entry["removed"]) == label.replace("none", "")
        pairs = [*zip(changed.ravel(), W.ravel(), np.tile(sign, 12))]
        wrong = [new for new, _, side in pairs if new * side < -1e-12]
        filled = [new for new, old, _ in pairs if old == 0 and abs(new) > 1e-12]
        size = np.linalg.norm(changed - W)
        for name, values, whole in (("sign_violation", wrong, 144), ("filled_zero", filled, empty)):
            counted = [entry[f"{name}s"], entry[f"{name}_share"]]
            assert counted == [len(values), len(values) / whole]
            norm = np.linalg.norm(values) / size if size else None
            assert entry[f"{name}_norm"] == (norm and pytest.approx(norm))
            assert size or entry["undefined"][f"{name}_norm"] == "nothing was removed"
    last = report["removals"][-1]
    assert last["filled_zero_share"] > 0.9 and last["sign_violations"] > 0


def test_what_is_not_constrained_is_undefined_with_a_reason():
    report = analyze(RNN.stack([network(dale(8)), network(gauss(8, 8))]))["networks"]
    assert report[0]["constraints"]["dale"]
    report = report[1]["constraints"]
    assert not report["dale"] and report["zeros"] == 0 and report["mixed"] == 8
    for entry in report["removals"]:
        why = entry.pop("undefined")
        assert {name for name, value in entry.items() if value is None} == {*why}
        assert len(why) == 6 and why["filled_zeros"] == "W_rec has no zeros"
        assert "Dale" in why["sign_violations"]


NONE = "no constraint seen on the weights: columns of both signs"


@pytest.mark.parametrize(
    "W, words",
    [
        (gauss(8, 8), f"{NONE}, no exact zeros"),
        (dale().T, f"{NONE} though every row of one: is W_rec transposed?"),
        (
            dale(),
            "constraints: Dale's law (9 excitatory, 3 inhibitory columns); removing all couplings "
            "turns ",
        ),
        (dale(density=0.5).T, "constraints: one sign in every row, not column (is W_rec transpos"),
        (
            gauss(8, 8) * (1 - np.eye(8)),
            "12.5 % exact zeros, all on the diagonal; removing all couplings fills 100 %",
        ),
        (np.zeros((3, 3)), "100 % exact zeros; removing all couplings fills 0 % of the zeros"),
    ],
)
def test_one_line_of_the_summary(W, words):
    lines = summary(examined(network(W))).splitlines()
    (line,) = [line for line in lines if "constraint" in line]
    assert words in line
