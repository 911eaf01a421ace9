"""Nulls: what each keeps and what it destroys."""

import numpy as np
import pytest
from helpers import apart, random_rnn, random_trials, refuses

from schurkit import rollout
from schurkit.degeneracy import nulls

RNN, TRIALS = random_rnn(3), random_trials()
STATES = rollout(RNN, TRIALS, states=True).states


@pytest.mark.parametrize("leak", [1.0, np.linspace(0.2, 1, 7)])
def test_permuted_copies_do_the_same(leak):
    rnn = random_rnn(3, leak=leak)
    copies, other, again = (nulls.permuted_copies(rnn, seed=seed) for seed in (0, 1, 0))
    assert apart(rollout(copies, TRIALS).outputs, rollout(rnn, TRIALS).outputs) < 1e-12
    assert not np.array_equal(copies.W_rec, rnn.W_rec) and copies.labels == rnn.labels
    assert not np.array_equal(other.W_rec, copies.W_rec)
    assert np.array_equal(again.W_rec, copies.W_rec)


def test_shuffled_weights_keep_the_entries():
    made = nulls.shuffled_weights(RNN)
    before, after = (np.sort(rnn.W_rec.reshape(3, -1)) for rnn in (RNN, made))
    assert np.array_equal(before, after) and not np.array_equal(made.W_rec, RNN.W_rec)
    assert np.array_equal(made.W_in, RNN.W_in)


def test_untrained_networks_have_the_paper_start():
    made = nulls.untrained(4, 50, 3, 2)
    assert (made.input_size, made.output_size, len(made)) == (3, 2, 4) and not made.b_rec.any()
    assert np.abs(made.W_rec).max() < 50**-0.5
    assert made.W_rec.var() == pytest.approx(1 / 150, rel=0.05)
    assert np.array_equal(nulls.untrained(2, 50, 3, 2).W_rec, made.W_rec[:2])
    refuses("networks must be at least 1", nulls.untrained, 0, 50)


def test_rotations_keep_distances_within_a_trajectory():
    made = nulls.rotated_copies(STATES)
    lengths = (np.linalg.norm(states, axis=3) for states in (made, STATES))
    assert np.abs(np.subtract(*lengths)).max() < 1e-12 and apart(made, STATES) > 0.1


def test_halves_are_all_trials():
    a, b = nulls.split_halves(STATES)
    assert np.array_equal(a, STATES[:, ::2]) and np.array_equal(b, STATES[:, 1::2])
    assert len({half.shape for half in nulls.split_halves(STATES[:, :5])}) == 1
    refuses("at least two trials; got 1", nulls.split_halves, STATES[:, :1])


def test_shuffled_time_keeps_the_states_of_each_trial():
    made = nulls.time_shuffled(STATES)
    for before, after in zip(
        STATES.reshape(-1, *STATES.shape[2:]), made.reshape(-1, *made.shape[2:])
    ):
        assert sorted(map(tuple, before)) == sorted(map(tuple, after))
    assert not np.array_equal(made, STATES) and not made.flags.writeable


def test_copies_side_by_side_do_what_each_does_by_itself():
    copies = nulls.side_by_side(RNN, 2)
    both = np.concatenate([TRIALS.inputs, 2 * TRIALS.inputs], axis=2)
    made = rollout(copies, both).outputs
    alone, other = (rollout(RNN, k * TRIALS.inputs).outputs for k in (1, 2))
    for k in range(3):
        expected = np.concatenate([alone[k], other[(k + 1) % 3]], axis=2)
        assert apart(made[k], expected) < 1e-9
    first, second = RNN.labels[:2]
    assert copies.labels[0] == (first, second)
    refuses("copies must be", nulls.side_by_side, RNN, 4)
