"""The values that everything else passes around: stacks of networks, trials, and what a rollout
returns.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .checks import InputError, checked_leak, one_of, read_only, real_array

ACTIVATIONS = ("tanh", "relu")
FORMS = ("rate", "voltage")
ARRAYS = ("W_in", "W_rec", "W_out", "b_rec", "b_out", "h0")


@dataclass(frozen=True, eq=False)
class RNN:
    """A stack of equally shaped one-layer recurrent networks; a single network is a stack of one.

    With φ the activation and time step t = 1, 2, …::

        rate:     h_t = (1 − leak) h_{t−1} + leak φ(W_rec h_{t−1} + W_in x_t + b_rec),      y_t =
        W_out h_t + b_out voltage:  v_t = (1 − leak) v_{t−1} + leak (W_rec φ(v_{t−1}) + W_in x_t +
        b_rec),    y_t = W_out φ(v_t) + b_out

    Columns drive rows, as in ``torch.nn.RNN.weight_hh_l0``.

    Parameters
    ----------
    W_in : (networks, hidden, input)
    W_rec : (networks, hidden, hidden)
    W_out : (networks, output, hidden)
    b_rec, b_out, h0 : (networks, hidden), (networks, output), (networks, hidden); zero when left
        out. In the voltage form ``h0`` is the voltage at time 0.
    activation : "tanh" or "relu".
    leak : dt/τ, one number or one a unit, in (0, 1].
    form : "rate" or "voltage".
    labels : one name a network (its seed, or what was removed); 0, 1, … when left out.

    A single network may be given without the networks axis (2-D weights, 1-D biases). All arrays
    are stored read-only in one dtype: float64 if any of them is float64, else float32.

    Raises
    ------
    InputError : shapes that disagree, values that are not finite real numbers, or an unknown
        activation or form.

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

    def __post_init__(self):
        one_of(self.activation, "activation", ACTIVATIONS)
        one_of(self.form, "form", FORMS)
        given = {name: getattr(self, name) for name in ARRAYS}
        single = np.ndim(given["W_rec"]) == 2
        dtype = np.result_type(*(np.asarray(a) for a in given.values() if a is not None))
        dtype = np.float32 if dtype == np.float32 else np.float64
        lead = () if single else ("networks",)
        arrays = {}
        for name, axes in (
            ("W_rec", ("hidden", "hidden")),
            ("W_in", ("hidden", "input")),
            ("W_out", ("output", "hidden")),
            ("b_rec", ("hidden",)),
            ("b_out", ("output",)),
            ("h0", ("hidden",)),
        ):
            if given[name] is not None:
                array = real_array(given[name], name, (*lead, *axes), dtype=dtype)
                arrays[name] = array[None] if single else array
        networks, hidden = arrays["W_rec"].shape[:2]
        output = arrays["W_out"].shape[1]
        if 0 in arrays["W_rec"].shape:
            raise InputError(
                "W_rec must hold at least one network of at least one unit; got shape "
                f"{np.shape(given['W_rec'])}."
            )
        arrays.setdefault("b_rec", np.zeros((networks, hidden), dtype))
        arrays.setdefault("b_out", np.zeros((networks, output), dtype))
        arrays.setdefault("h0", np.zeros((networks, hidden), dtype))
        self._check_sizes(arrays, networks, hidden, output)
        for name, array in arrays.items():
            object.__setattr__(self, name, read_only(array))
        object.__setattr__(self, "leak", checked_leak(self.leak, hidden))
        labels = tuple(range(networks)) if self.labels is None else tuple(self.labels)
        if len(labels) != networks:
            raise InputError(
                f"labels must name each of the {networks} networks; got {len(labels)}."
            )
        object.__setattr__(self, "labels", labels)

    @staticmethod
    def _check_sizes(arrays, networks, hidden, output):
        expected = {
            "W_in": (networks, hidden, arrays["W_in"].shape[-1]),
            "W_out": (networks, output, hidden),
            "b_rec": (networks, hidden),
            "b_out": (networks, output),
            "h0": (networks, hidden),
        }
        for name, shape in expected.items():
            if arrays[name].shape != shape:
                beside = f"W_rec {arrays['W_rec'].shape} and W_out {arrays['W_out'].shape}"
                raise InputError(
                    f"{name} must have shape {shape} (networks, …) to fit {beside}; got "
                    f"{arrays[name].shape}."
                )

    def __len__(self) -> int:
        return self.W_rec.shape[0]

    def __getitem__(self, index) -> RNN:
        """The network or networks at a position, slice or list of positions, still as a stack."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"network {index} of a stack of {len(self)}")
            index = slice(index, index + 1 or None)
        labels = tuple(np.array([*self.labels, None], dtype=object)[:-1][index])
        return replace(self, **{name: getattr(self, name)[index] for name in ARRAYS}, labels=labels)

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

    def activate(self, x) -> np.ndarray:
        """φ(x), elementwise: of a pre-activation in the rate form, of a voltage in the voltage
        form.
        """
        return np.tanh(x) if self.activation == "tanh" else np.maximum(x, 0)

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
        return (
            self
            if dtype == self.dtype
            else replace(self, **{name: getattr(self, name).astype(dtype) for name in ARRAYS})
        )

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
        fields = {name: getattr(self, name)[repeat] for name in ARRAYS if name != "W_rec"}
        return replace(
            self,
            **fields,
            W_rec=W_rec.astype(np.result_type(W_rec, self.dtype), copy=False),
            labels=labels,
        )

    @classmethod
    def stack(cls, networks: Sequence[RNN]) -> RNN:
        """One stack of several stacks of equal shape and kind, in the given order, labels kept."""
        networks = list(networks)
        if not networks:
            raise InputError("RNN.stack needs at least one network; got none.")
        first = networks[0]
        for other in networks[1:]:
            kinds = [
                (r.activation, r.form, r.input_size, r.hidden_size, r.output_size)
                for r in (first, other)
            ]
            if kinds[0] != kinds[1] or not np.array_equal(first.leak, other.leak):
                raise InputError(
                    f"RNN.stack needs networks of one shape and kind; got {first!r} and {other!r}."
                )
        labels = tuple(label for r in networks for label in r.labels)
        return replace(
            first,
            **{name: np.concatenate([getattr(r, name) for r in networks]) for name in ARRAYS},
            labels=labels,
        )


@dataclass(frozen=True, eq=False)
class Trials:
    """Inputs and targets of a task.

    Parameters
    ----------
    inputs : (trials, time, input), shared by all networks, or (networks, trials, time, input).
    targets : (trials, time, output) or (networks, trials, time, output). Where targets run on after
        the inputs have ended, the network runs **autonomously**: its input is zero there.
    mask : which time steps count: (time), (trials, time) or (networks, trials, time), zeros and
        ones; all when left out.

    Raises
    ------
    InputError : shapes that disagree, values that are not finite, or a mask that leaves nothing.
    """

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray | None = None

    def __post_init__(self):
        inputs, targets = (real_array(getattr(self, name), name) for name in ("inputs", "targets"))
        for name, array in (("inputs", inputs), ("targets", targets)):
            if array.ndim not in (3, 4):
                axes = f"trials, time, {name[:-1]}"
                raise InputError(
                    f"{name} must have axes ({axes}) or (networks, {axes}); got shape "
                    f"{array.shape}."
                )
            if array.shape[-3] == 0:
                raise InputError(f"{name} must hold at least one trial; got shape {array.shape}.")
        if inputs.ndim != targets.ndim or inputs.shape[:-2] != targets.shape[:-2]:
            raise InputError(
                f"inputs and targets must hold the same trials; got shapes {inputs.shape} and "
                f"{targets.shape}."
            )
        if inputs.shape[-2] > targets.shape[-2] or targets.shape[-2] == 0:
            raise InputError(
                f"targets must cover every input step; got {targets.shape[-2]} target steps and "
                f"{inputs.shape[-2]} input steps."
            )
        mask = np.ones(targets.shape[-2]) if self.mask is None else real_array(self.mask, "mask")
        shapes = (targets.shape[-2:-1], targets.shape[-3:-1], targets.shape[:-1])
        if mask.shape not in shapes:
            raise InputError(
                f"mask must have shape {' or '.join(map(str, dict.fromkeys(shapes)))}; got "
                f"{mask.shape}."
            )
        if not np.isin(mask, (0, 1)).all():
            raise InputError("mask must hold zeros and ones only.")
        if not mask.any():
            raise InputError("mask leaves no time step to measure.")
        object.__setattr__(self, "inputs", read_only(inputs))
        object.__setattr__(self, "targets", read_only(targets))
        object.__setattr__(self, "mask", read_only(mask.astype(bool)))

    def __len__(self) -> int:
        """Number of trials."""
        return self.targets.shape[-3]

    @cached_property
    def counted(self) -> np.ndarray:
        """Which steps count, (trials, time) or (networks, trials, time): the mask, written out for
        each trial.
        """
        return read_only(np.broadcast_to(self.mask, self.targets.shape[:-1]))

    @cached_property
    def mean_target(self) -> np.ndarray:
        """Mean target of each output over counted steps, (output) or (networks, output),
        float64.
        """
        counted = self.counted[..., None]
        return read_only(
            (self.targets.astype(np.float64) * counted).sum(axis=(-3, -2))
            / counted.sum(axis=(-3, -2))
        )

    @cached_property
    def total_variance(self) -> np.ndarray:
        """Σ‖y − ȳ‖² over counted steps, what FVU divides by: a number, or (networks,); 0 where the
        targets do not vary.
        """
        counted = self.counted[..., None]
        deviations = (self.targets - self.mean_target[..., None, None, :]) * counted
        low = np.min(self.targets, axis=(-3, -2), where=counted, initial=np.inf)
        high = np.max(self.targets, axis=(-3, -2), where=counted, initial=-np.inf)
        # a rounded mean is no variance
        return np.where((low < high).any(axis=-1), (deviations**2).sum(axis=(-3, -2, -1)), 0.0)

    @property
    def autonomous(self) -> int:
        """Number of steps that run on after the inputs have ended."""
        return self.targets.shape[-2] - self.inputs.shape[-2]

    @property
    def networks(self) -> int | None:
        """Number of networks that have trials of their own; None when the trials are shared."""
        return self.targets.shape[0] if self.targets.ndim == 4 else None


@dataclass(frozen=True, eq=False)
class Rollout:
    """What a stack of networks did.

    outputs : (networks, trials, time, output)
    states : (networks, trials, time, units) h (rate form) or v (voltage form) after each step; None
        unless asked for.
    labels : the networks' labels.
    """

    outputs: np.ndarray
    states: np.ndarray | None
    labels: tuple[Hashable, ...]


def _shorten(labels, most: int = 6) -> str:
    shown = ", ".join(map(repr, labels[:most]))
    return shown + (f", … ({len(labels)} in all)" if len(labels) > most else "")
