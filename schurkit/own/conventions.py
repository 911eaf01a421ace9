"""How libraries and papers name and shape the arrays that they save.

An entry is a function whose parameters are the arrays of a file by the ends of their names
(``h2h_weight`` is any ``….h2h.weight``), the optional ones with a default, the first one with the
units as its first axis, and which returns fields of `RNN`. ``readouts`` is every linear layer
beside them that fits. What no file says is a keyword that lists its possible values, the likeliest
first; each combination of values is a **reading** of the file.

`read_network` gives `Imported` with

rnn : by the first reading, with the activation, leak and form that the file or the caller says.
assumed : those of "activation", "leak" and "form" that nobody said (any value is open).
readings : the other readings, an iterable of (words, RNN) built one by one each time that it is
    iterated, those that differ in fewest choices first; words such as "divided by N: nothing,
    readout of v". Empty where a file leaves nothing open; of several readouts some readings have
    fewer outputs than `rnn`.
convention : its words, such as "low rank: m, n, wi, wo".
notes : what the file says and what was skipped, one line each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from schurkit.checks import InputError


class Choice(NamedTuple):
    """What no file says: the possible values in words, and the parameter without which it is
    idle.
    """

    values: tuple[str, ...]
    of: str = ""


READ = Choice(("φ(v)", "v"))
OVER_LOW = Choice(("W_rec and W_out", "W_rec", "nothing"))
OVER_FULL = Choice(("nothing", "W_out"))
BIAS = Choice(("inside φ", "outside φ"), of="b")
LAYERS = Choice(("in the order of the file", "in reverse order", "the first", "the last"))


@dataclass(frozen=True)
class Convention:
    """One way to name and shape arrays.

    words : what to call it.
    fields : function of its arrays to fields of `RNN`.
    arrays : its parameters that are arrays, by the ends of the names that these have.
    choices : those that no file says.
    takes_readouts : whether linear layers beside them read out.
    likely : activation, leak or form to begin with where nobody says it.
    """

    words: str
    fields: Callable[..., dict]
    arrays: dict[str, inspect.Parameter]
    choices: dict[str, Choice]
    takes_readouts: bool
    likely: dict

    @property
    def required(self) -> list[str]:
        return [name for name, p in self.arrays.items() if p.default is p.empty]


CONVENTIONS: list[Convention] = []


def convention(words: str, likely: dict | None = None, **names: str):
    """Add a function of arrays to the table, perhaps under other names."""

    def named(parameter: str) -> str:
        layer, _, kind = parameter.rpartition("_")
        return names.get(parameter) or f"{names.get(layer, layer)}_{kind}".strip("_")

    def add(fields):
        own, choices = {**inspect.signature(fields).parameters}, fields.__kwdefaults__ or {}
        readouts = own.pop("readouts", None) is not None
        arrays = {named(name): one for name, one in own.items() if name not in choices}
        CONVENTIONS.append(Convention(words, fields, arrays, choices, readouts, likely or {}))
        return fields

    return add


RELU = {"activation": "relu"}
_MODULE = {"wi": "w_inp", "wo": "w_out", "si": "w_inp_scale", "so": "w_out_scale", "b": "b_rec"}
_MODULE |= {"h0": "x0"}
_CELL = {f"{name}_l0": name for name in ("weight_hh", "weight_ih", "bias_ih", "bias_hh")}
_LINEAR = {"rec": "lin_feedback", "inp": "lin_input", "out": "lin_output"}
_FLAX = {"recurrent_kernel": "h_kernel", "kernel": "i_kernel", "bias": "i_bias"}


def _voltage(W_rec, W_in, W_out, b=None, h0=None, bias="", readout_of="") -> dict:
    W_out = W_out if W_out.shape[-1] == len(W_rec) else W_out.T
    fields = {"W_rec": W_rec, "W_in": W_in, "W_out": W_out, "h0": h0, "form": "voltage"}
    fields["psi"] = "identity" if readout_of == "v" else None
    return fields | {"c" if bias == "inside φ" else "b_rec": b}


def _joined(readouts: list, which: str = "") -> dict:
    """Several readouts as one."""
    few = {"the first": readouts[:1], "the last": readouts[-1:], "in reverse order": readouts[::-1]}
    readouts = few.get(which, readouts)
    biases = [np.zeros(len(weight)) if bias is None else bias for weight, bias in readouts]
    weights = [weight for weight, _ in readouts]
    return {"W_out": np.concatenate(weights), "b_out": np.concatenate(biases)}


# --------------------------------------------------------------------------------------- the table
@convention("full rank: wrec, wi, wo")
@convention("full rank: rnn.w_rec, rnn.w_inp, rnn.w_out", wrec="w_rec", **_MODULE)
def full_rank(
    wrec, wi, wo, si=1.0, so=1.0, b=None, h0=None, *,
    divided_by_N=OVER_FULL, readout_of=READ, bias=BIAS,
):  # fmt: skip
    W_rec = wrec / (len(wrec) if "W_rec" in divided_by_N else 1)
    W_out = wo * so / (len(wrec) if "W_out" in divided_by_N else 1)
    return _voltage(W_rec, wi.T * np.ravel(si), W_out, b, h0, bias, readout_of)


@convention("low rank: m, n, wi, wo")
@convention("low rank: rnn.m, rnn.n, rnn.w_inp, rnn.w_out", **_MODULE)
def low_rank(
    m, n, wi, wo, si=1.0, so=1.0, b=None, h0=None, *,
    divided_by_N=OVER_LOW, readout_of=READ, bias=BIAS,
):  # fmt: skip
    choices = {"divided_by_N": divided_by_N, "readout_of": readout_of, "bias": bias}
    return full_rank(m @ (n.T if n.shape == m.shape else n), wi, wo, si, so, b, h0, **choices)


@convention("one letter each: J, B, w")
@convention("one letter each: G, I, w", J="G", B="I")
def letters(J, B, w, b=None, h0=None, *, readout_of=READ, bias=BIAS):
    return _voltage(J, B, w, b, h0, bias, readout_of)


@convention("PsychRNN: W_rec, W_in, W_out, init_state", RELU)
def psychrnn(W_rec, W_in, W_out, init_state, b_rec=None, b_out=None):
    # its masks and Dale's law are in the saved weights already
    return _voltage(W_rec, W_in, W_out, b_rec, init_state) | {"b_out": b_out}


@convention("nn4n: hidden_layer, input_layer, readout_layer", RELU)
def nn4n(
    hidden_layer_weight, input_layer_weight, readout_layer_weight,
    hidden_layer_bias=0.0, input_layer_bias=0.0, readout_layer_bias=None, hidden_state=None,
):  # fmt: skip
    weights = hidden_layer_weight, input_layer_weight, readout_layer_weight
    bias = hidden_layer_bias + input_layer_bias
    return _voltage(*weights, bias, hidden_state) | {"b_out": readout_layer_bias}


@convention("trainRNNbrain: W_rec, W_inp, W_out, y_init", RELU)
def trainrnnbrain(
    W_rec, W_inp, W_out, y_init, bias=0.0, gamma=0.0, activation_args_slope=1.0, equation_type="s"
):
    if np.any(gamma):
        raise InputError(
            f"holds gamma = {float(gamma):g}, a cubic term in the equation that no form here has; "
            "train with gamma=0."
        )
    form, slope = "voltage" if equation_type == "h" else "rate", activation_args_slope
    weights = {"W_rec": slope * W_rec, "W_in": slope * W_inp, "W_out": W_out, "b_rec": slope * bias}
    return weights | {"h0": y_init * (slope if form == "voltage" else 1), "form": form}


@convention("Dale's law and time constants: w, m, som_m, w_in, w_out, taus")
def dale(w, m, som_m, w_in, w_out, taus, taus_gaus=None, b_out=None):
    share = 1.0 if taus_gaus is None else 1 / (1 + np.exp(-np.ravel(taus_gaus)))
    leak = 1 / (share * (taus.max() - taus.min()) + taus.min())
    return _voltage(np.maximum(w, 0) @ m * som_m, w_in, w_out) | {"b_out": b_out, "leak": leak}


@convention("piecewise linear: W, A, h, C, B")
def piecewise_linear(W, A, h, C, B):
    if np.any(A.reshape(len(A), -1) - (np.diag(np.diag(A)) if A.shape == W.shape else A)):
        raise InputError("holds A with entries beside its diagonal; expected a diagonal A.")
    own = {"D": np.diag(A) if A.shape == W.shape else A, "leak": 1.0, "activation": "relu"}
    return _voltage(W, C, B, h, readout_of="v") | own


@convention("NeuroGym, nn-brain: h2h, input2h, fc", RELU, rec="h2h", inp="input2h", out="fc")
@convention("linear layers: lin_feedback, lin_input, lin_output", **_LINEAR)
def three_layers(
    rec_weight, inp_weight, out_weight, rec_bias=0.0, inp_bias=0.0, out_bias=None, rec_mask=None
):
    W_rec = rec_weight if rec_mask is None else np.abs(rec_weight) * rec_mask
    weights = {"W_rec": W_rec, "W_in": inp_weight, "W_out": out_weight}
    return weights | {"b_rec": rec_bias + inp_bias, "b_out": out_bias}


@convention("torch.nn.RNN")
@convention("torch.nn.RNNCell", **_CELL)
@convention("equinox, a cell: weight_hh, weight_ih, bias", **_CELL | {"bias_ih_l0": "bias"})
def torch_rnn(weight_hh_l0, weight_ih_l0, readouts, bias_ih_l0=0.0, bias_hh_l0=0.0, h0=None):
    weights = {"W_rec": weight_hh_l0, "W_in": weight_ih_l0, "b_rec": bias_ih_l0 + bias_hh_l0}
    return weights | {"h0": h0, "leak": 1.0, "form": "rate"} | _joined(readouts)


@convention("linear layers: linear_hh, linear_ih and readouts", rec="linear_hh", inp="linear_ih")
def cell_of_layers(
    rec_weight, inp_weight, readouts, rec_bias=0.0, inp_bias=0.0, *, readouts_joined=LAYERS
):
    weights = {"W_rec": rec_weight, "W_in": inp_weight, "b_rec": rec_bias + inp_bias}
    return weights | _joined(readouts, readouts_joined)


@convention("Keras SimpleRNN: recurrent_kernel, kernel and Dense")
@convention("flax SimpleCell: h, i and Dense", **_FLAX)
def row_cell(recurrent_kernel, kernel, readouts, bias=0.0, h_bias=0.0, *, readouts_joined=LAYERS):
    weights = {"W_rec": recurrent_kernel.T, "W_in": kernel.T, "b_rec": bias + h_bias, "leak": 1.0}
    return weights | _joined(readouts, readouts_joined)


@convention("Keras 3 SimpleRNN: cell/vars and dense/vars of .weights.h5")
def keras_weights(cell_vars_1, cell_vars_0, dense_vars_0, cell_vars_2=0.0, dense_vars_1=None):
    readout = [(dense_vars_0.T, dense_vars_1)]
    return row_cell(cell_vars_1, cell_vars_0, readout, cell_vars_2)
