"""What the names in a file stand for: what it says of the equation, what the caller says of its
arrays, and what is likely where nobody does.
"""

from __future__ import annotations

import difflib
import json
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schurkit.checks import InputError, real_array
from schurkit.rnn import ARRAYS

from .contents import Contents, argument, named, reading, shown
from .conventions import CONVENTIONS
from .files import checked_path, read_arrays
from .matching import components, ends_of, several, squares

WEIGHTS = ("W_in", "W_rec", "W_out")
ROLES = (*ARRAYS, "D", "c", "leak")
OTHER_NAMES = {
    "W_rec": "wrec whh wr j recurrentkernel weighthh recurrentweights wrecurrent whid whidden",
    "W_in": "win winp wih winput inputweights wi wx wxh",
    "W_out": "wout wo why woutput outputweights readout wreadout",
    "b_rec": "brec biasrec bh bhh bhid bias recurrentbias",
    "b_out": "bout biasout bo by outputbias",
    "h0": "h0 initstate yinit hinit x0 v0 initialstate",
}
"""What other codes call the parts, in small letters and digits alone."""
SAYS = {
    "activation": "activation nonlinearity nonlin transfer_function activation_function "
    "activation_args_name",
    "psi": "psi out_nonlinearity",
    "form": "form",
    "leak": "leak alpha",
    "dt": "dt",
    "tau": "tau taus tau_lims",
}
"""Under which names a file says something of its equation."""
_SAME = {"linear": "identity", "none": "identity", "rectify": "relu", "logistic": "sigmoid"}
_LOOKS_LIKE_WEIGHTS = re.compile(r"^(w|b|h|weights?|bias(es)?)([_.\d]|$)", re.IGNORECASE)


# ----------------------------------------------------------------------- what the file says itself
@dataclass(frozen=True)
class Said:
    """What a file says of its equation, or the file of parameters beside it.

    choices : activation, form and psi, words, and leak, (1) or (units), as far as they are said.
    notes : where it says so, by what, and what was skipped.
    names : of the arrays and words that say it.
    """

    choices: dict
    notes: dict[str, str]
    names: frozenset[str]

    @classmethod
    def of(cls, contents: Contents, path: Path) -> Said:
        """From the contents of a file and of NAME_params.pkl beside it."""
        values, notes = {}, {}
        names = frozenset(name for name in (*contents.arrays, *contents.words) if _about(name))
        beside = path.with_name(path.stem.removesuffix("_state_dict") + "_params.pkl")
        sources = {path.name: contents}
        if beside != path and beside.exists():
            with named(beside.name):
                sources[beside.name] = read_arrays(checked_path(beside, None, "parameters"))
        for file, source in sources.items():
            for about, name, value in _statements(source):
                values.setdefault(about, {})[str(value)] = (name, value, file)
        one = {about: next(iter(of.values())) for about, of in values.items() if len(of) == 1}
        said = [about for about in ("activation", "form", "leak", "psi") if about in one]
        choices = {about: one[about][1] for about in said}
        for about in said:
            name, value, file = one[about]
            if (name, file) != (about, path.name):
                notes[about] = f"{about} {_plain(value)}: {shown([name])} in {shown([file])}"
        if "leak" not in one and "dt" in one and "tau" in one:
            (_, dt, _), (_, tau, file) = one["dt"], one["tau"]
            if dt.size == 1 and tau.size != 2 and (tau > 0).all():  # two are a range
                choices["leak"] = np.ravel(dt / tau)
                leak = f"leak {_plain(choices['leak'])}: dt {_plain(dt)} / tau {_plain(tau)}"
                notes["leak"] = f"{leak} in {shown([file])}"
        if contents.skipped:
            notes["skipped"] = f"skipped, no plain numbers: {shown(contents.skipped)}"
        return cls(choices, notes, names)


def _plain(value) -> str:
    if isinstance(value, str):
        return value
    return f"{value.item():.6g}" if value.size == 1 else f"of {value.size} units"


def _about(name: str) -> str | None:
    """What a name says something about."""
    ends = {"_".join(components(name)[start:]) for start in (-1, -2)}
    return next((about for about, names in SAYS.items() if ends & {*names.split()}), None)


def _statements(contents: Contents) -> Iterator[tuple[str, str, object]]:
    """What is said about what, under which name."""
    for name, word in contents.words.items():
        about = _about(name)
        if about in ("activation", "psi"):
            plain = word.lower().rpartition(".")[2].removesuffix("()")
            yield about, name, _SAME.get(plain, plain)
        elif about == "form":
            yield about, name, word
        elif about is not None:
            try:
                yield about, name, np.array(float(word))
            except ValueError:
                word = shown([word])
                raise InputError(f"{about} must be a number; the file says {word}.") from None
        elif components(name)[-1:] == ["model_config"]:
            with reading():
                yield from (("activation", name, word) for word in _of_layers(json.loads(word)))
    for name, array in contents.arrays.items():
        if (about := _about(name)) in ("leak", "dt", "tau") and array.ndim < 2:
            yield about, name, real_array(array, name.rpartition(".")[2])


def _of_layers(config) -> Iterator[str]:
    """Activations of the SimpleRNN layers in a configuration of Keras."""
    if isinstance(config, dict) and config.get("class_name") == "SimpleRNN":
        yield config["config"]["activation"]
    elif isinstance(config, (dict, list)):
        for value in config.values() if isinstance(config, dict) else config:
            yield from _of_layers(value)


# ------------------------------------------------------------------------------ what a caller says
def mapped(contents: Contents, texts) -> tuple[dict[str, np.ndarray], set[str]]:
    """Fields of `RNN` from "ROLE=ARRAY", each, and the names used; biases of one role are summed,
    readouts of one role joined.
    """
    fields, names = {}, set()
    for text in texts:
        role, _, name = text.partition("=")
        if role not in ROLES:
            raise InputError(
                f"--map must be ROLE=ARRAY with a role out of {', '.join(ROLES)}; got "
                f"{shown([text])}."
            )
        if name not in contents.arrays:
            near = difflib.get_close_matches(name, contents.arrays, n=1)
            hint = f" Did you mean {shown(near)}?" if near else ""
            raise InputError(
                f"holds no array {shown([name])} (--map {shown([text])}); it holds "
                f"{shown(contents.arrays)}.{hint}"
            )
        array = real_array(contents.arrays[name], name)
        if not role.startswith("W_") and array.ndim == 2 and 1 in array.shape:
            array = array.ravel()
        if role in fields and not role.startswith("b_") and role != "W_out":
            raise InputError(f"--map names {role} twice; name one array.")
        join = np.add if role.startswith("b_") else lambda *pair: np.concatenate(pair)
        with reading():
            fields[role] = join(fields[role], array) if role in fields else array
        names.add(name)
    return fields, names


# ----------------------------------------------------------------------------------- what is likely
def by_name(contents: Contents, said: Said, mapped: tuple) -> tuple[dict, tuple[str, ...]]:
    """Arrays that stand under the names of `RNN`, and the names of others that cannot be meant."""
    arrays, names = contents.arrays, (*contents.arrays, *contents.words)
    own, (fields, used) = {*ROLES}, mapped
    if missing := [name for name in WEIGHTS if name not in arrays and name not in fields]:
        raise InputError(_unknown(contents, missing))
    for name in names:
        says = name not in arrays or _about(name) in ("leak", "dt", "tau")
        if name in own or name in used or (name in said.names and says):
            continue
        role = _meant(name)
        weights = name in arrays and _LOOKS_LIKE_WEIGHTS.match(name)
        if role or weights or name in ("activation", "form"):
            how = f": {_flag(role, name)}" if role in ROLES else ", name it so"
            likely = f" If {role} is meant{how}" if role else ""
            raise InputError(
                f"holds {shown([name])}, which is no part of a network here.{likely}"
                f"{'; if not' if likely else ' The names are ' + ', '.join(ROLES) + ':'} rename it "
                "or leave it out."
            )
    unused = [n for n in arrays if n not in own | said.names | used and arrays[n].ndim]
    return {name: arrays[name] for name in ROLES[:-1] if name in arrays}, tuple(unused)


def _meant(name: str) -> str | None:
    """The part of a network that another name stands for, if that is likely: what other codes call
    it, or one letter wrong.
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    for role, others in OTHER_NAMES.items():
        if plain in others.split():
            return role
    for part in (*OTHER_NAMES, "leak", "activation", "form"):
        if len(part) == len(name) > 2 and sum(map(operator.ne, part, name)) == 1:
            return part
    return None


def _unknown(contents: Contents, missing: list[str]) -> str:
    """What to do with arrays under names that nobody is known to use."""
    arrays = {n: a for n, a in contents.arrays.items() if a.ndim and not n.startswith("optim")}
    shapes = {name: array.shape for name, array in arrays.items()}
    roles = _likely(shapes)
    if "W_rec" in missing and "W_rec" not in roles and squares(shapes):
        return f"holds several square matrices and no W_rec. {several(shapes)}"
    ends = ends_of((*contents.arrays, *contents.words))
    share = lambda entry: sum(n in ends for n in entry.required) / len(entry.required)  # noqa: E731
    near = max(CONVENTIONS, key=share)
    text = f"holds no {' and no '.join(missing)}; {contents}."
    if share(near) >= 0.5 and len(missing) == len(WEIGHTS):
        lost = shown([name for name in near.required if name not in ends])
        text += f" Nearest is {near.words}, but for {lost}."
    flags = [_flag(role, name) for role, name in roles.items() if role in missing]
    left = [role for role in missing if role not in roles]
    if flags and not left:
        extra = [_flag(role, name) for role, name in roles.items() if role not in WEIGHTS]
        return f"{text} If these are meant: {' '.join(flags + extra)}."
    if contents.skipped and not flags:
        return text
    return f"{text} Say what is what: {' '.join([*flags, *(f'--map {r}=NAME' for r in left)])}."


def _flag(role: str, name: str) -> str:
    return f"--map {argument(f'{role}={name}')}"


def _likely(shapes: dict[str, tuple[int, ...]]) -> dict[str, str]:
    """Names by the role that they are likely to have: by what they are called, else by shape."""
    roles = {role: name for name in reversed(shapes) if (role := _meant(name)) in ARRAYS}
    square = [
        name for name, shape in shapes.items() if len(shape) == 2 and shape[0] == shape[1] > 1
    ]
    if "W_rec" not in roles and len(square) == 1:
        roles["W_rec"] = square[0]
    if "W_rec" not in roles:
        return roles
    units = shapes[roles["W_rec"]][-1]
    for name, shape in shapes.items():
        if len(shape) == 2 and units in shape and name not in roles.values():
            reads = re.search("out|read|dec|fc", name.lower())
            sends = re.search("in|enc|emb", name.lower())
            inward = bool(sends) if bool(sends) != bool(reads) else shape[0] == units
            roles.setdefault("W_in" if inward else "W_out", name)
    return {role: roles[role] for role in ARRAYS if role in roles}
