"""From files, arrays and torch modules to `RNN` and `Trials`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from schurkit.checks import InputError, one_of, real_array
from schurkit.rnn import RNN

from .contents import Contents, named, shown
from .files import checked_path, read_arrays, sha256
from .matching import check_state, check_unused, match
from .roles import WEIGHTS, Said, by_name, mapped
from .settle import FIELDS

DEFAULTS = {"activation": "tanh", "leak": 1.0, "form": "rate"}
"""What is assumed where nobody says it."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A network as `read_network` found it.

    rnn : the network or stack.
    assumed : what neither the file nor the caller said, of "activation", "leak" and "form".
    unused : arrays in the file that are not part of the network.
    sha256 : of the file.
    path : where that is, as the caller named it.
    unsaid : fields of the network that neither the file nor the caller said, so that outputs may
        settle them, of `schurkit.own.settle.FIELDS`.
    convention : in which the file is written.
    notes : what the file says of the equation, and what was skipped.
    others : gives `readings`, where there are any.
    """

    rnn: RNN
    assumed: tuple[str, ...]
    unused: tuple[str, ...]
    sha256: str
    path: str
    unsaid: tuple[str, ...]
    convention: str = "W_in, W_rec, W_out"
    notes: tuple[str, ...] = ()
    others: Callable[[], Iterable[tuple[str, RNN]]] | None = None

    @property
    def readings(self) -> Iterable[tuple[str, RNN]]:
        """Other networks that the file may hold, where it does not say which, and words for each;
        built one by one each time that they are iterated.
        """
        return self.others() if self.others else ()


def load_rnn(path: str | Path, **options) -> RNN:
    """A network from a file; see `read_network`, which also tells what had to be assumed.

    Parameters
    ----------
    path : a file of arrays: .npz, .safetensors, .pt, .pth, .ckpt, .pkl, .mat, .h5 or .hdf5. Its
        arrays are W_in (hidden, input), W_rec (hidden, hidden) and W_out (output, hidden),
        optionally b_rec, b_out, h0, activation, leak and form, each with a leading networks axis or
        all without; or a torch state dict of an nn.RNN and a linear readout under any prefix, alone
        or inside a checkpoint; or they have the names of another library or paper
        (`schurkit.own.conventions`).
    activation : one of `ACTIVATIONS`; "tanh" or what is likely where nobody says.
    leak : dt/τ, one number or one a unit, (hidden,); 1 where nobody says.
    form : "rate" or "voltage"; "rate" or what the convention has where nobody says.
    transpose : names out of "W_in", "W_rec", "W_out" that the file holds in row convention (h @ W);
        True for all three.
    recurrent, readout : prefixes of the layers meant, where a file holds several ("model.rnn",
        "fc").
    mapping : what is what, as "ROLE=ARRAY": ROLE is one of W_in, W_rec, W_out, b_rec, b_out, h0, D,
        c, leak. A bias that is named twice is summed.

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
    return read_network(path, **options).rnn


def read_network(
    path,
    *,
    activation=None,
    leak=None,
    form=None,
    transpose=False,
    recurrent=None,
    readout=None,
    mapping: Sequence[str] = (),
) -> Imported:
    """The network of a file with what had to be assumed and what was not used; parameters and
    errors as `load_rnn`.
    """
    asked, wanted = str(path), {"activation": activation, "leak": leak, "form": form}
    with named(path), np.errstate(all="ignore"):  # what is not finite is refused later
        path = checked_path(path, None, "weights")
        contents = read_arrays(path)
        said, by_map = Said.of(contents, path), mapped(contents, mapping)
        about = _parts(contents, said, by_map, recurrent, readout)
        fields, unused, words, likely, readings = about
        by_caller, _ = by_map

        def network(fields) -> tuple[RNN, tuple[str, ...]]:
            fields = fields | by_caller
            own = {name: fields.pop(name) for name in DEFAULTS if name in fields}
            beside = {name: value for name, value in said.choices.items() if name not in own}
            choices, assumed = _settle(beside, own, wanted, likely)
            if choices["form"] != "voltage":
                choices.pop("psi", None)
            return from_arrays(**fields | choices, transpose=transpose), assumed

        rnn, assumed = network(fields)

        def others():
            return ((what, network(one)[0]) for what, one in readings())

        notes = tuple(note for what, note in said.notes.items() if what not in fields)
        known = {*(WEIGHTS if transpose else ()), *DEFAULTS.keys() - set(assumed)}
        if "leak" in assumed and not form:  # without a leak the two forms were one
            known -= {"form"}
        unsaid = tuple(name for name in FIELDS if name not in known)
        about = (sha256(path), asked, unsaid, words, notes, others if readings else tuple)
        return Imported(rnn, assumed, unused, *about)


def _parts(contents: Contents, said: Said, by_map: tuple, recurrent, readout) -> tuple:
    """Fields of `RNN` in a file, what was not used, the words of its convention, what is likely in
    it, and a function that gives the words and fields of its other readings.
    """
    arrays, (by_caller, used) = contents.arrays, by_map
    rest = [name for name, array in arrays.items() if array.ndim and name not in used]
    if set(WEIGHTS) <= by_caller.keys():
        return {}, tuple(rest), "named by --map", {}, None
    if "W_rec" not in arrays:
        check_state(contents, recurrent)
    matched = match(contents, recurrent, readout)
    if matched is None or (readout is not None and not matched.readouts):
        if recurrent is not None or readout is not None:
            raise InputError(
                "holds arrays by their own names; recurrent= and readout= choose layers of a torch "
                "state dict."
            )
        return *by_name(contents, said, by_map), "W_in, W_rec, W_out", {}, None
    group = contents.group.get(matched.first)
    rest = [name for name in rest if contents.group.get(name) == group or readout is not None]
    unused = tuple(name for name in rest if name not in matched.used)
    if unused and "weight_hh_l0" in matched.names and recurrent is None and readout is None:
        check_unused(unused, contents, matched)
    without = ("readout_of",) if "psi" in said.choices else ()
    (_, first), *others = matched.readings(without)
    return (
        matched.fields(contents, first),
        unused,
        matched.convention.words,
        matched.convention.likely,
        lambda: ((words, matched.fields(contents, choices)) for words, choices in others),
    )


def _settle(said: dict, known: dict, wanted: dict, likely: dict) -> tuple[dict, tuple[str, ...]]:
    """Activation, leak and form from the file, the caller, the convention or the default, and the
    names of those that are likely alone.
    """
    wanted = {name: value for name, value in wanted.items() if value is not None}
    for name in said.keys() & wanted.keys():
        if not _equal(said[name], wanted[name]):
            raise InputError(
                f"the file says {name} {_word(said[name])}, and {name}={_word(wanted[name])} was "
                "asked for."
            )
    choices = DEFAULTS | likely | known | wanted | said
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
    W_in: ArrayLike,
    W_rec: ArrayLike,
    W_out: ArrayLike,
    b_rec: ArrayLike | None = None,
    b_out: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    activation: str = "tanh",
    leak: ArrayLike = 1.0,
    form: str = "rate",
    transpose: bool | str | Sequence[str] = False,
    labels: Sequence | None = None,
    D: ArrayLike | None = None,
    c: ArrayLike | None = None,
    psi: str | None = None,
) -> RNN:
    """A network from its arrays, in the conventions of `RNN` or transposed.

    Parameters
    ----------
    W_in, W_rec, W_out : (hidden, input), (hidden, hidden), (output, hidden), with a leading
        networks axis or without.
    b_rec, b_out, h0 : (hidden), (output), (hidden), likewise; zero when left out.
    activation, leak, form, labels, D, c, psi : as in `RNN`. Libraries that leak the voltage (v,
        before the activation) are form="voltage".
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
    given |= {"D": D, "c": c}
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
        return RNN(**arrays, activation=activation, leak=leak, form=form, labels=labels, psi=psi)
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
