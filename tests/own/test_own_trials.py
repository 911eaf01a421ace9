"""Trials from a file: classes, masks of every shape, lengths, what is missing, starts, axes; and
the metric that they ask for.
"""

from pathlib import Path

import numpy as np
import pytest
from examined import refusals, refused

from schurkit import Trials
from schurkit.metrics import ACCURACY, FVU, METRICS
from schurkit.own import load_trials
from schurkit.own.trials import metric_of

N, STEPS, WIDTH = 6, 5, 3
RNG = np.random.default_rng(0)
INPUTS, TARGETS = RNG.normal(size=(N, STEPS, 2)), RNG.normal(size=(N, STEPS, WIDTH))
LABELS = RNG.integers(WIDTH, size=(N, STEPS))
ONE_HOT = np.eye(WIDTH)[LABELS]
CELLS = RNG.random((N, STEPS, WIDTH)) < 0.6
STEP = np.array([True, False, True, True, False])
LENGTHS = np.array([1, 2, 3, 4, 5, 5])
WITHIN = np.arange(STEPS) < LENGTHS[:, None]


def load(classes=None, missing="", **arrays):
    given = {"inputs": INPUTS, "targets": TARGETS} | arrays
    given = {name: array for name, array in given.items() if array is not None}
    np.savez("trials.npz", **given)
    return load_trials("trials.npz", classes=classes, missing=missing)[0]


@pytest.mark.parametrize(
    "mask, counted",
    [
        (STEP, np.broadcast_to(STEP[:, None], CELLS.shape)),
        (CELLS[..., 0], np.broadcast_to(CELLS[..., :1], CELLS.shape)),
        (CELLS[..., :1], np.broadcast_to(CELLS[..., :1], CELLS.shape)),
        (CELLS, CELLS),
    ],
)
def test_a_mask_of_every_usual_shape(mask, counted):
    trials = load(mask=mask)
    assert np.array_equal(trials.counted_cells, counted)
    assert np.array_equal(trials.counted, counted.any(axis=2))
    trials = load(mask=mask, lengths=LENGTHS)
    assert np.array_equal(trials.counted_cells, counted & WITHIN[..., None])


@pytest.mark.parametrize("marker, missing", [(np.nan, "nan"), (-1, "-1")])
def test_targets_that_are_missing(marker, missing):
    trials = load(targets=np.where(CELLS, TARGETS, marker), missing=missing)
    assert np.array_equal(trials.counted_cells, CELLS)
    assert np.array_equal(trials.targets[CELLS], TARGETS[CELLS])
    labels = np.where(WITHIN, LABELS, marker)
    trials = load(targets=labels, missing=missing)
    assert np.array_equal(trials.counted, WITHIN)
    assert np.array_equal(trials.targets[WITHIN], ONE_HOT[WITHIN])


@pytest.mark.parametrize("targets", [LABELS, LABELS[..., None], LABELS.astype(np.float32)])
def test_classes_are_one_hot_targets_of_accuracy(targets):
    trials = load(targets=targets, classes=WIDTH)
    assert np.array_equal(trials.targets, ONE_HOT) and metric_of("", trials) is ACCURACY
    outputs = np.zeros((N, STEPS, WIDTH + 1))
    trials = load(targets=targets, outputs=outputs)
    assert trials.targets.shape[2] == WIDTH + 1


def test_one_class_a_trial_counts_at_its_last_step_or_where_the_mask_says():
    trials = load(targets=LABELS[:, 0])
    assert np.array_equal(trials.counted, np.broadcast_to(np.arange(STEPS) == 4, (N, STEPS)))
    assert np.array_equal(trials.targets[:, -1], ONE_HOT[:, 0])
    trials = load(targets=LABELS[:, 0], lengths=LENGTHS)
    assert np.array_equal(trials.counted.argmax(axis=1), LENGTHS - 1)
    assert trials.counted.sum() == N
    window = np.arange(STEPS) > 2
    trials = load(targets=LABELS[:, 0], mask=window)
    assert np.array_equal(trials.counted, np.broadcast_to(window, (N, STEPS)))


def test_one_output_needs_no_axis():
    trials = load(targets=TARGETS[..., 0], classes=1)
    assert np.array_equal(trials.targets, TARGETS[..., :1]) and metric_of("", trials) is FVU


def test_axes_in_the_order_time_trials_and_starts():
    h0 = RNG.normal(size=(N, 4))
    given = {"inputs": INPUTS, "targets": TARGETS, "mask": CELLS[..., 0], "outputs": TARGETS}
    turned = {name: array.swapaxes(0, 1) for name, array in given.items()}
    np.savez("t.npz", **turned, lengths=LENGTHS, h0=h0)
    trials, outputs = load_trials("t.npz", time_major=True)
    found = trials.inputs, trials.targets, outputs, trials.counted, trials.h0
    expected = INPUTS, TARGETS, TARGETS, CELLS[..., 0] & WITHIN, h0
    assert all(map(np.array_equal, found, expected))
    trials = load(h0=h0[0])
    assert np.array_equal(trials.h0, np.repeat(h0[:1], N, axis=0))


TURNED = "it looks as if one of them had its first axis in time"


test_trials_that_cannot_be_meant = refusals(
    lambda given: load(**given),
    [
        ({"mask": CELLS[..., 0].T}, TURNED),
        ({"targets": TARGETS.swapaxes(0, 1)}, TURNED),
        ({"lengths": LENGTHS[:5]}, TURNED),
        ({"h0": np.zeros((STEPS, 4))}, TURNED),
        ({"lengths": LENGTHS - 1}, "lengths must hold a whole number from 1 to 5"),
        ({"lengths": LENGTHS + 0.5}, "lengths must hold a whole number from 1 to 5"),
        ({"lengths": LENGTHS[:4]}, "for each of 6 trials; got shape"),
        ({"mask": CELLS[:, :3, 0]}, "mask must have shape"),
        ({"mask": CELLS[:, :3, 0], "lengths": LENGTHS}, "does not fit what else says"),
        ({"targets": LABELS + 1, "classes": WIDTH}, "must be classes from 0 to 2"),
        ({"targets": LABELS - 1}, "pass missing='-1' (--missing -1)"),
        ({"targets": LABELS + 0.5}, "must be classes from 0 to"),
        (
            {"targets": np.where(CELLS, TARGETS, np.nan)},
            "(--missing nan) where these",
        ),
        ({"targets": np.where(CELLS, TARGETS, np.nan), "missing": "-1"}, "targets hold NaN"),
        ({"missing": "none"}, "missing must be nan or a number; got 'none'"),
        ({"outputs": LABELS}, "outputs must have axes (trials, time, output)"),
        ({"outputs": TARGETS[:, :3]}, "outputs must have the shape of the targets"),
        ({"inputs": INPUTS[..., 0]}, "inputs must have axes (trials, time, input)"),
        ({"inputs": INPUTS[:0]}, "inputs are empty"),
        ({"Mask": CELLS}, "did you mean mask"),
        ({"inputs": None}, "holds no inputs; trials need"),
        ({"targets": None}, "holds no targets"),
        ({"inputs": np.full(INPUTS.shape, np.inf)}, "NaN or infinite"),
        ({"targets": 1j * TARGETS}, "must be real"),
        ({"targets": TARGETS[..., None]}, "inputs and targets must hold the same trials"),
        ({"targets": TARGETS[:, :3]}, "cover every input step"),
        ({"mask": 0 * STEP}, "leaves no time step"),
    ],
)


def test_metrics_by_name():
    trials = Trials(INPUTS, TARGETS)
    for name in METRICS:
        assert metric_of(name, trials) is METRICS[name]
    assert metric_of("replay", trials) is METRICS["replay_accuracy"]
    assert metric_of("", trials) is FVU and metric_of("", Trials(INPUTS, ONE_HOT)) is ACCURACY
    rest = np.where(CELLS.any(axis=2)[..., None], ONE_HOT, 7.0)  # where nothing counts
    assert metric_of("", Trials(INPUTS, rest, CELLS.any(axis=2))) is ACCURACY


def test_trials_are_npz_only():
    Path("trials.pt").write_bytes(b"x")
    refused(lambda: load_trials("trials.pt"), "trials come as .npz; got .pt")
