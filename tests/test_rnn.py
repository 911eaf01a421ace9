"""The values: stacks, trials, and the messages they give."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_rnn, random_trials, refuses

from schurkit import RNN, Trials, rollout


def test_arrays_are_read_only_and_not_shared_with_the_caller():
    W_rec = np.eye(4)
    rnn = RNN(np.ones((4, 2)), W_rec, np.ones((1, 4)))
    W_rec[0, 0] = 5
    assert rnn.W_rec[0, 0, 0] == 1
    with pytest.raises(ValueError):
        rnn.W_rec[0, 0, 0] = 2
    with pytest.raises(AttributeError):
        rnn.leak = 0.5


def test_indexing_keeps_stacks_and_labels():
    rnn = random_rnn(5)
    for at, labels in ((3, (3,)), (-1, (4,)), (slice(2, 5), (2, 3, 4)), ([0, 4], (0, 4))):
        assert rnn[at].labels == labels
    assert np.array_equal(rnn[3].W_rec[0], rnn.W_rec[3])
    assert [r.labels[0] for r in rnn] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        rnn[5]


def test_labels_find_networks():
    zero = random_rnn(1, seed=3).with_W_rec(np.zeros((7, 7)), labels=["zero"])
    rnn = RNN.stack([random_rnn(2), zero])
    assert not rnn.labelled("zero").W_rec.any()
    refuses("expected one network labelled 'x'; found 0", rnn.labelled, "x")


def test_with_W_rec_repeats_one_network_and_keeps_the_rest():
    one = random_rnn(1)
    many = one.with_W_rec(np.zeros((3, 7, 7)))
    assert len(many) == 3 and np.array_equal(many.W_in[2], one.W_in[0])
    assert np.array_equal(many.b_rec[1], one.b_rec[0])
    message = r"with_W_rec needs W_rec of shape \(networks, 7, 7\)"
    refuses(message, one.with_W_rec, np.zeros((3, 6, 6)))
    refuses("for 2 network", random_rnn(2).with_W_rec, np.zeros((3, 7, 7)))


def test_dtype_is_float32_only_when_everything_is():
    small = random_rnn(1, dtype=np.float32)
    assert small.dtype == np.float32
    assert RNN(small.W_in, small.W_rec.astype(np.float64), small.W_out).dtype == np.float64
    assert small.astype("float64").dtype == np.float64 and small.astype("float32") is small


def test_stack_refuses_unlike_networks():
    refuses("one shape and kind", RNN.stack, [random_rnn(1), random_rnn(1, activation="relu")])
    refuses("at least one", RNN.stack, [])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"W_rec": np.zeros((4, 3))}, "equal sizes for 'hidden'"),
        ({"W_in": np.zeros((5, 2))}, r"W_in must have shape \(1, 4, 2\)"),
        ({"W_out": np.zeros((1, 5))}, "W_out must have shape"),
        *(({name: np.zeros(3)}, f"{name} must have shape") for name in ("b_rec", "b_out", "h0")),
        ({"W_rec": np.full((4, 4), np.nan)}, "W_rec must be finite; it holds 16"),
        ({"W_rec": np.eye(4) * 1j}, "W_rec must be real"),
        ({"W_rec": np.zeros((0, 0))}, "at least one network of at least one unit"),
        ({"activation": "gelu"}, "activation must be one of 'tanh', 'relu', .*; got 'gelu'"),
        ({"form": "spiking"}, "form must be one of"),
        ({"leak": 0.0}, "leak must be above 0"),
        ({"leak": 1.5}, "leak must be at most 1"),
        ({"leak": np.full(3, 0.5)}, "leak must be one number, or 4"),
        ({"D": np.ones(4)}, "D belongs to the voltage form, and form is 'rate'. Leave D out, or"),
        ({"c": np.ones(4)}, "c belongs to the voltage form"),
        ({"psi": "tanh"}, "psi belongs to the voltage form"),
        ({"psi": "gelu", "form": "voltage"}, "psi must be one of 'tanh', .*; got 'gelu'"),
        ({"D": np.ones(3), "form": "voltage"}, r"D must have shape \(1, 4\)"),
        ({"c": np.ones((2, 4)), "form": "voltage"}, r"c must have axes \(hidden\)"),
        ({"labels": ("a", "b")}, "labels must name each of the 1 networks; got 2"),
    ],
)
def test_bad_networks_are_refused_in_one_line(change, message):
    arguments = {"W_in": np.ones((4, 2)), "W_rec": np.eye(4), "W_out": np.ones((1, 4))} | change
    refuses(message, RNN, **arguments)


@pytest.mark.parametrize(
    "inputs, targets, mask, message",
    [
        ((5, 4), (5, 4, 1), None, "inputs must have axes"),
        ((5, 4, 2), (6, 4, 1), None, "same trials"),
        ((5, 4, 2), (5, 3, 1), None, "targets must cover every input step"),
        ((0, 4, 2), (0, 4, 1), None, "at least one trial"),
        ((5, 4, 2), (5, 4, 1), np.ones(3), "mask must have shape"),
        ((5, 4, 2), (5, 4, 1), np.full(4, 0.5), "zeros and ones"),
        ((5, 4, 2), (5, 4, 1), np.zeros(4), "leaves no time step"),
    ],
)
def test_bad_trials_are_refused(inputs, targets, mask, message):
    refuses(message, Trials, np.zeros(inputs), np.zeros(targets), mask)


def test_bad_starts_are_refused():
    trials = random_trials()
    for shape in ((4, 7), (2, 6, 7)):
        refuses(r"shape \(6, hidden\); got \(", replace, trials, h0=np.zeros(shape))
    started = replace(trials, h0=np.zeros((6, 8)))
    refuses(r"h0 of the trials must have shape \(6, 7\) or", rollout, random_rnn(), started)


def test_one_D_and_c_serve_a_whole_stack_and_go_where_its_networks_go():
    own = {"D": np.linspace(-1, 1, 7), "c": np.arange(21.0).reshape(3, 7)}
    rnn = random_rnn(3, form="voltage", psi="identity", **own)
    assert rnn.D.shape == (3, 7) and (own["D"] == rnn.D).all()
    assert np.array_equal(rnn[[2, 0]].c, own["c"][[2, 0]])
    assert np.array_equal(RNN.stack([rnn[1:], rnn[:1]]).c, own["c"][[1, 2, 0]])
    assert np.array_equal(rnn[1].with_W_rec(np.zeros((5, 7, 7))).c, own["c"][[1] * 5])
    small = rnn.astype("float32")
    assert small.dtype == small.D.dtype == small.c.dtype == np.float32 and small.psi == "identity"
    refuses("one shape and kind", RNN.stack, [rnn, replace(rnn, c=None)])
    refuses("one shape and kind", RNN.stack, [rnn, replace(rnn, psi=None)])


def test_repr_is_one_line():
    assert repr(random_rnn(3)) == "RNN(3 × 2 → 7 → 4, tanh, rate, leak=1, float64)"
