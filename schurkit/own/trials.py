"""Trials from a file, and the metric of their task."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from pathlib import Path

import numpy as np

from schurkit.checks import InputError, one_of, real_array
from schurkit.metrics import ACCURACY, FVU, METRICS, Metric
from schurkit.rnn import Trials

from .contents import named, shown
from .files import checked_path, read_arrays

_TRIALS = ("inputs", "targets", "mask", "outputs", "lengths", "h0")
_BY_NAME = METRICS | {"replay": METRICS["replay_accuracy"]}


def load_trials(
    path: str | Path, *, classes: int | None = None, missing: str = "", time_major: bool = False
) -> tuple[Trials, np.ndarray | None]:
    """Trials from an .npz file, and what the reader's own code gave for them.

    Parameters
    ----------
    path : .npz with inputs (trials, time, input) and targets (trials, time, output), or the index
        of a class, (trials, time), (trials, time, 1) or one a trial, (trials), which counts at its
        last step unless a mask says when. Optionally mask, (time), (trials, time), (trials, time,
        1) or (trials, time, output); lengths (trials), steps that count; h0 (trials, hidden) or
        (hidden), where each trial starts; outputs (trials, time, output) or (networks, trials,
        time, output): what the network gave where it was trained, for `check_against`.
    classes : outputs of the network, where targets may be classes; by default those of `outputs`,
        else as many as there are.
    missing : "nan" or a number: cells of this target do not count.
    time_major : whether the axes are (time, trials, …) in every array of trials and time.

    Returns
    -------
    Trials, classes as one-hot targets, and the outputs or None. Numbers keep float32 or float64.

    Raises
    ------
    InputError : not such a file, damaged, or arrays that do not fit together.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> path = os.path.join(tempfile.mkdtemp(), "trials.npz")
    >>> np.savez(path, inputs=np.zeros((5, 3, 2)), targets=np.ones((5, 3, 1)))
    >>> trials, outputs = load_trials(path)
    >>> len(trials), outputs is None
    (5, True)
    """
    marker = _marker(missing)
    with named(path):
        arrays = _arrays(read_arrays(checked_path(path, (".npz",), "trials")), marker)
        outputs = arrays.pop("outputs", None)
        if outputs is not None and outputs.ndim < 3:
            raise InputError(
                f"outputs must have axes (trials, time, output); got shape {outputs.shape}."
            )
        if time_major:
            for name in {"inputs", "targets", "mask"} & arrays.keys():
                if arrays[name].ndim >= 2:
                    arrays[name] = arrays[name].swapaxes(0, 1)
            outputs = None if outputs is None else outputs.swapaxes(-3, -2)
        _check_axes(arrays)
        width = outputs.shape[-1] if classes is None and outputs is not None else classes
        targets, counts = _targets(arrays, marker, width)
        counts = _mask(arrays, counts)
        h0 = arrays.get("h0")
        if h0 is not None and h0.ndim == 1:
            h0 = np.repeat(h0[None], len(targets), axis=0)
        trials = Trials(arrays["inputs"], targets, counts, h0)
        if outputs is not None and outputs.shape[-3:] != trials.targets.shape:
            raise InputError(
                f"outputs must have the shape of the targets, {trials.targets.shape}; got "
                f"{outputs.shape}."
            )
        return trials, outputs


def _marker(missing: str) -> float | None:
    try:
        return float(missing) if missing else None
    except ValueError:
        raise InputError(f"missing must be nan or a number; got {missing!r}.") from None


def _arrays(contents, marker: float | None) -> dict:
    """The arrays of the file, each of finite real numbers; targets whose marker is NaN may hold
    it.
    """
    names = (*contents.arrays, *contents.words)
    if absent := [name for name in ("inputs", "targets") if name not in contents.arrays]:
        raise InputError(
            f"holds no {' and no '.join(absent)}; trials need inputs and targets, and it holds "
            f"{shown(names)}."
        )
    for name in names:
        near = difflib.get_close_matches(name.lower(), _TRIALS, n=1, cutoff=0.75)
        if name not in _TRIALS and near:
            raise InputError(
                f"holds {shown([name])}: did you mean {near[0]}? Rename it or leave it out."
            )
    arrays = {name: contents.arrays[name] for name in _TRIALS if name in contents.arrays}
    for name, array in arrays.items():
        if name == "targets" and array.dtype.kind == "f" and np.isnan(array).any():
            if marker is None or marker == marker:
                raise InputError(
                    "targets hold NaN: pass missing='nan' (--missing nan) where these do not count."
                )
            continue
        arrays[name] = real_array(
            array, name, ("trials", "time", "input") if name == "inputs" else None
        )
        if array.size == 0:
            raise InputError(f"{name} are empty: shape {array.shape}.")
    return arrays


def _check_axes(arrays: dict) -> None:
    """Say so where what is one a trial fits the other axis."""
    sizes = arrays["inputs"].shape[:2]
    for name, axes in (("targets", 2), ("mask", 2), ("lengths", 1), ("h0", 1)):
        shape = arrays[name].shape if name in arrays else ()
        if shape[:axes] == sizes[::-1][:axes] != sizes[:axes] and (name, len(shape)) != ("h0", 1):
            raise InputError(
                f"{name} of shape {shape} beside inputs of {arrays['inputs'].shape}: it looks as "
                "if one of them had its first axis in time. Save all as (trials, time, …), or all "
                "as (time, trials, …) and pass time_major=True (--time-major)."
            )


def _targets(arrays: dict, marker, width: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Targets (trials, time, output), classes as one-hot; and which cells count as far as they
    say.
    """
    targets, time = arrays["targets"], arrays["inputs"].shape[1]
    if targets.ndim == 2 and width == 1:
        targets = targets[..., None]
    counts = targets == targets if marker is None or marker != marker else targets != marker
    values = np.where(counts, targets, 0).astype(targets.dtype, copy=False)
    if targets.ndim == 3 and targets.shape[2] == 1 < (width or 0):
        values, counts = values[..., 0], counts[..., 0]
    if values.ndim not in (1, 2):
        return values, None if counts.all() else counts
    labels, width = values, int(values.max()) + 1 if width is None else width
    wrong = (labels < 0) | (labels != np.rint(labels)) | (labels >= width)
    if wrong.any():
        raise InputError(
            f"targets of shape {targets.shape} must be classes from 0 to {width - 1}, or numbers "
            f"with axes (trials, time, output); got {labels[wrong][0]:g}. If that marks what does "
            f"not count, pass missing='{labels[wrong][0]:g}' (--missing {labels[wrong][0]:g})."
        )
    if labels.ndim == 1:  # one class a trial
        ends = arrays["lengths"] if "lengths" in arrays else np.full(len(labels), time)
        labels = np.repeat(labels[:, None], time, axis=1)
        last = np.arange(time) == np.reshape(ends, (-1, 1)) - 1
        counts = counts[:, None] & (last if "mask" not in arrays else True)
    return np.eye(width, dtype=np.float32)[labels.astype(int)], counts[..., None]


def _mask(arrays: dict, counts: np.ndarray | None) -> np.ndarray | None:
    """What counts by mask, lengths and targets together; None for all."""
    parts = [arrays.get("mask"), counts]
    if "lengths" in arrays:
        lengths, (trials, time) = arrays["lengths"], arrays["inputs"].shape[:2]
        time = max(time, arrays["targets"].shape[1] if arrays["targets"].ndim > 1 else 0)
        whole = lengths.shape == (trials,) and (lengths == np.rint(lengths)).all()
        if not whole or lengths.min() < 1 or lengths.max() > time:
            raise InputError(
                f"lengths must hold a whole number from 1 to {time} for each of {trials} trials; "
                f"got shape {lengths.shape}, from {lengths.min():g} to {lengths.max():g}."
            )
        parts.insert(1, np.arange(time) < lengths[:, None])
    if not (parts := [part for part in parts if part is not None]):
        return None
    if any(part.ndim == 3 for part in parts):
        parts = [part if part.ndim == 3 else part[..., None] for part in parts]
    try:
        mask = parts[0] if len(parts) == 1 else np.logical_and.reduce(np.broadcast_arrays(*parts))
    except ValueError:
        raise InputError(
            f"mask of shape {parts[0].shape} does not fit what else says which steps count, "
            f"{parts[1].shape}: it must have axes (time), (trials, time) or those of the targets."
        ) from None
    return mask[..., 0] if mask.ndim == 3 and mask.shape[2] == 1 else mask


# --------------------------------------------------------------------------- the metric of the task
def metric_of(choice: str, trials: Trials) -> Metric:
    """The metric that a task is measured by.

    Parameters
    ----------
    choice : "fvu", "accuracy", "replay", "module:function", a function of (outputs (networks,
        trials, time, output), trials) that gives a value a network, or a `Metric`, of a module of
        the reader's own; empty for accuracy where targets are classes, and FVU elsewhere.
    trials : of the task. Whether more of a function is better, and its chance, are those of the
        targets themselves beside their mean.

    Raises
    ------
    InputError : no such metric, or one that cannot tell the targets from their mean.
    """
    if not choice:
        return ACCURACY if holds_classes(trials) else FVU
    module, colon, name = choice.partition(":")
    if not colon:
        return _BY_NAME[one_of(choice, "metric", (*_BY_NAME, "module:function"))]
    function = _imported(module, name, choice)
    if isinstance(function, Metric):
        return function

    def measured(outputs, trials):
        try:
            values = np.asarray(function(outputs, trials), dtype=np.float64)
        except Exception as error:  # whatever the reader's code raises
            raise InputError(
                f"metric {choice} failed with {type(error).__name__}: {error}."
            ) from None
        if values.shape != (len(outputs),):
            raise InputError(
                f"metric {choice} must give one value a network, shape ({len(outputs)},); got "
                f"{values.shape}."
            )
        return values

    ideal = np.stack([trials.targets, np.broadcast_to(trials.mean_target, trials.targets.shape)])
    best, chance = measured(ideal, trials)
    if not (np.isfinite(best) and np.isfinite(chance) and best != chance):
        raise InputError(
            f"metric {choice} gives {best:g} for the targets themselves and {chance:g} for their "
            "mean, so that nobody knows which is better: name a schurkit.metrics.Metric instead."
        )
    return Metric(name, measured, "lower" if best < chance else "higher", float(chance))


def holds_classes(trials: Trials) -> bool:
    """Whether the targets that count are one-hot."""
    targets = trials.targets[trials.counted]
    whole = targets.shape[-1] > 1 and np.isin(targets, (0, 1)).all()
    return bool(whole and (targets.sum(axis=-1) == 1).all())


def _imported(module: str, name: str, choice: str):
    sys.path.append(os.getcwd())
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the reader's module raises
        raise InputError(
            f"metric {choice} cannot be imported ({type(error).__name__}: {error}): it must name "
            "a function of a module in this folder or on the path."
        ) from None
    finally:
        sys.path.pop()
