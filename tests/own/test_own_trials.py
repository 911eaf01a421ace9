"""Trials from files: every wrong one gives exit code 2 and one clear line."""

import numpy as np
import pytest

from schurkit.__main__ import main
from schurkit.own import load_trials

ARRAYS = {"W_in": np.ones((4, 2)), "W_rec": 0.5 * np.eye(4), "W_out": np.ones((1, 4))}


def refused(tmp_path, capsys, trials):
    np.savez(tmp_path / "net.npz", **ARRAYS)
    assert main(["analyze", str(tmp_path / "net.npz"), "--trials", str(trials)]) == 2
    text = capsys.readouterr()
    assert text.out == "" and text.err.count("\n") == 1 and text.err.startswith("schurkit: ")
    return text.err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"inputs": None}, "holds no inputs"),
        ({"targets": None}, "holds no targets"),
        ({"inputs": np.zeros((5, 3))}, "inputs must have axes (trials, time, input)"),
        ({"targets": np.zeros((2, 5, 3, 1))}, "inputs and targets must hold the same trials"),
        ({"inputs": np.zeros((5, 0, 2))}, "inputs are empty"),
        ({"inputs": np.zeros((6, 3, 2))}, "same trials"),
        ({"inputs": np.zeros((5, 4, 2))}, "cover every input step"),
        ({"inputs": np.full((5, 3, 2), np.inf)}, "NaN or infinite"),
        ({"targets": 1j * np.ones((5, 3, 1))}, "must be real"),
        ({"mask": np.ones(4)}, "mask must have shape"),
        ({"mask": np.zeros(3)}, "leaves no time step"),
        ({"outputs": np.zeros((5, 2, 1))}, "outputs must have the shape of the targets"),
        ({"masks": np.ones(3)}, "did you mean mask?"),
        ({"Inputs": np.ones(3)}, "did you mean inputs?"),
        (
            {"inputs": np.zeros((5, 3, 3))},
            "network has input size 2, and the trials have input size 3",
        ),
        (
            {"targets": np.zeros((5, 3, 2))},
            "network has output size 1, and the trials have output size 2",
        ),
        ({"targets": np.ones((5, 3, 1))}, "targets do not vary"),
        ({"mask": np.array([1, 0, 0])}, "targets do not vary"),
    ],
)
def test_trials_that_are_none(tmp_path, capsys, changes, told):
    targets = np.zeros((5, 3, 1))
    targets[:, 1:] = np.random.default_rng(0).normal(size=(5, 2, 1))
    arrays = {"inputs": np.zeros((5, 3, 2)), "targets": targets, **changes}
    np.savez(
        tmp_path / "trials.npz",
        **{name: array for name, array in arrays.items() if array is not None},
    )
    assert told in refused(tmp_path, capsys, tmp_path / "trials.npz")


def test_trials_are_npz_only(tmp_path, capsys):
    (tmp_path / "trials.pt").write_bytes(b"x")
    assert "trials come as .npz; got .pt" in refused(tmp_path, capsys, tmp_path / "trials.pt")


def test_good_trials(tmp_path):
    arrays = {
        "inputs": np.zeros((5, 3, 2), np.float32),
        "targets": np.ones((5, 4, 1)),
        "mask": np.array([0, 1, 1, 1]),
        "epochs": np.arange(3),
    }
    np.savez_compressed(
        tmp_path / "trials.npz", **arrays, outputs=np.full((2, 5, 4, 1), 3.0), note="what it is"
    )
    trials, outputs = load_trials(tmp_path / "trials.npz")
    assert (
        len(trials) == 5
        and trials.autonomous == 1
        and trials.mask.tolist() == [False, True, True, True]
    )
    assert outputs.shape == (2, 5, 4, 1) and trials.inputs.dtype == np.float32
