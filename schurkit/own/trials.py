"""Trials from a file."""

from __future__ import annotations

import difflib

import numpy as np

from schurkit.checks import InputError, real_array
from schurkit.rnn import Trials

from .files import checked_path, named, read_arrays, shown

_TRIALS = ("inputs", "targets", "mask", "outputs")


def load_trials(path) -> tuple[Trials, np.ndarray | None]:
    """Trials from an .npz file, and what the reader's own code gave for them.

    Parameters
    ----------
    path : .npz with inputs (trials, time, input), targets (trials, time, output), optionally mask,
        (time) or (trials, time), and outputs (trials, time, output) or (networks, trials, time,
        output): what the network gave where it was trained, for `check_against`.

    Returns
    -------
    Trials, and the outputs or None. Numbers keep float32 or float64.

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
    with named(path):
        contents = read_arrays(checked_path(path, (".npz",), "trials"))
        names = (*contents.arrays, *contents.words)
        if missing := [name for name in ("inputs", "targets") if name not in contents.arrays]:
            raise InputError(
                f"holds no {' and no '.join(missing)}; trials need inputs and targets, and "
                f"{contents}."
            )
        for name in names:
            near = difflib.get_close_matches(name.lower(), _TRIALS, n=1, cutoff=0.75)
            if name not in _TRIALS and near:
                raise InputError(
                    f"holds {shown([name])}: did you mean {near[0]}? Rename it or leave it out."
                )
        axes = {name: ("trials", "time", name[:-1]) for name in ("inputs", "targets")}
        arrays = {
            name: real_array(contents.arrays[name], name, axes.get(name))
            for name in _TRIALS
            if name in contents.arrays
        }
        for name in axes:
            if arrays[name].size == 0:
                raise InputError(f"{name} are empty: shape {arrays[name].shape}.")
        outputs = arrays.pop("outputs", None)
        trials = Trials(**arrays)
        if outputs is not None and outputs.shape[-3:] != trials.targets.shape:
            raise InputError(
                f"outputs must have the shape of the targets, {trials.targets.shape}; got "
                f"{outputs.shape}."
            )
        return trials, outputs
