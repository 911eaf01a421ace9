"""Small builders shared by the tests."""

import numpy as np

from schurkit import RNN, Trials, rollout


def random_rnn(
    networks=3,
    hidden=7,
    inputs=2,
    outputs=4,
    *,
    seed=0,
    biases=True,
    scale=0.5,
    dtype=np.float64,
    **kind,
):
    """A stack of networks with Gaussian weights."""
    rng = np.random.default_rng(seed)
    extra = {}
    if biases:
        extra = {
            name: rng.normal(size=(networks, size)) * 0.5
            for name, size in (("b_rec", hidden), ("b_out", outputs), ("h0", hidden))
        }
    arrays = {
        "W_in": rng.normal(size=(networks, hidden, inputs)),
        "W_rec": rng.normal(size=(networks, hidden, hidden)) * scale,
        "W_out": rng.normal(size=(networks, outputs, hidden)),
        **extra,
    }
    return RNN(**{name: a.astype(dtype) for name, a in arrays.items()}, **kind)


def random_trials(
    networks=None, trials=6, steps=5, autonomous=3, inputs=2, outputs=4, *, seed=1, mask=None
):
    """Gaussian inputs and targets."""
    rng = np.random.default_rng(seed)
    lead = () if networks is None else (networks,)
    return Trials(
        rng.normal(size=(*lead, trials, steps, inputs)),
        rng.normal(size=(*lead, trials, steps + autonomous, outputs)),
        mask,
    )


def network(W_rec, *, W_in=None, **kind):
    """A network with given recurrent weights; one input that drives nothing unless W_in is
    given.
    """
    W_rec = np.array(W_rec, dtype=float)
    return RNN(
        np.zeros((len(W_rec), 1)) if W_in is None else W_in, W_rec, np.ones((1, len(W_rec))), **kind
    )


def orthogonal(size, seed=0):
    """An orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def planted(seed=0, hidden=8):
    """A network with chosen moduli 1, .98, .95, .93 | .5, .4, .3, .2 and Gaussian couplings."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(hidden, hidden)))[0]
    T = np.diag([1.0, 0.98, 0.95, 0.93, 0.5, 0.4, 0.3, 0.2]) + 0.2 * np.triu(
        rng.normal(size=(hidden, hidden)), 1
    )
    return (
        RNN(rng.normal(size=(hidden, 2)), Q @ T @ Q.T, rng.normal(size=(1, hidden)), labels=[seed]),
        Q,
        T,
    )


def self_trials(rnn, trials=20, steps=6, seed=0):
    """Trials whose targets are what the intact network does: its FVU is zero."""
    inputs = np.random.default_rng(seed).normal(size=(trials, steps, rnn.input_size))
    return Trials(inputs, rollout(rnn, inputs).outputs[0])
