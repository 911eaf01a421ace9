"""Argument checks whose messages say what was expected, what came, and what to do about it."""

from __future__ import annotations

import numpy as np


class InputError(ValueError):
    """The caller's input is wrong; the message is one clear line. The command line turns it into
    exit code 2.
    """


def real_array(value, name: str, axes: tuple[str, ...] | None = None, *, dtype=None) -> np.ndarray:
    """Return `value` as a finite floating-point array with the named axes.

    Parameters
    ----------
    value : array-like of real numbers.
    name : what the caller calls it, for the message.
    axes : the expected axes in words, e.g. ``("hidden", "hidden")``; equal words must have equal
        sizes.
    dtype : floating dtype of the result; by default float32 and float64 are kept and everything
        else becomes float64.

    Raises
    ------
    InputError : not numeric, complex, wrong number of axes, unequal sizes, or NaN or infinity
        inside.
    """
    array = np.asarray(value)
    if array.dtype.kind == "c":
        raise InputError(f"{name} must be real; got complex numbers ({array.dtype}).")
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} must be an array of real numbers; got dtype {array.dtype}.")
    if dtype is None:
        dtype = array.dtype if array.dtype in (np.float32, np.float64) else np.float64
    if axes is not None:
        expected = f"({', '.join(axes)})"
        if array.ndim != len(axes):
            raise InputError(
                f"{name} must have axes {expected}; got an array of shape {array.shape}."
            )
        sizes: dict[str, int] = {}
        for word, size in zip(axes, array.shape):
            if sizes.setdefault(word, size) != size:
                raise InputError(
                    f"{name} must have axes {expected}, with equal sizes for '{word}'; got shape "
                    f"{array.shape}."
                )
    array = array.astype(dtype, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(
            f"{name} must be finite; it holds {int((~finite).sum())} NaN or infinite values, the "
            f"first at {where}."
        )
    return array


def one_of(value, name: str, options) -> object:
    """Return `value` if it is among `options`, else raise InputError that lists them."""
    options = tuple(options)
    if value not in options:
        raise InputError(f"{name} must be one of {', '.join(map(repr, options))}; got {value!r}.")
    return value


def boolean(value, name: str) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False; got {value!r}.")
    return bool(value)


def one_network(rnn, function: str) -> None:
    """Raise InputError unless a stack holds one network; `function` is what asks for it."""
    if len(rnn) != 1:
        raise InputError(
            f"{function} needs one network (a stack of one); got {len(rnn)}. Take rnn[i]."
        )


def shared_trials(trials, function: str) -> None:
    """Raise InputError if networks have trials of their own."""
    if trials.networks is not None:
        raise InputError(
            f"{function} needs trials that all networks share; got trials with a networks axis."
        )


def suited_trials(trials, rnn, function: str) -> None:
    """Raise InputError unless the trials are shared and have the inputs and outputs of the
    networks.
    """
    shared_trials(trials, function)
    sizes = trials.inputs.shape[-1], trials.targets.shape[-1]
    if sizes != (rnn.input_size, rnn.output_size):
        raise InputError(
            f"{function} needs trials of {rnn.input_size} input(s) and {rnn.output_size} "
            f"output(s), as the networks; got {sizes[0]} and {sizes[1]}."
        )


def integer(value, name: str, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """Return `value` as an int within its bounds (booleans and fractions are refused)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise InputError(f"{name} must be a whole number; got {value!r}.")
    if (at_least is not None and value < at_least) or (at_most is not None and value > at_most):
        raise InputError(f"{name} must be {_bounds(at_least, at_most)}; got {value}.")
    return int(value)


def number(
    value,
    name: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
) -> float:
    """Return `value` as a finite float within its bounds."""
    if (
        isinstance(value, (bool, np.bool_))
        or not isinstance(value, (int, float, np.integer, np.floating))
        or not np.isfinite(value)
    ):
        raise InputError(f"{name} must be a finite number; got {value!r}.")
    if above is not None and not value > above:
        raise InputError(f"{name} must be above {above}; got {value}.")
    if (at_least is not None and value < at_least) or (at_most is not None and value > at_most):
        raise InputError(f"{name} must be {_bounds(at_least, at_most)}; got {value}.")
    return float(value)


def _bounds(at_least, at_most) -> str:
    if at_most is None:
        return f"at least {at_least}"
    if at_least is None:
        return f"at most {at_most}"
    return f"between {at_least} and {at_most}"


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a C-contiguous array that cannot be written through."""
    array = (
        np.array(array, order="C")
        if not array.flags.c_contiguous or array.flags.writeable
        else array
    )
    array.setflags(write=False)
    return array


def checked_leak(leak, hidden: int):
    """dt/τ, one number or one a unit, in (0, 1]."""
    if np.ndim(leak) == 0:
        return number(
            leak.item() if isinstance(leak, np.ndarray) else leak, "leak", above=0, at_most=1
        )
    leak = real_array(leak, "leak", ("hidden",), dtype=np.float64)
    if leak.shape != (hidden,) or (leak <= 0).any() or (leak > 1).any():
        raise InputError(
            f"leak must be one number, or {hidden} (one a unit), in (0, 1]; got shape "
            f"{leak.shape}, from {leak.min()} to {leak.max()}."
        )
    return read_only(leak)
