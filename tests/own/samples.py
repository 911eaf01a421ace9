"""Files as libraries and papers save them, small and random, and the networks they stand for."""

import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import scipy.io
import torch

UNITS, INPUTS, OUTPUTS = 6, 2, 2


class Net(torch.nn.Module):
    """A recurrent layer, perhaps changed, and linear readouts, of which the first is used."""

    def __init__(
        self, layer=torch.nn.RNN, sizes=(2, 4, 1), readouts=("fc",), change=lambda rnn: rnn, **kind
    ):
        super().__init__()
        inputs, hidden, outputs = sizes
        self.rnn, self.readouts = change(layer(inputs, hidden, **kind)), readouts
        for name in readouts:
            width = hidden * (1 + kind.get("bidirectional", False))
            setattr(self, name, torch.nn.Linear(width, outputs, bias=kind.get("bias", True)))

    def forward(self, x):
        return getattr(self, self.readouts[0])(self.rnn(x)[0])


class TwoAreas(torch.nn.Module):
    """Two areas with a matrix each; the second hears the first's new state."""

    def __init__(self):
        super().__init__()
        self.into, self.read = torch.nn.Linear(2, 4), torch.nn.Linear(3, 1)
        self.within_a, self.within_b, self.a_to_b = (
            torch.nn.Parameter(torch.randn(shape)) for shape in ((4, 4), (3, 3), (3, 4))
        )

    def forward(self, x):
        p, q, y = x.new_zeros(len(x), 4), x.new_zeros(len(x), 3), []
        for one in x.swapaxes(0, 1):
            p = torch.tanh(p @ self.within_a.T + self.into(one))
            q = torch.tanh(q @ self.within_b.T + p @ self.a_to_b.T)
            y.append(self.read(q))
        return torch.stack(y, 1)


@dataclass
class Sample:
    """What is saved, under which name and with which file of parameters beside it; the network that
    it stands for; what a reader must say; words of the reading, where it is not the first.
    """

    file: str
    saved: dict
    network: dict
    flags: dict = field(default_factory=dict)
    reading: str = ""
    beside: dict | None = None

    def write(self):
        """Write it into the working folder."""
        path = Path(self.file)
        write(path, self.saved)
        if self.beside is not None:
            name = path.stem.removesuffix("_state_dict") + "_params.pkl"
            path.with_name(name).write_bytes(pickle.dumps(self.beside))
        return path


def tensors(saved):
    return {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in saved.items()}


def write_torch(path, saved):
    torch.save(tensors(saved), path, _use_new_zipfile_serialization="old" not in str(path))


def write_hdf5(path, saved):
    with h5py.File(path, "w") as file:
        for name, value in saved.items():
            if isinstance(value, str):
                file.attrs[name] = value
            else:
                file[name] = value


FORMATS = {
    ".npz": lambda path, saved: np.savez(path, **saved),
    ".mat": lambda path, saved: scipy.io.savemat(path, saved, do_compression=len(saved) % 2),
    ".hdf5": write_hdf5,
    ".h5": write_hdf5,
    ".pickle": lambda path, saved: path.write_bytes(pickle.dumps(saved)),
}


def write(path, saved):
    """Save arrays and words in the format that the name of the file asks for."""
    FORMATS.get(path.suffix, write_torch)(path, saved)


rng = np.random.default_rng(0)
N, K, L = UNITS, INPUTS, OUTPUTS


def r(*shape):
    return rng.normal(size=shape) / np.sqrt((len(shape) > 1 and N) or 4)


W, W_in, W_out, b, b_in, b_out, h0 = r(N, N), r(N, K), r(L, N), r(N), r(N), r(L), r(N)
plain = {"W_rec": W, "W_in": W_in, "W_out": W_out}
biased = plain | {"b_rec": b + b_in, "b_out": b_out}
voltage = {"form": "voltage", "leak": 0.2}
SAY = {"activation": "tanh", "leak": 0.2}


def layers(rec, inward, out, bias="bias", weight="weight"):
    weights = {f"{rec}.{weight}": W, f"{inward}.{weight}": W_in, f"{out}.{weight}": W_out}
    return weights | {f"{rec}.{bias}": b, f"{inward}.{bias}": b_in, f"{out}.{bias}": b_out}


m, n, si, so = r(N, 2), r(N, 2), r(K), r(1)
low = {"wi": W_in.T, "si": si, "m": m, "n": n, "wo": W_out.T, "so": so, "h0": h0}
low_net = voltage | {"W_rec": m @ n.T / N, "W_in": W_in * si, "W_out": W_out * so / N, "h0": h0}
full_net = voltage | {"W_rec": W, "W_in": W_in * si, "W_out": W_out * so, "h0": h0}
module = {"x0": h0[None], "rnn.w_inp": W_in.T, "rnn.w_inp_scale": si, "rnn.b_rec": b}
module |= {"rnn.w_out": W_out.T, "rnn.w_out_scale": so[None]}
taus, gaus, sign = np.array([[4.0, 20.0]]), r(N, 1), np.diag([1.0, 1, 1, 1, -1, -1])
spread = {"leak": 1 / (16 / (1 + np.exp(-gaus[:, 0])) + 4), "form": "voltage"}
A, h = np.diag(rng.uniform(0.4, 0.9, N)), r(N, 1)
kernels = {"simple_rnn_1/simple_rnn_1/kernel:0": W_in.T, "dense/dense/kernel:0": W_out.T}
kernels |= {"simple_rnn_1/simple_rnn_1/recurrent_kernel:0": W.T, "dense/dense/bias:0": b_out}
keras_3 = {"cell/vars/0": W_in.T, "cell/vars/1": W.T, "cell/vars/2": b}
keras_3 = {f"layers/simple_rnn/{name}": array for name, array in keras_3.items()}
keras_3 |= {"layers/dense/vars/0": W_out.T, "layers/dense/vars/1": b_out}
config = {"class_name": "SimpleRNN", "config": {"activation": "relu"}}
brain = {"W_inp": W_in, "W_rec": W, "W_out": W_out, "bias": b, "y_init": h0, "dt": 1.0, "tau": 5.0}
brain |= {"gamma": 0.0, "activation_args": {"name": "relu", "slope": 1.7}}
slope = {"W_rec": 1.7 * W, "W_in": 1.7 * W_in, "W_out": W_out, "b_rec": 1.7 * b, "leak": 0.2}
psych = {"rec_connectivity": np.ones((N, N)), "init_state": h0[None], "W_rec/Adam": W}
psych |= {"dale_ratio": np.array(None, dtype=object)}
two = {"out_pos.weight": W_out, "out_pos.bias": b_out, "out_map.weight": 2 * W_out}
two_net = {"W_out": np.concatenate([W_out, 2 * W_out]), "b_out": np.append(b_out, [0, 0])}

cell = {"weight_ih": W_in, "weight_hh": W, "bias_ih": b, "bias_hh": b_in}

SAMPLES = [
    Sample(
        "native.npz",
        biased_file := biased | {"h0": h0, "leak": 0.2, "form": "voltage", "activation": "relu"},
        biased_file,
    ),
    Sample("lowrank.pt", low, low_net, SAY),
    Sample(
        "lowrank_bias.pt",
        low | {"b": b},
        low_net | {"c": b, "psi": "identity"},
        SAY,
        "divided by N W_rec and W_out, readout of v, bias inside φ",
    ),
    Sample("fullrank_old.pt", low | {"wrec": W} | dict.fromkeys(("m", "n"), 0.0), full_net, SAY),
    Sample(
        "low_state_dict.pkl",
        module | {"rnn.m": m, "rnn.n": n.T},
        low_net | {"c": b, "activation": "relu"},
        beside={"nonlinearity": "relu", "dt": 10, "tau_lims": [50], "mask": None},
    ),
    Sample(
        "full_state_dict.pkl",
        module | {"rnn.w_rec": W},
        full_net | {"c": b, "psi": "identity"},
        beside={"nonlinearity": "tanh", "dt": 2, "tau_lims": [10], "out_nonlinearity": "identity"},
    ),
    Sample("letters.npz", {"J": W, "B": W_in, "w": W_out}, plain | voltage, SAY),
    Sample(
        "checkpoint.pth",
        {
            "epoch": 4,
            "state_dict": tensors({"G": W, "I": W_in, "w": W_out.T, "h0": h0}),
            "optimizer": {"state": {}},
        },
        plain | voltage | {"h0": h0},
        SAY,
    ),
    Sample(
        "objects.npz",
        biased | {"b_rec": b} | psych,
        biased | {"b_rec": b, "h0": h0} | voltage | {"activation": "relu"},
        {"leak": 0.2},
    ),
    Sample(
        "layers.npz",
        layers("recurrent_layer.hidden_layer", "recurrent_layer.input_layer", "readout_layer")
        | {"recurrent_layer.hidden_state": h0, "dt": 20.0, "tau": 100.0},
        biased | voltage | {"h0": h0, "activation": "relu"},
    ),
    Sample(
        "brain_s.pickle", brain | {"equation_type": "s"}, slope | {"h0": h0, "activation": "relu"}
    ),
    Sample(
        "brain_h.pickle",
        brain | {"equation_type": "h"},
        slope | {"h0": 1.7 * h0, "activation": "relu", "form": "voltage"},
    ),
    Sample(
        "dale_taus.mat",
        {
            "w": W,
            "m": sign,
            "som_m": W < 0.3,
            "w_in": W_in,
            "w_out": W_out,
            "b_out": b_out[:, None],
            "taus": taus,
            "taus_gaus": gaus,
            "activation": "sigmoid",
        },
        plain
        | {"W_rec": np.maximum(W, 0) @ sign * (W < 0.3), "b_out": b_out, "activation": "sigmoid"}
        | spread,
    ),
    Sample(
        "piecewise.mat",
        {"A": A, "W": W, "h": h, "C": W_in, "B": W_out, "S": {"cell": 1}},
        plain
        | {
            "D": np.diag(A),
            "b_rec": h[:, 0],
            "activation": "relu",
            "psi": "identity",
            "form": "voltage",
        },
    ),
    Sample("h2h.pt", layers("rnn.h2h", "rnn.input2h", "fc"), biased | {"activation": "relu"}),
    Sample(
        "h2h_dale.safetensors.pt",
        layers("rnn.h2h", "rnn.input2h", "fc") | {"rnn.h2h.mask": np.sign(b) * np.ones((N, 1))},
        biased | {"W_rec": np.abs(W) * np.sign(b), "activation": "relu"},
    ),
    Sample("lin_feedback.pt", layers("lin_feedback", "lin_input", "lin_output"), biased),
    Sample(
        "readouts.pt",
        {**layers("linear_hh", "linear_ih", "out_pos"), **two, "linear_initialize.weight": r(N, 2)},
        biased | two_net,
    ),
    Sample(
        "keras.hdf5",
        {**kernels, "model_config": json.dumps({"config": {"layers": [config]}})},
        plain | {"b_out": b_out, "activation": "relu"},
    ),
    Sample("net.weights.h5", keras_3, biased | {"b_rec": b}),
    Sample(
        "flax.npz",
        {
            "params/cell/i/kernel": W_in.T,
            "params/cell/i/bias": b,
            "params/cell/h/kernel": W.T,
            "params/Dense_0/kernel": W_out.T,
        },
        plain | {"b_rec": b},
    ),
    Sample(
        "equinox.npz",
        {f".cell.{name}": cell[name] for name in ("weight_ih", "weight_hh")}
        | {".cell.bias": b, ".readout.weight": W_out, ".readout.bias": b_out},
        biased | {"b_rec": b},
    ),
    Sample(
        "cell.pt",
        {f"c.{k}": v for k, v in cell.items()} | {"o.weight": W_out},
        plain | {"b_rec": b + b_in},
    ),
    Sample(
        "rnn.pt",
        {f"module.rnn.{name}_l0": array for name, array in cell.items()}
        | {"module.fc.weight": W_out, "module.fc.bias": b_out, "module.h0": h0[None]},
        biased | {"h0": h0},
    ),
    Sample(
        "mapped.mat",
        {"net_recurrent": W, "net_input": W_in, "net_output": W_out, "start": h0},
        plain | {"h0": h0},
        {"mapping": ["W_rec=net_recurrent", "W_in=net_input", "W_out=net_output", "h0=start"]},
    ),
]
