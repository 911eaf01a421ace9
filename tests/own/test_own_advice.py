"""Wrong files: each gives one line that says what to do, and doing so to the letter works."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from press.small_book import cases
from samples import SAMPLES, Net, TwoAreas, write

import schurkit

NET = {"W_in": np.ones((4, 2)), "W_rec": np.triu(np.ones((4, 4))) / 2, "W_out": np.ones((1, 4))}
KERAS = next(sample for sample in SAMPLES if sample.file == "keras.hdf5").saved
nn, tools = torch.nn, torch.nn.utils


def net(change=lambda rnn: rnn, **kind):
    """A torch module, and a change of its recurrent layer."""
    return lambda path: saved(path, Net(change=change, **kind))


def saved(path, model):
    torch.save(model.state_dict(), path)
    return model


def arrays(**changes):
    given = {name: array for name, array in (NET | changes).items() if array is not None}
    return lambda path: write(path, given)


def renamed(**names):
    """The network under other names: W_rec="J"."""
    given = {names.get(name, name).replace("__", "."): array for name, array in NET.items()}
    return lambda path: write(path, given)


def truncated(write):
    def cut(path):
        write(path)
        path.write_bytes(path.read_bytes()[:-60])

    return cut


def written(data):
    return lambda path: path.write_bytes(data)


def compiled(path):
    torch.jit.trace(Net(), torch.zeros(1, 3, 2)).save(path)


def beside(name, part):
    """A torch module that holds more."""

    def save(path):
        model = Net()
        setattr(model, name, part)
        return saved(path, model)

    return save


def two():
    """Two cells in one state dict."""
    cells = {f"{k}.{one}.weight": torch.rand(4, 4) for k in "ab" for one in ("h2h", "fc")}
    inward = {f"{k}.input2h.weight": torch.rand(4, 2) for k in "ab"}
    return lambda path: torch.save(cells | inward, path)


OTHER = {"W_in": "enc__weight", "W_rec": "core__weight", "W_out": "dec__weight"}
DENSE = {"W": np.eye(4), "A": np.ones((4, 4)), "h": np.ones(4), "C": NET["W_in"], "B": NET["W_out"]}
GAMMA = {"W_inp": NET["W_in"], "y_init": np.ones(4), "gamma": np.array(0.1), "W_in": None}
MISFIT = {"m": np.ones((4, 2)), "n": np.ones((5, 2)), "wi": np.ones((2, 4)), "wo": np.ones((4, 1))}
WRONG = {
    # names
    "one other name.npz": renamed(W_rec="W_hh"),
    "one letter.npz": renamed(W_rec="J"),
    "capitals.npz": renamed(W_rec="w_REC"),
    "no name at all.npz": renamed(W_rec="weights"),
    "three others.pt": renamed(**OTHER),
    "shapes alone.npz": renamed(W_in="a", W_rec="b", W_out="c"),
    "with spaces.npz": renamed(W_rec="the weights"),
    "three others.hdf5": renamed(W_in="x/in", W_rec="x/rec", W_out="x/out"),
    "key paths.npz": renamed(W_in="['a']['in']", W_rec="['a']['rec']", W_out="['a']['out']"),
    "a bias of torch.npz": arrays(b_hh=np.ones(4)),
    "a start.npz": arrays(hinit=np.ones(4)),
    "one letter wrong.npz": arrays(b_rek=np.ones(4)),
    "activation misspelt.npz": arrays(activatiom="relu"),
    "weights of something else.npz": arrays(W2=np.ones((3, 3))),
    "an activation of numbers.npz": arrays(activation=np.ones(2)),
    "rows.npz": lambda path: np.savez(path, **{name: array.T for name, array in NET.items()}),
    # modules
    "a whole module.pt": lambda path: torch.save(model := Net(), path) or model,
    "a whole module before 1.6.pt": lambda path: (
        torch.save(model := Net(), path, _use_new_zipfile_serialization=False) or model
    ),
    "a program.pt": compiled,
    "a list.pt": lambda path: torch.save([torch.ones(3)], path) or Net(),
    "an object beside.pt": lambda path: torch.save({"a": SimpleNamespace()}, path) or Net(),
    "dicts without end.pt": lambda path: (
        torch.save({str(k): {str(j): {} for j in range(200)} for k in range(60)}, path) or Net()
    ),
    "weight norm.pt": net(lambda rnn: tools.weight_norm(rnn, "weight_hh_l0")),
    "new weight norm.pt": net(lambda rnn: tools.parametrizations.weight_norm(rnn, "weight_hh_l0")),
    "spectral norm.pt": net(lambda rnn: tools.spectral_norm(rnn, "weight_hh_l0")),
    "pruned.pt": net(lambda rnn: tools.prune.random_unstructured(rnn, "weight_hh_l0", 0.5)),
    "a learned start.pt": beside("first_state", nn.Parameter(torch.ones(1, 4))),
    "an encoder.pt": beside("encoder", nn.Linear(2, 2)),
    "two readouts.pt": net(readouts=("fc", "other")),
    "two layers beside.pt": lambda path: saved(path, nn.ModuleDict({"a": Net(), "b": Net()})),
    "two models.pt": lambda path: torch.save({k: Net().state_dict() for k in "ab"}, path),
    "two cells.pt": two(),
    "a GRU.pt": net(layer=nn.GRU, batch_first=True),
    "an LSTM.pt": net(layer=nn.LSTM, batch_first=True),
    "two layers.pt": net(num_layers=2, batch_first=True),
    "both directions.pt": net(bidirectional=True, batch_first=True),
    "two areas.pt": lambda path: saved(path, TwoAreas()),
    # files
    "absent.npz": lambda path: None,
    "empty.npz": written(b""),
    "a pointer.pt": written(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    "text.mat": written(b"% not a matrix" * 20),
    "text.pt": written(b"epoch,loss\n1,2\n"),
    "text.csv": written(b"1,2\n3,4\n"),
    "one array.npy": lambda path: np.save(path, np.eye(3)),
    "model.keras": written(b"PK\3\4" + bytes(90)),
    "truncated.npz": truncated(arrays()),
    "truncated.pt": truncated(net()),
    "truncated.mat": truncated(arrays()),
    "truncated.hdf5": truncated(arrays()),
    "a matrix of objects.npz": arrays(W_rec=np.array([None, {}])),
    # numbers
    "not finite.npz": arrays(W_rec=np.full((4, 4), np.nan)),
    "complex.npz": arrays(W_rec=1j * np.eye(4)),
    "words.npz": arrays(W_rec=np.full((4, 4), "a")),
    "not square.npz": arrays(W_rec=np.ones((4, 3))),
    "no units.npz": arrays(W_rec=np.ones((0, 0))),
    "no inputs.npz": arrays(W_in=np.ones((4, 0))),
    "too few rows.npz": arrays(W_in=np.ones((3, 2))),
    "a bias too short.npz": arrays(b_rec=np.ones(3)),
    "a start with two axes.npz": arrays(h0=np.ones((1, 4))),
    "an unknown activation.npz": arrays(activation="elu"),
    "an unknown form.npz": arrays(form="current"),
    "no leak.npz": arrays(leak=0.0),
    "too much leak.npz": arrays(leak=1.5),
    "a leak for three.npz": arrays(leak=np.array([0.1, 0.2, 0.3])),
    "a leak in words.npz": arrays(leak="much"),
    "low rank that does not fit.npz": lambda path: write(path, MISFIT),
    "A is dense.npz": lambda path: write(path, DENSE),
    "cubic.npz": arrays(**GAMMA),
}
GOOD = "Save or fetch|git lfs pull|give the path|plain numbers|must|is empty|do not fit|rename it"
GOOD += "|name it so|expected a diagonal|train with"
ACTIONS = {
    r"'-v7'": arrays(),
    r"model.save\('model.h5'\)": lambda path: write(Path("model.h5"), KERAS),
    r"numpy.savez under the names W_in, W_rec and W_out": lambda path: arrays()(Path("a.npz")),
    GOOD: lambda path: (net() if path.suffix == ".pt" else arrays())(path),
}


def obeyed(text, path, model):
    """Do what a message says: its flags, its code, or its words; gives flags and the new file."""
    flags = re.findall(r"--(map|readout|recurrent|transpose) ('[^']+'(?:\"'\"'[^']+')*|\S+)", text)
    maps = [flag for flag in flags if flag[0] == "map"]
    if flags:
        words = [f"--{name} {value.rstrip('.;,)')}" for name, value in maps or flags[:1]]
        return " ".join(words), path
    if code := re.search(r"(torch|schurkit)\.[\w.]+\(.*\)", text):
        names = {"torch": torch, "schurkit": schurkit, "model": model, "FILE": path}
        got = eval(code.group().replace("…", "'weights.pt'"), names)
        if code.group().startswith("schurkit"):
            return None, got
        if "torch.nn.utils" in text:
            torch.save(model.state_dict(), "weights.pt")
        return "", "weights.pt"
    action = next(do for words, do in ACTIONS.items() if re.search(words, text))
    before = {*Path().iterdir()}
    action(path)
    return "", next(iter({*Path().iterdir()} - before), path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRONG)
def test_what_a_message_says_works(name, analyze, complaint):
    torch.manual_seed(0)
    path = Path(name)
    model = WRONG[name](path)
    text = complaint(f"'{name}'", name)
    assert len(text) < 1200
    flags, new = obeyed(text.partition(name)[2], path, model)
    if flags is None:
        assert new.W_rec.shape[1] == new.W_rec.shape[2] and len(new) == 1
    else:
        assert analyze(f"'{new}' {flags}")[0] == 0


def test_what_is_wrong_in_a_mapping(analyze, complaint):
    np.savez("net.npz", a=NET["W_in"], b=NET["W_rec"], c=NET["W_out"], d=np.ones(4))
    good = ["W_in=a", "W_rec=b", "W_out=c", "b_rec=d", "b_rec=d"]
    flags = " --map ".join(["net.npz", *good])
    for wrong, words in cases("""
W=a → with a role out of W_in, W_rec
W_in=e → holds no array e (--map W_in=e)
W_rec=a → names W_rec twice
b_rec=b → must have
"""):
        complaint(f"{flags} --map {wrong}", words)
    assert analyze(flags)[0] == 0
    assert schurkit.load_rnn("net.npz", mapping=good).b_rec.tolist() == [[2.0] * 4]
