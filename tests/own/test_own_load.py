"""Networks from files, arrays and torch modules: real artefacts, every choice and every
contradiction.
"""

import builtins
import sys

import numpy as np
import pytest
import safetensors.numpy
from helpers import random_rnn

from schurkit import InputError, rollout
from schurkit.own import from_arrays, from_torch, load_rnn, read_network
from schurkit.rnn import ARRAYS

torch = pytest.importorskip("torch")


class Model(torch.nn.Module):
    def __init__(self, hidden=8, readout_bias=True, **kind):
        super().__init__()
        self.rnn = torch.nn.RNN(3, hidden, **kind)
        self.fc = torch.nn.Linear(hidden, 2, bias=readout_bias)

    def forward(self, inputs):
        return self.fc(self.rnn(inputs)[0])


def model(seed=0, **kind):
    torch.manual_seed(seed)
    return Model(**kind)


def inputs(seed=0, trials=7, steps=11):
    return np.random.default_rng(seed).normal(size=(trials, steps, 3)).astype(np.float32)


def torchs_own(net, x):
    x = torch.from_numpy(x)
    with torch.no_grad():
        return (net(x) if net.rnn.batch_first else net(x.transpose(0, 1)).transpose(0, 1)).numpy()


def saved(tmp_path, value, name="net.pt"):
    torch.save(value, tmp_path / name)
    return tmp_path / name


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


# ------------------------------------------------------------------- torch modules and state dicts
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_are_torchs_own(tmp_path, nonlinearity, batch_first, bias):
    net = model(nonlinearity=nonlinearity, batch_first=batch_first, bias=bias, readout_bias=bias)
    x = inputs()
    own = torchs_own(net, x)
    imported = from_torch(net.rnn, net.fc)
    assert imported.activation == nonlinearity and imported.dtype == np.float32
    loaded = load_rnn(saved(tmp_path, net.state_dict()), activation=nonlinearity)
    assert same(imported, loaded)
    for rnn in (imported, loaded, imported.astype("float64")):
        assert np.abs(rollout(rnn, x).outputs[0] - own).max() < 1e-6


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_outputs_are_torchs_own_in_either_precision(dtype, tolerance, nonlinearity):
    net = model(hidden=32, nonlinearity=nonlinearity, batch_first=True).to(dtype)
    x = torch.from_numpy(inputs(trials=16, steps=60)).to(dtype)
    with torch.no_grad():
        own = net(x).numpy()
    rnn = from_torch(net)
    assert rnn.dtype == own.dtype and rnn.activation == nonlinearity
    assert np.abs(rollout(rnn, x.numpy()).outputs[0] - own).max() < tolerance


def test_a_module_with_one_layer_and_one_readout():
    net = model(nonlinearity="relu")
    expected = from_torch(net.rnn, net.fc)
    for one in (
        net,
        torch.nn.DataParallel(net),
        torch.nn.ModuleDict({"deep": net, "drop": torch.nn.Dropout(0.5)}),
        torch.compile(net),
    ):
        assert same(from_torch(one), expected) and from_torch(one).activation == "relu"
    net.h0 = torch.nn.Parameter(torch.arange(8.0)[None])
    assert from_torch(net).h0[0].tolist() == list(range(8))
    assert not from_torch(net, h0=np.zeros(8)).h0.any()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: model(num_layers=2), "got RNN of 2 layers. To go on, schurkit.from_module takes"),
        (
            lambda: torch.nn.ModuleDict({"r": torch.nn.GRU(3, 8), "fc": torch.nn.Linear(8, 2)}),
            "one nn.RNN and one nn.Linear; ModuleDict holds 0 and 1: fc. To go on, pass the two "
            "that are meant, from_torch(model.rnn, model.readout); schurkit.from_module takes",
        ),
        (
            lambda: torch.nn.ModuleDict({"a": torch.nn.RNN(3, 8), "b": torch.nn.RNN(3, 8)}),
            "ModuleDict holds 2 and 0: a, b.",
        ),
        (
            lambda: torch.nn.ModuleDict(
                {"rnn": torch.nn.RNN(3, 8), "a": torch.nn.Linear(8, 2), "b": torch.nn.Linear(8, 2)}
            ),
            "ModuleDict holds 1 and 2: rnn, a, b.",
        ),
        (lambda: torch.nn.RNN(3, 8), "needs the readout too"),
        (
            lambda: torch.nn.ModuleDict({"m": model(), "norm": torch.nn.LayerNorm(8)}),
            "norm.weight, norm.bias. If these take no part, pass the two layers",
        ),
        (lambda: "model.pt", "one nn.RNN and one nn.Linear; str holds 0 and 0: nothing."),
    ],
)
def test_modules_that_do_not_say_which_layers_are_meant(make, told):
    with pytest.raises(InputError) as error:
        from_torch(make())
    assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net.state_dict(),
        lambda net: torch.nn.DataParallel(net).state_dict(),
        lambda net: {"epoch": 3, "state_dict": net.state_dict(), "best": 0.1, "name": "run 7"},
        lambda net: {
            "model": torch.nn.DataParallel(net).state_dict(),
            "optimizer": _stepped(net).state_dict(),
        },
        lambda net: {"checkpoint": {"net": net.state_dict(), "lr": [1e-3, 1e-4]}},
        lambda net: dict(net.named_parameters()),
        lambda net: torch.compile(net).state_dict(),
        lambda net: torch.nn.DataParallel(torch.compile(net)).state_dict(),
        lambda net: {
            f"any.prefix.at.all.{name}": tensor for name, tensor in net.state_dict().items()
        },
    ],
)
def test_any_prefix_and_nesting(tmp_path, wrap):
    net = model()
    wrapped = wrap(net)
    assert same(load_rnn(saved(tmp_path, wrapped)), from_torch(net.rnn, net.fc))
    assert same(load_rnn(saved(tmp_path, wrapped, "net.PTH")), from_torch(net.rnn, net.fc))


def _stepped(net):
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.zeros(4, 2, 3)).sum().backward()
    with torch.no_grad():
        before = [p.clone() for p in net.parameters()]
        optimizer.step()
        for p, old in zip(net.parameters(), before):
            p.copy_(old)
    return optimizer


def test_a_state_dict_saved_on_a_gpu(tmp_path, monkeypatch):
    net = model()
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        path = saved(tmp_path, net.state_dict())
    assert b"cuda:0" in path.read_bytes()
    assert same(load_rnn(path), from_torch(net.rnn, net.fc))


def test_a_state_dict_as_safetensors_or_npz(tmp_path):
    net = model()
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    safetensors.numpy.save_file(arrays, tmp_path / "net.safetensors")
    np.savez(tmp_path / "net.npz", **arrays)
    for name in ("net.safetensors", "net.npz"):
        assert same(load_rnn(tmp_path / name), from_torch(net.rnn, net.fc))


def test_a_cell_a_start_and_half_precision(tmp_path):
    torch.manual_seed(0)
    cell, fc = torch.nn.RNNCell(3, 8), torch.nn.Linear(8, 2)
    net = torch.nn.ModuleDict({"cell": cell, "fc": fc})
    state = {**net.state_dict(), "h0": torch.arange(8.0).reshape(1, 1, 8)}
    rnn = load_rnn(saved(tmp_path, state))
    assert np.array_equal(rnn.W_rec[0], cell.weight_hh.detach().numpy()) and rnn.h0[
        0
    ].tolist() == list(range(8))
    for dtype in (torch.float16, torch.bfloat16):
        rounded = {name: tensor.to(dtype) for name, tensor in state.items()}
        rnn = load_rnn(saved(tmp_path, rounded))
        assert rnn.dtype == np.float32 and np.array_equal(
            rnn.W_rec[0], cell.weight_hh.detach().to(dtype).float().numpy()
        )


def test_brain_floats_in_safetensors(tmp_path):
    import safetensors.torch

    net = model()
    rounded = {name: tensor.to(torch.bfloat16) for name, tensor in net.state_dict().items()}
    safetensors.torch.save_file(rounded, tmp_path / "net.safetensors")
    expected = rounded["rnn.weight_hh_l0"].float().numpy()
    assert np.array_equal(load_rnn(tmp_path / "net.safetensors").W_rec[0], expected)


def test_what_a_state_dict_does_not_say(tmp_path):
    path = saved(tmp_path, model().state_dict())
    assert read_network(path).assumed == ("activation",)
    assert read_network(path, activation="relu").assumed == ()
    assert load_rnn(path, activation="relu").activation == "relu"
    assert load_rnn(path, leak=0.5, form="voltage").form == "voltage"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: {"rnn": torch.nn.LSTM(3, 8), "fc": torch.nn.Linear(8, 2)}, "rnn is an LSTM"),
        (
            lambda: {"rnn": torch.nn.LSTM(3, 8, proj_size=2), "fc": torch.nn.Linear(2, 2)},
            "is an LSTM",
        ),
        (lambda: {"rnn": torch.nn.GRU(3, 8), "fc": torch.nn.Linear(8, 2)}, "rnn is a GRU"),
        (
            lambda: {"rnn": torch.nn.RNN(3, 8, num_layers=2), "fc": torch.nn.Linear(8, 2)},
            "rnn has 2 layers",
        ),
        (
            lambda: {"rnn": torch.nn.RNN(3, 8, bidirectional=True), "fc": torch.nn.Linear(16, 2)},
            "rnn is bidirectional",
        ),
        (lambda: {"rnn": torch.nn.RNN(3, 8)}, "no linear readout: a weight of shape (output, 8)"),
        (
            lambda: {"rnn": torch.nn.RNN(3, 8), "fc": torch.nn.Linear(7, 2)},
            "holds fc.weight (2, 7), fc.bias (2,)",
        ),
        (lambda: {"fc": torch.nn.Linear(8, 2)}, "holds no nn.RNN"),
        (
            lambda: {
                "rnn": torch.nn.RNN(3, 8),
                "a": torch.nn.Linear(8, 2),
                "b": torch.nn.Linear(8, 1),
            },
            "2 linear layers that could be the readout: a, b",
        ),
        (
            lambda: {"r": torch.nn.RNN(3, 8), "s": torch.nn.RNN(3, 8), "a": torch.nn.Linear(8, 2)},
            "2 recurrent layers: r, s. Choose one: --recurrent",
        ),
        (
            lambda: {
                "encoder": torch.nn.Linear(5, 3),
                "rnn": torch.nn.RNN(3, 8),
                "fc": torch.nn.Linear(8, 2),
            },
            "encoder.weight, encoder.bias. If the",
        ),
        (
            lambda: {"rnn": _orthogonal(torch.nn.RNN(3, 8)), "fc": torch.nn.Linear(8, 2)},
            "remove_parametrizations",
        ),
    ],
)
def test_state_dicts_that_are_not_one_rnn_and_its_readout(tmp_path, make, told):
    path = saved(tmp_path, torch.nn.ModuleDict(make()).state_dict())
    with pytest.raises(InputError) as error:
        load_rnn(path)
    assert told in str(error.value) and "\n" not in str(error.value)


def _orthogonal(rnn):
    return torch.nn.utils.parametrizations.orthogonal(rnn, "weight_hh_l0")


def test_choosing_among_layers(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.ModuleDict(
        {
            "r": torch.nn.RNN(3, 8),
            "s": torch.nn.RNN(3, 8),
            "a": torch.nn.Linear(8, 2),
            "b": torch.nn.Linear(8, 1),
        }
    )
    path = saved(tmp_path, net.state_dict())
    found = read_network(path, recurrent="s", readout="b.")
    assert same(found.rnn, from_torch(net["s"], net["b"]))
    assert (
        "a.weight" in found.unused
        and "r.weight_hh_l0" in found.unused
        and "b.weight" not in found.unused
    )
    for choice, told in (
        ({"recurrent": "t"}, "no recurrent layer t; it holds r, s"),
        ({"recurrent": "s", "readout": "c"}, "no readout c"),
    ):
        with pytest.raises(InputError, match=told):
            load_rnn(path, **choice)
    path = saved(
        tmp_path,
        {
            "weight_ih_l0": torch.ones(8, 3),
            "weight_hh_l0": torch.ones(8, 8),
            "fc.weight": torch.ones(8, 2),
        },
    )
    with pytest.raises(InputError, match=r"must have shape \(output, 8\); got \(8, 2\)"):
        load_rnn(path, readout="fc")


def test_two_models_in_one_checkpoint(tmp_path):
    first, second = model(0), model(1)
    path = saved(tmp_path, {"model": first.state_dict(), "ema": second.state_dict()})
    with pytest.raises(InputError, match=r"2 recurrent layers: model.rnn, ema.rnn"):
        load_rnn(path)
    assert same(load_rnn(path, recurrent="ema.rnn"), from_torch(second.rnn, second.fc))


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ([torch.ones(3)], "holds a list; expected a state dict"),
        ({"rnn.weight_hh_l0": torch.ones(8, 8)}, "but no rnn.weight_ih_l0"),
        (
            {"rnn.weight_hh_l0": torch.ones(8, 7), "rnn.weight_ih_l0": torch.ones(8, 2)},
            "must be square",
        ),
        (
            {"rnn.weight_hh_l0": torch.ones(8), "rnn.weight_ih_l0": torch.ones(8, 2)},
            "axes (hidden, hidden)",
        ),
        (
            {
                "weight_hh_l0": torch.ones(8, 8),
                "weight_ih_l0": torch.ones(7, 2),
                "fc.weight": torch.ones(2, 8),
            },
            "W_in must have shape",
        ),
        (
            {
                "weight_hh_l0": torch.ones(8, 8) * 1j,
                "weight_ih_l0": torch.ones(8, 2),
                "fc.weight": torch.ones(2, 8),
            },
            "complex",
        ),
        (
            {
                "weight_hh_l0": torch.ones(8, 8),
                "weight_ih_l0": torch.ones(8, 2),
                "bias_ih_l0": torch.ones(7),
                "fc.weight": torch.ones(2, 8),
            },
            "biases",
        ),
        (
            {
                "weight_hh_l0": torch.ones(8, 8) / 0,
                "weight_ih_l0": torch.ones(8, 2),
                "fc.weight": torch.ones(2, 8),
            },
            "NaN or infinite",
        ),
    ],
)
def test_broken_state_dicts(tmp_path, state, told):
    with pytest.raises(InputError) as error:
        load_rnn(saved(tmp_path, state))
    assert told in str(error.value)


def test_torch_is_asked_for_by_name(tmp_path, monkeypatch):
    path = saved(tmp_path, model().state_dict())
    true_import = builtins.__import__

    def no_torch(name, *rest, **more):
        if name.partition(".")[0] == "torch":
            raise ImportError("No module named 'torch'")
        return true_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", no_torch)
    with pytest.raises(InputError, match="needs torch to be read"):
        load_rnn(path)


@pytest.mark.parametrize(
    ("layer", "readout", "told"),
    [
        (lambda: torch.nn.LSTM(3, 8), lambda: torch.nn.Linear(8, 2), "got LSTM. To go on, sch"),
        (
            lambda: torch.nn.RNN(3, 8, bidirectional=True),
            lambda: torch.nn.Linear(8, 2),
            "one layer in one direction; got RNN of 1 layers, bidirectional. To go on, schurkit.",
        ),
        (model, lambda: torch.nn.Linear(8, 2), "got Model. To go on, pass the layer, model.rnn."),
        (lambda: "rnn", lambda: torch.nn.Linear(8, 2), "one direction; got str. To go on, sch"),
        (
            lambda: torch.nn.RNN(3, 8),
            lambda: torch.nn.Bilinear(8, 8, 2),
            "readout as an nn.Linear; got Bilinear",
        ),
        (lambda: torch.nn.RNN(3, 8), lambda: torch.nn.Linear(7, 2), "W_out must have shape"),
    ],
)
def test_modules_that_from_torch_refuses(layer, readout, told):
    with pytest.raises(InputError) as error:
        from_torch(layer(), readout())
    assert told in str(error.value)


def test_from_torch_with_a_start_and_a_parametrised_layer():
    net = model(batch_first=True)
    x, start = inputs(), torch.linspace(0, 1, 8).reshape(1, 1, 8)
    own = (
        net.fc(net.rnn(torch.from_numpy(x), start.expand(1, len(x), 8).contiguous())[0])
        .detach()
        .numpy()
    )
    assert np.abs(rollout(from_torch(net.rnn, net.fc, h0=start), x).outputs[0] - own).max() < 1e-6
    _orthogonal(net.rnn)
    assert (
        np.abs(rollout(from_torch(net.rnn, net.fc), x).outputs[0] - torchs_own(net, x)).max() < 1e-6
    )


# ------------------------------------------------------------------------------------------ arrays
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("leak", [0.3, np.linspace(0.1, 0.9, 7)])
def test_native_files_in_both_formats(tmp_path, single, dtype, leak):
    rnn = random_rnn(1 if single else 3, dtype=dtype, activation="relu", form="voltage", leak=leak)
    arrays = {name: getattr(rnn, name)[0] if single else getattr(rnn, name) for name in ARRAYS}
    np.savez(
        tmp_path / "net.npz",
        **arrays,
        activation="relu",
        leak=leak,
        form="voltage",
        note="ours",
        losses=np.ones(5),
    )
    words = {
        "activation": "relu",
        "form": "voltage",
        **({"leak": "0.3"} if np.ndim(leak) == 0 else {}),
    }
    tensors = {**arrays, **({} if np.ndim(leak) == 0 else {"leak": leak})}
    safetensors.numpy.save_file(
        {name: np.ascontiguousarray(a) for name, a in tensors.items()},
        tmp_path / "net.safetensors",
        metadata=words,
    )
    for name in ("net.npz", "net.safetensors"):
        found = read_network(tmp_path / name)
        assert same(found.rnn, rnn) and found.rnn.dtype == dtype and found.assumed == ()
        assert (found.rnn.activation, found.rnn.form) == ("relu", "voltage") and np.array_equal(
            found.rnn.leak, leak
        )
    assert read_network(tmp_path / "net.npz").unused == ("losses",)


def test_other_number_types_and_orders(tmp_path):
    W_rec = np.asfortranarray(np.arange(16.0).reshape(4, 4))
    for cast in (np.float16, ">f8", ">f4", np.int64, np.uint8, np.longdouble):
        np.savez(
            tmp_path / "net.npz",
            W_in=np.ones((4, 2), cast),
            W_rec=W_rec.astype(cast, order="F"),
            W_out=np.ones((1, 4), cast),
        )
        assert np.array_equal(load_rnn(tmp_path / "net.npz").W_rec[0], W_rec)


def test_what_is_assumed_and_what_contradicts(tmp_path):
    arrays = {"W_in": np.ones((4, 2)), "W_rec": np.eye(4), "W_out": np.ones((1, 4))}
    np.savez(tmp_path / "bare.npz", **arrays)
    assert read_network(tmp_path / "bare.npz").assumed == ("activation", "leak")
    assert read_network(tmp_path / "bare.npz", leak=0.5).assumed == ("activation", "form")
    assert (
        read_network(tmp_path / "bare.npz", leak=0.5, form="rate", activation="tanh").assumed == ()
    )
    np.savez(tmp_path / "full.npz", **arrays, activation="relu", leak=0.5, form="voltage")
    assert load_rnn(tmp_path / "full.npz", activation="relu", leak=0.5, form="voltage").leak == 0.5
    for choice in (
        {"activation": "tanh"},
        {"leak": 0.2},
        {"leak": [0.5, 0.5, 0.5, 0.4]},
        {"form": "rate"},
    ):
        with pytest.raises(
            InputError, match=f"the file says {next(iter(choice))} .* was asked for"
        ):
            load_rnn(tmp_path / "full.npz", **choice)
    for choice in (
        {"activation": "elu"},
        {"form": "current"},
        {"leak": 2.0},
        {"leak": "fast"},
        {"transpose": "W"},
        {"readout": "fc"},
    ):
        with pytest.raises(InputError):
            load_rnn(tmp_path / "bare.npz", **choice)


def test_row_convention():
    rnn = random_rnn(2)
    turned = [np.swapaxes(w, 1, 2) for w in (rnn.W_in, rnn.W_rec, rnn.W_out)]
    rest = {"b_rec": rnn.b_rec, "b_out": rnn.b_out, "h0": rnn.h0}
    assert same(from_arrays(*turned, **rest, transpose=True), rnn)
    assert same(from_arrays(rnn.W_in, turned[1], rnn.W_out, **rest, transpose="W_rec"), rnn)
    assert same(
        from_arrays(turned[0], turned[1], rnn.W_out, **rest, transpose=("W_in", "W_rec")), rnn
    )
    with pytest.raises(
        InputError, match=r"W_in and W_out would fit the other way round.*transpose=True"
    ):
        from_arrays(*turned, **rest)
    with pytest.raises(InputError) as error:
        from_arrays(rnn.W_in, rnn.W_rec, rnn.W_out[..., :-1])
    assert "other way round" not in str(error.value)


def test_equal_leaks_are_one_leak_and_labels_stay():
    rnn = from_arrays(
        np.ones((2, 4, 1)),
        np.stack([np.eye(4)] * 2),
        np.ones((2, 1, 4)),
        leak=np.full(4, 0.25),
        labels=("a", "b"),
    )
    assert rnn.leak == 0.25 and np.ndim(rnn.leak) == 0 and rnn.labels == ("a", "b")


def test_from_arrays_names_what_is_missing():
    with pytest.raises(InputError, match="got no W_out"):
        from_arrays(np.ones((4, 1)), np.eye(4), None)
    with pytest.raises(InputError, match="W_rec must have axes"):
        from_arrays(np.ones((4, 1)), np.ones((4, 3)), np.ones((1, 4)))


def test_importing_own_imports_no_torch():
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", "import sys, schurkit.own; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
