"""Networks from files, arrays and torch modules: every choice and every contradiction."""

import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
import torch
from examined import refusals, refused
from helpers import apart, gauss, random_rnn
from samples import Net

from schurkit import rollout
from schurkit.own import from_arrays, from_torch, load_rnn, read_network
from schurkit.rnn import ARRAYS

nn = torch.nn


def Model(**kind):
    torch.manual_seed(8)
    return Net(sizes=(3, 8, 2), **kind)


def torchs_own(net, x):
    x = torch.from_numpy(x)
    with torch.no_grad():
        return (net(x) if net.rnn.batch_first else net(x.transpose(0, 1)).transpose(0, 1)).numpy()


def saved(value, name="net.pt"):
    torch.save(value, name)
    return name


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


def layers(**modules):
    return nn.ModuleDict(modules)


# ------------------------------------------------------------------- torch modules and state dicts
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_are_torchs_own(dtype, tolerance, nonlinearity, first, bias):
    net = Model(nonlinearity=nonlinearity, batch_first=first, bias=bias).to(getattr(torch, dtype))
    x = gauss(7, 40, 3).astype(dtype)
    imported = from_torch(net.rnn, net.fc)
    loaded = load_rnn(saved(net.state_dict()), activation=nonlinearity)
    assert same(imported, loaded) and imported.activation == nonlinearity
    assert imported.dtype == dtype and same(from_torch(net), imported)
    assert apart(rollout(loaded, x).outputs[0], torchs_own(net, x)) < tolerance


def test_a_start_and_a_parametrised_layer():
    net = Model(batch_first=True)
    x = gauss(7, 11, 3).astype(np.float32)
    start = torch.linspace(0, 1, 8).reshape(1, 1, 8)
    assert from_torch(net.rnn, net.fc, h0=start).h0[0].tolist() == start.flatten().tolist()
    nn.utils.parametrizations.orthogonal(net.rnn, "weight_hh_l0")
    assert apart(rollout(from_torch(net), x).outputs[0], torchs_own(net, x)) < 1e-6
    net.h0 = nn.Parameter(torch.arange(8.0)[None])
    assert from_torch(net).h0[0].tolist() == list(range(8))
    assert not from_torch(net, h0=np.zeros(8)).h0.any()


def _stepped(net):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.0)
    net(torch.zeros(4, 2, 3)).sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: nn.DataParallel(torch.compile(net)).state_dict(),
        lambda net: {"model": net.state_dict(), "optimizer": _stepped(net).state_dict()},
        lambda net: {"checkpoint": {"net": net.state_dict(), "lr": [1e-3, 1e-4]}},
        lambda net: dict(net.named_parameters()),
        lambda net: {f"any.prefix.{k}": tensor.numpy() for k, tensor in net.state_dict().items()},
    ],
)
def test_any_prefix_nesting_and_module(wrap):
    net = Model(nonlinearity="relu")
    expected = from_torch(net.rnn, net.fc)
    found = read_network(saved(wrap(net), "net.PTH"))
    assert same(found.rnn, expected) and found.assumed == ("activation",)


def test_any_module_around_it():
    net = Model(nonlinearity="relu")
    expected = from_torch(net.rnn, net.fc)
    for module in (nn.DataParallel(net), torch.compile(layers(deep=net, drop=nn.Dropout(0.5)))):
        assert same(from_torch(module), expected) and from_torch(module).activation == "relu"


def test_choosing_among_layers():
    net = layers(r=nn.RNN(3, 8), s=nn.RNN(3, 8), a=nn.Linear(8, 2), b=nn.Linear(8, 1))
    path = saved(net.state_dict())
    found = read_network(path, recurrent="s", readout="b.")
    assert same(found.rnn, from_torch(net["s"], net["b"]))
    assert {"a.weight", "r.weight_hh_l0"} < {*found.unused} and "b.weight" not in found.unused
    refused(lambda: load_rnn(path, recurrent="t"), "no recurrent layer t; it holds r, s")
    refused(lambda: load_rnn(path, recurrent="s", readout="c"), "no readout c; it holds a, b")


SIZES = {"weight_ih_l0": (8, 2), "weight_hh_l0": (8, 8), "fc.weight": (2, 8)}


def of_sizes(changes, readout=None):
    """Read a state dict of these sizes."""
    sizes = {name: size for name, size in (SIZES | changes).items() if size is not None}
    path = saved({name: torch.ones(size) for name, size in sizes.items()})
    return load_rnn(path, readout=readout)


test_state_dicts_that_do_not_fit = refusals(
    of_sizes,
    [
        ({"weight_ih_l0": None}, "Nearest is torch.nn.RNN, but for weight_ih_l0"),
        ({"weight_hh_l0": (8, 7)}, "weight_hh_l0 must have axes (hidden, hidden)"),
        ({"weight_hh_l0": (8,)}, "must have axes (hidden, hidden)"),
        ({"fc.weight": None}, "no linear readout: a weight of shape (output, 8)"),
        ({"fc.weight": (2, 7)}, "Beside the recurrent layer it holds fc.weight (2, 7)"),
        ({"fc.weight": (8, 2)}, "fc", "it holds fc.weight (8, 2)"),
        ({"weight_hr_l0": (2, 8)}, "the recurrent layer is an LSTM with projections"),
    ],
)

LINEAR = nn.Linear(8, 2)


test_modules_that_from_torch_refuses = refusals(
    lambda given: from_torch(*given),
    [
        (
            [Model(num_layers=2)],
            "got RNN of 2 layers. To go on, schurkit.from_module takes",
        ),
        ([layers(r=nn.GRU(3, 8), fc=LINEAR)], "holds 0 and 1: fc. To go on"),
        ([layers(a=nn.RNN(3, 8), b=nn.RNN(3, 8))], "ModuleDict holds 2 and 0: a, b"),
        ([layers(r=nn.RNN(3, 8), a=LINEAR, b=nn.Linear(8, 2))], "holds 1 and 2: r, a, b"),
        ([nn.RNN(3, 8)], "needs the readout too"),
        ([layers(m=Model(), n=nn.LayerNorm(8))], "n.weight, n.bias. If these take no part"),
        ([nn.RNN(3, 8, bidirectional=True), LINEAR], "got RNN of 1 layers, bidirectional"),
        ([Model(), LINEAR], "got Net. To go on, pass the layer, model.rnn"),
        (["rnn", LINEAR], "one direction; got str. To go on, schurkit.from_module"),
        ([nn.RNN(3, 8), nn.Bilinear(8, 8, 2)], "readout as an nn.Linear; got Bilinear"),
    ],
)


# ------------------------------------------------------------------------------------------ arrays
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("leak", [0.3, np.linspace(0.1, 0.9, 7)])
def test_native_files_in_both_formats(single, dtype, leak):
    kind = {"activation": "softplus", "form": "voltage"}
    rnn = random_rnn(1 if single else 3, dtype=dtype, leak=leak, **kind)
    arrays = {name: getattr(rnn, name)[0] if single else getattr(rnn, name) for name in ARRAYS}
    np.savez("net.npz", **arrays, **kind, leak=leak, note="ours", losses=np.ones(5))
    words, tensors = ({}, {"leak": leak}) if np.ndim(leak) else ({"leak": "0.3"}, {})
    safetensors.numpy.save_file(arrays | tensors, "net.safetensors", metadata=kind | words)
    for name in ("net.npz", "net.safetensors"):
        found = read_network(name)
        assert same(found.rnn, rnn) and found.rnn.dtype == dtype and found.assumed == ()
        assert (found.rnn.activation, found.rnn.form) == ("softplus", "voltage")
        assert np.array_equal(found.rnn.leak, leak) and found.notes == ()
    assert read_network("net.npz").unused == ("losses",)


def test_other_number_types_and_orders():
    W_rec = np.asfortranarray(np.arange(16.0).reshape(4, 4))
    for cast in (np.float16, ">f8", ">f4", np.int64, np.uint8, np.longdouble):
        weights = {"W_in": np.ones((4, 2), cast), "W_out": np.ones((1, 4), cast)}
        np.savez("net.npz", W_rec=W_rec.astype(cast, order="F"), **weights)
        assert np.array_equal(load_rnn("net.npz").W_rec[0], W_rec)


def test_what_is_assumed_and_what_contradicts():
    arrays = {"W_in": np.ones((4, 2)), "W_rec": np.eye(4), "W_out": np.ones((1, 4))}
    np.savez("bare.npz", **arrays)
    assert read_network("bare.npz").assumed == ("activation", "leak")
    assert read_network("bare.npz", leak=0.5).assumed == ("activation", "form")
    assert read_network("bare.npz", leak=0.5, form="rate", activation="tanh").assumed == ()
    said = {"activation": "relu", "leak": 0.5, "form": "voltage"}
    np.savez("full.npz", **arrays, **said, c=np.ones(4), psi="tanh")
    rnn = load_rnn("full.npz", **said)
    assert rnn.leak == 0.5 and rnn.psi == "tanh" and rnn.c.tolist() == [[1.0] * 4]
    leaks = {"leak": [0.5, 0.5, 0.5, 0.4]}
    for asked in ({"activation": "tanh"}, {"leak": 0.2}, {"form": "rate"}, leaks):
        told = f"says {next(iter(asked))} ", "was asked for"
        refused(lambda asked=asked: load_rnn("full.npz", **asked), *told)


def test_row_convention():
    rnn = random_rnn(2)
    own = {name: getattr(rnn, name) for name in ARRAYS}
    turned = {name: np.swapaxes(own[name], 1, 2) for name in ("W_in", "W_rec", "W_out")}
    assert same(from_arrays(**own | turned, transpose=True), rnn)
    assert same(from_arrays(**own | {"W_rec": turned["W_rec"]}, transpose="W_rec"), rnn)
    some = own | turned | {"W_out": rnn.W_out}
    assert same(from_arrays(**some, transpose=("W_in", "W_rec")), rnn)
    told = "W_in and W_out would fit the other way", "transpose=True"
    refused(lambda: from_arrays(**own | turned), *told)
    text = refused(lambda: from_arrays(rnn.W_in, rnn.W_rec, rnn.W_out[..., :-1]))
    assert "other way round" not in text


def test_equal_leaks_are_one_labels_stay_and_missing_weights_are_named():
    stack = np.ones((2, 4, 1)), np.stack([np.eye(4)] * 2), np.ones((2, 1, 4))
    rnn = from_arrays(*stack, leak=np.full(4, 0.25), labels=("a", "b"))
    assert rnn.leak == 0.25 and np.ndim(rnn.leak) == 0 and rnn.labels == ("a", "b")
    refused(lambda: from_arrays(np.ones((4, 1)), np.eye(4), None), "got no W_out")


def test_reading_own_files_imports_neither_torch_nor_h5py():
    path = saved(Model().state_dict())
    code = f"import sys, schurkit.own as own; own.load_rnn({str(path)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "h5py", "pickle5"} & {*done.stdout.split()}
