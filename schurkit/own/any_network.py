"""Any network at all: one square matrix of it, and a way to run it with another matrix in that
place. `measure` and `ablation_profile` take these two for networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from schurkit.checks import InputError, checked_leak, read_only, real_array, shared_trials
from schurkit.rnn import Trials

from .contents import shown


class _NoEquation(InputError, AttributeError):
    """Asked of a network of which nothing but one matrix is known."""


@dataclass(frozen=True, eq=False, repr=False)
class AnyNetwork:
    """A network of which one recurrent matrix is known, and how to run it; made by `from_module`
    and `from_callable`.

    Parameters
    ----------
    W_rec : (1, units, units) float64, columns drive rows.
    run : (W (units, units) in `dtype`, trials) → outputs (trials, time, output).
    name : of the matrix.
    source : what it belongs to, in words.
    leak : dt/τ of the units, one number or (units,).
    dtype : float32 or float64, of the matrices that `run` is given.
    """

    W_rec: np.ndarray
    run: Callable[[np.ndarray, Trials], np.ndarray]
    name: str
    source: str
    leak: float | np.ndarray
    dtype: np.dtype
    D = None

    @classmethod
    def of(cls, W, run, name, source, leak) -> AnyNetwork:
        """The network of one matrix W (units, units), checked."""
        W = real_array(W, name, ("units", "units"))
        if not W.size:
            raise InputError(f"{name} must hold at least one unit; got shape {W.shape}.")
        leak = checked_leak(leak, len(W))
        return cls(read_only(W[None].astype(float)), run, name, source, leak, W.dtype)

    def __len__(self) -> int:
        return 1

    def __iter__(self):
        return iter((self,))

    def __repr__(self) -> str:
        leak = f"leak={self.leak:g}" if np.ndim(self.leak) == 0 else "leak per unit"
        size = f"{self.hidden_size} × {self.hidden_size}"
        return f"AnyNetwork({self.name} of {self.source}, {size}, {leak}, {self.dtype})"

    def __getattr__(self, name: str):
        raise _NoEquation(
            f"{self!r} has no {shown([name])}: only its outputs are known. schurkit.measure and "
            "schurkit.ablation_profile take it; what else asks for a network needs an RNN."
        )

    @property
    def hidden_size(self) -> int:
        return self.W_rec.shape[1]

    @property
    def labels(self) -> tuple[str]:
        return (self.name,)

    def outputs_with(self, W, trials: Trials) -> np.ndarray:
        """What the network gives with other matrices in the place of its own.

        Parameters
        ----------
        W : (variants, units, units)
        trials : shared trials.

        Returns
        -------
        (variants, trials, time, output), one variant run after the other.

        Raises
        ------
        InputError : outputs that do not fit the targets.
        """
        shared_trials(trials, "outputs_with")
        # one array from the start: small ones kept between large ones would tear the heap
        outputs = np.empty((len(W), *trials.targets.shape), self.dtype)
        for variant, one in zip(outputs, W):
            variant[:] = self._outputs(one.astype(self.dtype), trials)
        return outputs

    def _outputs(self, W, trials):
        outputs, shape = np.asarray(self.run(W, trials)), trials.targets.shape
        if outputs.dtype.kind not in "fiub" or outputs.shape != shape:
            raise InputError(
                f"{self.source} gave outputs of shape {outputs.shape} ({outputs.dtype}); expected "
                "real numbers with axes (trials, time, output) like the targets, "
                f"{shape}.{_advice(outputs, shape)}"
            )
        return outputs


def _advice(outputs, shape) -> str:
    """What to do about outputs of one step a trial, or time-major ones."""
    if outputs.shape in ((shape[0], shape[2]), (shape[0], 1, shape[2])):
        return (
            " If this is the last step of each trial, repeat it over time and count that step "
            f"alone, with a mask: y.reshape({shape[0]}, 1, {shape[2]}).repeat(1, {shape[1]}, 1)."
        )
    if outputs.shape == (shape[1], shape[0], shape[2]):
        return " These look time-major: swap the first two axes."
    return ""


def from_callable(W: ArrayLike, run: Callable, leak: float = 1.0) -> AnyNetwork:
    """A network of any framework (JAX, Keras, brian, a loop of one's own), from its recurrent
    matrix and a function that runs it.

    Parameters
    ----------
    W : (units, units) recurrent weights, columns drive rows: h_t = φ(W h_{t−1} + …). Where the
        code multiplies from the left, h @ W, give W.T and let `run` transpose back.
    run : run(W) → outputs (trials, time, output) on the trials that the profile is asked for, with
        that matrix in the place of W; W comes as a NumPy array of the given dtype. Noise must be
        the same at each call (a seed set inside), or it is taken for an effect.
    leak : dt/τ of the units, one number or (units,): the Schur form is of (1 − leak) I + leak W.

    Returns
    -------
    AnyNetwork

    Raises
    ------
    InputError : not one square matrix of finite numbers, or nothing that can be called.

    Examples
    --------
    >>> from schurkit import Trials, ablation_profile
    >>> trials = Trials(np.ones((1, 3, 1)), np.arange(3.0).reshape(1, 3, 1))
    >>> network = from_callable([[0.5, 1.0], [0.0, 0.5]], lambda W: trials.targets * W[0, 1])
    >>> network
    AnyNetwork(W of <lambda>, 2 × 2, leak=1, float64)
    """
    if not callable(run):
        raise InputError(f"run must be a function of W that gives outputs; got {run!r:.60}.")
    source = getattr(run, "__name__", type(run).__name__)
    return AnyNetwork.of(np.asarray(W), lambda W, trials: run(W), "W", source, leak)
