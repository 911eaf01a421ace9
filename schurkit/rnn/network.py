"""Stacks of networks, and their equation."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from schurkit.checks import InputError, checked_leak, one_of, read_only, real_array

from .activations import ACTIVATE, ACTIVATIONS, SLOPE

FORMS = ("rate", "voltage")
ARRAYS = ("W_in", "W_rec", "W_out", "b_rec", "b_out", "h0")
VOLTAGE_ONLY = ("D", "c", "psi")
_AXES = {
    "W_rec": ("hidden", "hidden"),
    "W_out": ("output", "hidden"),
    "W_in": ("hidden", "input"),
    "b_rec": ("hidden",),
    "b_out": ("output",),
    "h0": ("hidden",),
    "D": ("hidden",),
    "c": ("hidden",),
}


@dataclass(frozen=True, eq=False)
class RNN:
    """A stack of equally shaped one-layer recurrent networks; a single network is a stack of one.

    With φ the activation, a the leak and time step t = 1, 2, …::

        rate:     h_t = (1 − a) h_{t−1} + a φ(W_rec h_{t−1} + W_in x_t + b_rec)
                  y_t = W_out h_t + b_out
        voltage:  v_t = D v_{t−1} + a (W_rec φ(v_{t−1} + c) + W_in x_t + b_rec)
                  y_t = W_out ψ(v_t) + b_out

    Columns drive rows, as in ``torch.nn.RNN.weight_hh_l0``.

    Parameters
    ----------
    W_in : (networks, hidden, input)
    W_rec : (networks, hidden, hidden)
    W_out : (networks, output, hidden)
    b_rec, b_out, h0 : (networks, hidden), (networks, output), (networks, hidden); zero when left
        out. In the voltage form ``h0`` is the voltage at time 0.
    activation : φ, one of `ACTIVATIONS`.
    leak : dt/τ, one number or one a unit, in (0, 1].
    form : "rate" or "voltage".
    labels : one name a network (its seed, or what was removed); 0, 1, … when left out.
    D : (hidden) or (networks, hidden), what of a voltage stays for a step, diagonal; 1 − leak when
        left out. A piecewise-linear RNN has leak 1 and a D of its own. Voltage form only, as c and
        psi.
    c : (hidden) or (networks, hidden), a bias inside the activation; none when left out.
    psi : ψ, what of a voltage is read out, one of `ACTIVATIONS` ("identity" reads the voltage
        itself); φ when left out.

    A single network may be given without the networks axis (2-D weights, 1-D biases). All arrays
    are stored read-only in one dtype: float64 if any of them is float64, else float32.

    Raises
    ------
    InputError : shapes that disagree, values that are not finite real numbers, an unknown
        activation or form, or D, c or psi in the rate form.

    Examples
    --------
    >>> import numpy as np
    >>> rnn = RNN(np.ones((4, 2)), np.eye(4), np.ones((1, 4)))
    >>> len(rnn), rnn.hidden_size, rnn.input_size, rnn.output_size
    (1, 4, 2, 1)
    """

    W_in: np.ndarray
    W_rec: np.ndarray
    W_out: np.ndarray
    b_rec: np.ndarray | None = None
    b_out: np.ndarray | None = None
    h0: np.ndarray | None = None
    activation: str = "tanh"
    leak: float | np.ndarray = 1.0
    form: str = "rate"
    labels: tuple[Hashable, ...] | None = None
    D: np.ndarray | None = None
    c: np.ndarray | None = None
    psi: str | None = None

    def __post_init__(self):
        one_of(self.activation, "activation", ACTIVATIONS)
        one_of(self.form, "form", FORMS)
        one_of(self.activation if self.psi is None else self.psi, "psi", ACTIVATIONS)
        for name in VOLTAGE_ONLY:
            if self.form == "rate" and getattr(self, name) is not None:
                raise InputError(
                    f"{name} belongs to the voltage form, and form is 'rate'. Leave {name} out, or "
                    "set form='voltage'."
                )
        arrays = self._checked()
        for name, array in arrays.items():
            object.__setattr__(self, name, read_only(array))
        networks, hidden = arrays["W_rec"].shape[:2]
        object.__setattr__(self, "leak", checked_leak(self.leak, hidden))
        labels = tuple(range(networks)) if self.labels is None else tuple(self.labels)
        if len(labels) != networks:
            raise InputError(
                f"labels must name each of the {networks} networks; got {len(labels)}."
            )
        object.__setattr__(self, "labels", labels)

    def _checked(self):
        """Every array with a networks axis; b_rec, b_out and h0 also where they were left out."""
        given, single = self.arrays, np.ndim(self.W_rec) == 2
        dtype = np.result_type(*map(np.asarray, given.values()))
        dtype = np.float32 if dtype == np.float32 else np.float64
        arrays, sizes = {}, {}
        for name, axes in _AXES.items():
            every = "networks", *axes
            if name not in given:
                if name not in VOLTAGE_ONLY:
                    arrays[name] = np.zeros([sizes[axis] for axis in every], dtype)
                continue
            one = single or (name in VOLTAGE_ONLY and np.ndim(given[name]) == 1)
            array = real_array(given[name], name, axes if one else every, dtype=dtype)
            array = array[None] if one else array
            if one and not single:
                array = np.repeat(array, sizes["networks"], axis=0)
            if name == "W_rec" and not array.size:
                raise InputError(
                    "W_rec must hold at least one network of at least one unit; got shape "
                    f"{np.shape(self.W_rec)}."
                )
            for axis, size in zip(every, array.shape):
                sizes.setdefault(axis, size)
            expected = tuple(sizes[axis] for axis in every)
            if array.shape != expected:
                beside = " and ".join(f"{n} {a.shape}" for n, a in [*arrays.items()][:2])
                raise InputError(
                    f"{name} must have shape {expected} (networks, …) to fit {beside}; got "
                    f"{array.shape}."
                )
            arrays[name] = array
        return arrays

    def __len__(self) -> int:
        return self.W_rec.shape[0]

    def __getitem__(self, index) -> RNN:
        """The network or networks at a position, slice or list of positions, still as a stack."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"network {index} of a stack of {len(self)}")
            index = slice(index, index + 1 or None)
        labels = tuple(np.array([*self.labels, None], dtype=object)[:-1][index])
        arrays = {name: array[index] for name, array in self.arrays.items()}
        return replace(self, **arrays, labels=labels)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        leak = f", leak={self.leak:g}" if np.ndim(self.leak) == 0 else ", leak per unit"
        sizes = f"{len(self)} × {self.input_size} → {self.hidden_size} → {self.output_size}"
        return f"RNN({sizes}, {self.activation}, {self.form}{leak}, {self.dtype})"

    @property
    def hidden_size(self) -> int:
        return self.W_rec.shape[1]

    @property
    def input_size(self) -> int:
        return self.W_in.shape[2]

    @property
    def output_size(self) -> int:
        return self.W_out.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.W_rec.dtype

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name: the six of `ARRAYS`, and D and c where the network has them."""
        every = {name: getattr(self, name) for name in (*ARRAYS, "D", "c")}
        return {name: array for name, array in every.items() if array is not None}

    def activate(self, x) -> np.ndarray:
        """φ(x), elementwise."""
        return ACTIVATE[self.activation](x)

    # States and drives of the following have axes (networks, points, units).
    def drive(self, x) -> np.ndarray:
        """W_in x + b_rec of inputs x (networks or 1, points, input)."""
        return x @ self.W_in.transpose(0, 2, 1) + self.b_rec[:, None]

    def rates(self, state) -> np.ndarray:
        """What W_rec multiplies: h in the rate form, φ(v + c) in the voltage form."""
        if self.form == "rate":
            return state
        return self.activate(state if self.c is None else state + self.c[:, None])

    def readout(self, state) -> np.ndarray:
        """What W_out multiplies: h in the rate form, ψ(v) in the voltage form."""
        return state if self.form == "rate" else ACTIVATE[self.psi or self.activation](state)

    def outputs(self, state) -> np.ndarray:
        """y of states."""
        return self.readout(state) @ self.W_out.transpose(0, 2, 1) + self.b_out[:, None]

    @property
    def decay(self) -> np.ndarray | float:
        """By what a state is multiplied in a step: D, or 1 − leak."""
        return 1 - self.leak if self.D is None else self.D[:, None]

    def step(self, state, drive) -> np.ndarray:
        """The state after a step, F(state), from the state before it and `drive`."""
        total = self.rates(state) @ self.W_rec.transpose(0, 2, 1) + drive
        total = total if self.form == "voltage" else self.activate(total)
        return self.decay * state + self.leak * total

    def jacobian(self, state, drive) -> np.ndarray:
        """DF, (networks, points, units, units): entry (i, j) is ∂F_i/∂state_j."""
        leak, W_rec = np.broadcast_to(self.leak, (self.hidden_size,)), self.W_rec[:, None]
        slope = SLOPE[self.activation]
        if self.form == "voltage":
            slopes = slope(self.rates(state))
            derivative = leak[:, None] * W_rec * slopes[..., None, :]
        else:
            rate = self.activate(state @ self.W_rec.transpose(0, 2, 1) + drive)
            derivative = (leak * slope(rate))[..., None] * W_rec
        np.einsum("...ii->...i", derivative)[...] += self.decay
        return derivative

    def labelled(self, label) -> RNN:
        """The one network of that label, as a stack of one.

        Raises
        ------
        InputError : no network, or more than one, has the label.
        """
        found = [i for i, name in enumerate(self.labels) if name == label]
        if len(found) != 1:
            raise InputError(
                f"expected one network labelled {label!r}; found {len(found)} among "
                f"{_shorten(self.labels)}."
            )
        return self[found[0]]

    def astype(self, dtype) -> RNN:
        """The same networks in float32 or float64."""
        dtype = np.dtype(dtype)
        one_of(dtype.name, "dtype", ("float32", "float64"))
        if dtype == self.dtype:
            return self
        return replace(self, **{name: array.astype(dtype) for name, array in self.arrays.items()})

    def with_W_rec(self, W_rec, labels: Sequence[Hashable] | None = None) -> RNN:
        """The same network with other recurrent matrices.

        Parameters
        ----------
        W_rec : (networks, hidden, hidden) or (hidden, hidden). A stack of one is repeated to as
            many networks as there are matrices: input, readout, biases and start stay what they
            are.
        labels : names of the new networks; by default the present ones where the number is
            unchanged.

        Examples
        --------
        >>> import numpy as np
        >>> rnn = RNN(np.ones((4, 2)), np.eye(4), np.ones((1, 4)))
        >>> rnn.with_W_rec(np.zeros((3, 4, 4)), labels=["a", "b", "c"]).labels
        ('a', 'b', 'c')
        """
        W_rec = np.asarray(W_rec)
        W_rec = W_rec[None] if W_rec.ndim == 2 else W_rec
        if (
            W_rec.ndim != 3
            or W_rec.shape[1:] != self.W_rec.shape[1:]
            or (len(self) != 1 and len(W_rec) != len(self))
        ):
            raise InputError(
                f"with_W_rec needs W_rec of shape (networks, {self.hidden_size}, "
                f"{self.hidden_size}) for {len(self)} network(s); got {W_rec.shape}."
            )
        repeat = np.zeros(len(W_rec), dtype=int) if len(self) == 1 else slice(None)
        if labels is None:
            labels = self.labels if len(W_rec) == len(self) else None
        arrays = {name: array[repeat] for name, array in self.arrays.items()}
        arrays["W_rec"] = W_rec.astype(np.result_type(W_rec, self.dtype), copy=False)
        return replace(self, **arrays, labels=labels)

    @classmethod
    def stack(cls, networks: Sequence[RNN]) -> RNN:
        """One stack of several stacks of equal shape and kind, in the given order, labels kept."""
        networks = list(networks)
        if not networks:
            raise InputError("RNN.stack needs at least one network; got none.")
        first = networks[0]
        for other in networks[1:]:
            kinds = [
                (r.activation, r.form, r.psi, {n: a.shape[1:] for n, a in r.arrays.items()})
                for r in (first, other)
            ]
            if kinds[0] != kinds[1] or not np.array_equal(first.leak, other.leak):
                raise InputError(
                    f"RNN.stack needs networks of one shape and kind; got {first!r} and {other!r}."
                )
        labels = tuple(label for r in networks for label in r.labels)
        joined = {name: np.concatenate([r.arrays[name] for r in networks]) for name in first.arrays}
        return replace(first, **joined, labels=labels)


def _shorten(labels, most=6):
    shown = ", ".join(map(repr, labels[:most]))
    return shown + (f", … ({len(labels)} in all)" if len(labels) > most else "")
