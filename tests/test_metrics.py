"""Measures against their definitions written another way; intervals against their coverage."""

import numpy as np
import pytest
from helpers import gauss, random_trials, refuses

from schurkit import Trials, fvu, metrics, replay_accuracy


def test_fvu_with_a_mask_for_each_trial_and_network():
    mask, outputs = gauss(2, 6, 8) > -0.3, gauss(2, 6, 8, 4, seed=1)
    trials = random_trials(2, mask=mask)
    for i in range(2):
        alone = Trials(trials.inputs[i], trials.targets[i], mask[i])
        assert fvu(outputs, trials)[i] == pytest.approx(fvu(outputs[i : i + 1], alone)[0])


def test_cells_that_do_not_count_are_in_no_sum():
    """FVU and replay accuracy by cell; a step of accuracy counts where one of its outputs does."""
    cells, outputs = gauss(6, 8, 4) < 0, gauss(2, 6, 8, 4, seed=1)
    trials = random_trials(mask=cells)
    y, sums = trials.targets, np.zeros((2, 2))
    for k in range(4):
        kept = cells[..., k]
        sums[:, 0] += ((outputs[:, kept, k] - y[kept, k]) ** 2).sum(axis=1)
        sums[:, 1] += ((y[kept, k] - y[kept, k].mean()) ** 2).sum()
    assert fvu(outputs, trials) == pytest.approx(sums[:, 0] / sums[:, 1])
    hits = (np.sign(outputs) == np.sign(y))[:, cells].mean(axis=1)
    assert replay_accuracy(outputs, trials) == pytest.approx(hits)
    steps = cells.any(axis=2)
    right = (outputs.argmax(axis=3) == y.argmax(axis=2))[:, steps].mean(axis=1)
    assert metrics.accuracy(outputs, trials) == pytest.approx(right)


def test_fvu_of_a_diverged_network_is_infinite():
    trials = random_trials()
    outputs = np.stack([trials.targets, np.full(trials.targets.shape, np.nan)])
    assert fvu(outputs, trials).tolist() == [0, np.inf]


def test_replay_accuracy_counts_signs():
    """An output of 0 is no hit, nor is a target of 0."""
    targets = np.array([1.0, -1.0, 1.0, -1.0, 0.0])
    trials = Trials(np.zeros((1, 0, 2)), targets[None, :, None], [0, 1, 1, 1, 1])
    rows = [9.0, -0.1, 0.2, -3.0, 1.0], [1.0, 0.0, np.nan, -1.0, 0.0], [1.0, 1.0, -1.0, 1.0, 0.0]
    outputs = np.array(rows)[:, None, :, None]
    assert replay_accuracy(outputs, trials) == pytest.approx([3 / 4, 1 / 4, 0])
    over_time = metrics.accuracy_over_time(outputs, trials)
    assert np.isnan(over_time[:, 0]).all() and over_time[1, 1:].tolist() == [0, 0, 1, 0]


def test_fvu_over_time_averages_to_fvu():
    outputs = gauss(3, 6, 8, 4)
    for mask in (np.arange(8) > 2, gauss(6, 8) > -0.5):
        trials = random_trials(mask=mask)
        weights = np.broadcast_to(mask, (6, 8)).sum(axis=0)
        curve = metrics.fvu_over_time(outputs, trials)
        assert (np.nan_to_num(curve) @ weights) / weights.sum() == pytest.approx(
            fvu(outputs, trials)
        )
        assert np.isnan(curve).any() == (weights == 0).any()


def test_measures_refuse_outputs_of_another_shape():
    refuses("outputs must have axes", fvu, np.zeros((6, 8, 4)), random_trials())


def test_metrics_are_found_by_name():
    assert metrics.metric("fvu") is metrics.FVU and metrics.metric(metrics.FVU) is metrics.FVU
    refuses("metric must be one of 'fvu', 'replay_accuracy'", metrics.metric, "r2")
