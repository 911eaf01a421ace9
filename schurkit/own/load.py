"""From files, arrays and torch modules to `RNN` and `Trials`."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schurkit.checks import InputError, one_of, real_array
from schurkit.rnn import ARRAYS, RNN, Trials

from .files import (
    TORCH_FILES,
    WEIGHT_FILES,
    Contents,
    checked_path,
    named,
    read_arrays,
    sha256,
    shown,
)
from .torch_files import holds_state, network_of

WEIGHTS = ("W_in", "W_rec", "W_out")
DEFAULTS = {"activation": "tanh", "leak": 1.0, "form": "rate"}
"""What is assumed where nobody says it."""
OTHER_NAMES = {
    "W_rec": "wrec whh wr j recurrentkernel weighthh recurrentweights wrecurrent whid whidden",
    "W_in": "win winp wih winput inputweights wi wx wxh",
    "W_out": "wout wo why woutput outputweights readout wreadout",
    "b_rec": "brec biasrec bh bhh bhid bias recurrentbias",
    "b_out": "bout biasout bo by outputbias",
    "h0": "h0 initstate yinit hinit x0 v0 initialstate",
    "leak": "leak alpha",
}
"""What other codes call the parts, in small letters and digits alone."""
_TRIALS = ("inputs", "targets", "mask", "outputs")
_LOOKS_LIKE_WEIGHTS = re.compile(r"^(w|b|h|weights?|bias(es)?)([_.\d]|$)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Imported:
    """A network as `read_network` found it.

    rnn : the network or stack.
    assumed : what neither the file nor the caller said, of "activation", "leak" and "form".
    unused : arrays in the file that are not part of the network.
    sha256 : of the file.
    """

    rnn: RNN
    assumed: tuple[str, ...]
    unused: tuple[str, ...]
    sha256: str


def load_rnn(
    path, *, activation=None, leak=None, form=None, transpose=False, recurrent=None, readout=None
) -> RNN:
    """A network from a file; see `read_network`, which also tells what had to be assumed.

    Parameters
    ----------
    path : an .npz or .safetensors file with W_in (hidden, input), W_rec (hidden, hidden) and W_out
        (output, hidden), optionally b_rec, b_out, h0, activation, leak and form (words of a
        .safetensors file stand in its metadata), each array with a leading networks axis or all
        without; or a torch state dict (.pt, .pth, a Lightning .ckpt, or the same tensors in the
        other two formats) of an nn.RNN and a linear readout under any prefix, alone or inside a
        checkpoint dict. Both biases of the nn.RNN are summed.
    activation : "tanh" or "relu"; "tanh" where nobody says (a state dict never does).
    leak : dt/τ, one number or one a unit, (hidden,); 1 where nobody says.
    form : "rate" or "voltage"; "rate" where nobody says.
    transpose : names out of "W_in", "W_rec", "W_out" that the file holds in row convention (h @ W);
        True for all three.
    recurrent, readout : prefixes of the layers meant, where a state dict holds several
        ("model.rnn", "fc").

    Returns
    -------
    RNN : a stack of the file's networks.

    Raises
    ------
    InputError : not a file of these kinds, damaged, not a network that `RNN` covers, or in
        contradiction with an argument. Nothing in a file is run.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> path = os.path.join(tempfile.mkdtemp(), "net.npz")
    >>> arrays = {"W_in": np.ones((4, 2)), "W_rec": np.eye(4), "W_out": np.ones((1, 4))}
    >>> np.savez(path, **arrays, activation="relu")
    >>> load_rnn(path)
    RNN(1 × 2 → 4 → 1, relu, rate, leak=1, float64)
    """
    return read_network(
        path,
        activation=activation,
        leak=leak,
        form=form,
        transpose=transpose,
        recurrent=recurrent,
        readout=readout,
    ).rnn


def read_network(
    path, *, activation=None, leak=None, form=None, transpose=False, recurrent=None, readout=None
) -> Imported:
    """The network of a file with what had to be assumed and what was not used; parameters and
    errors as `load_rnn`.
    """
    with named(path):
        path = checked_path(path, WEIGHT_FILES, "weights")
        contents = read_arrays(path)
        names, known = contents.arrays, {}
        if path.suffix.lower() in TORCH_FILES or ("W_rec" not in names and holds_state(names)):
            arrays, unused = network_of(contents, recurrent, readout)
            known = {"leak": 1.0, "form": "rate"}
        elif recurrent is not None or readout is not None:
            raise InputError(
                "holds arrays by their own names; recurrent= and readout= choose layers of a torch "
                "state dict."
            )
        else:
            arrays, unused = _by_name(contents)
        wanted = {"activation": activation, "leak": leak, "form": form}
        choices, assumed = _settle(_said(contents), known, wanted)
        return Imported(
            from_arrays(**arrays, **choices, transpose=transpose), assumed, unused, sha256(path)
        )


def _by_name(contents: Contents) -> tuple[dict, tuple[str, ...]]:
    """Arrays that stand under the names of `RNN`, and the names of others that cannot be meant."""
    arrays, names = contents.arrays, (*contents.arrays, *contents.words)
    meant = {name: role for name in names if (role := _meant(name))}
    if missing := [name for name in WEIGHTS if name not in arrays]:
        likely = [f"{shown([name])} as {role}" for name, role in meant.items() if role in missing]
        advice = f" If these are meant, save {', '.join(likely)}." if likely else ""
        raise InputError(f"holds no {' and no '.join(missing)}; it holds {shown(names)}.{advice}")
    known = {*ARRAYS, "leak"} | ({"activation", "form"} & set(contents.words))
    for name in names:
        weights = name in arrays and _LOOKS_LIKE_WEIGHTS.match(name)
        if name not in known and (name in meant or weights or name in ("activation", "form")):
            likely = f" If {meant[name]} is meant, name it so." if name in meant else ""
            raise InputError(
                f"holds {shown([name])}, which is no part of a network here.{likely} The names "
                f"are {', '.join((*ARRAYS, 'leak', 'activation', 'form'))}: rename it or leave it "
                "out."
            )
    found = {name: arrays[name] for name in ARRAYS if name in arrays}
    return found, tuple(name for name in arrays if name not in known)


def _meant(name: str) -> str | None:
    """The part of a network that another name stands for, if that is likely: what other codes call
    it, or one letter wrong.
    """
    parts = (*OTHER_NAMES, "activation", "form")
    if name in parts:
        return None
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    for role, others in OTHER_NAMES.items():
        if plain in others.split():
            return role
    for part in parts:
        if len(part) == len(name) > 2 and sum(map(operator.ne, part, name)) == 1:
            return part
    return None


def _said(contents: Contents) -> dict:
    """Activation, leak and form, as far as the file says them."""
    said = {name: contents.words[name] for name in ("activation", "form") if name in contents.words}
    if "leak" in contents.arrays:
        said["leak"] = real_array(contents.arrays["leak"], "leak")
    elif "leak" in contents.words:
        try:
            said["leak"] = float(contents.words["leak"])
        except ValueError:
            word = shown([contents.words["leak"]])
            raise InputError(f"leak must be a number; the file says {word}.") from None
    return said


def _settle(said: dict, known: dict, wanted: dict) -> tuple[dict, tuple[str, ...]]:
    """Activation, leak and form from the file, the caller, the kind of file or the default, and the
    names of those left to the default.
    """
    wanted = {name: value for name, value in wanted.items() if value is not None}
    for name in said.keys() & wanted.keys():
        if not _equal(said[name], wanted[name]):
            raise InputError(
                f"the file says {name} {_word(said[name])}, and {name}={_word(wanted[name])} was "
                "asked for."
            )
    choices = DEFAULTS | known | wanted | said
    assumed = [name for name in DEFAULTS if name not in known | wanted | said]
    if "form" in assumed and _equal(choices["leak"], 1.0):
        assumed.remove("form")  # without a leak the two forms are one, but for h0
    return choices, tuple(assumed)


def _equal(one, other) -> bool:
    if isinstance(one, str):
        return one == other
    one, other = real_array(one, "leak"), real_array(other, "leak")
    fitting = one.shape == other.shape or 1 in (one.size, other.size)
    return fitting and bool(np.allclose(one, other, rtol=1e-6, atol=0))


def _word(value) -> str:
    return shown([repr(value if isinstance(value, str) else np.asarray(value).tolist())])


def from_arrays(
    W_in,
    W_rec,
    W_out,
    b_rec=None,
    b_out=None,
    h0=None,
    *,
    activation="tanh",
    leak=1.0,
    form="rate",
    transpose: bool | str | Sequence[str] = False,
    labels=None,
) -> RNN:
    """A network from its arrays, in the conventions of `RNN` or transposed.

    Parameters
    ----------
    W_in, W_rec, W_out : (hidden, input), (hidden, hidden), (output, hidden), with a leading
        networks axis or without.
    b_rec, b_out, h0 : (hidden), (output), (hidden), likewise; zero when left out.
    activation, leak, form, labels : as in `RNN`. Libraries that leak the voltage (v, before the
        activation) are form="voltage".
    transpose : names of the weights that come in row convention (h @ W), or True for all three.

    Raises
    ------
    InputError : arrays that are empty, do not fit together, or are not finite real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from_arrays(np.ones((2, 4)), np.eye(4), np.ones((4, 1)), transpose=True)
    RNN(1 × 2 → 4 → 1, tanh, rate, leak=1, float64)
    """
    given = {"W_in": W_in, "W_rec": W_rec, "W_out": W_out, "b_rec": b_rec, "b_out": b_out, "h0": h0}
    arrays = {name: real_array(array, name) for name, array in given.items() if array is not None}
    if missing := [name for name in WEIGHTS if name not in arrays]:
        raise InputError(
            f"a network needs W_in, W_rec and W_out; got no {' and no '.join(missing)}."
        )
    for name, array in arrays.items():
        if array.size == 0:
            raise InputError(f"{name} is empty: shape {array.shape}.")
    names = () if transpose is False else WEIGHTS if transpose is True else transpose
    names = {
        one_of(n, "transpose", WEIGHTS) for n in ([names] if isinstance(names, str) else names)
    }
    for name in names:
        if arrays[name].ndim >= 2:
            arrays[name] = np.swapaxes(arrays[name], -1, -2)
    leaks = np.ravel(leak)
    if leaks.size and np.all(leaks == leaks[0]):
        leak = leaks[0]
    try:
        return RNN(**arrays, activation=activation, leak=leak, form=form, labels=labels)
    except InputError as error:
        raise InputError(f"{error}{'' if names else _row_hint(str(error), arrays)}") from None


def _row_hint(error: str, arrays) -> str:
    """What to do where weights have the wrong shape and would have the right one transposed."""
    hidden = arrays["W_rec"].shape[-1]
    turned = [
        name
        for name, axis in (("W_in", -2), ("W_out", -1))
        if arrays[name].ndim >= 2
        and arrays[name].shape[axis] != hidden == arrays[name].shape[-3 - axis]
    ]
    if not turned or not error.startswith(WEIGHTS[::2]):
        return ""
    return (
        f" {' and '.join(turned)} would fit the other way round: for weights in row convention (h "
        "@ W) pass transpose=True (--transpose all)."
    )


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
                f"holds no {' and no '.join(missing)}; trials need inputs and targets, and it "
                f"holds {shown(names)}."
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
