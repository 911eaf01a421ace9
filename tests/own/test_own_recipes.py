"""Every recipe of the book, run as it stands on the page, on files and outputs that the libraries
themselves made.
"""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import schurkit as sk
from schurkit.__main__ import main

torch = pytest.importorskip("torch")

ARTEFACTS = Path(__file__).parent / "artefacts"
PAGE = (Path(__file__).parents[2] / "book" / "recipes.md").read_text(encoding="utf-8")
SECTIONS = {
    title: re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for title, text in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    for path in ARTEFACTS.iterdir():
        if path.suffix != ".py":
            shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)


def run(title, only=None, **given):
    """Run the code of a section; returns its names."""
    for code in SECTIONS[title] if only is None else [SECTIONS[title][only]]:
        exec(compile(code, f"recipes.md, {title}", "exec"), given)
    return given


def recorded(name):
    with np.load(ARTEFACTS / name) as file:
        return {key: file[key] for key in file.files}


def close(found, tolerance=1e-5):
    assert found.ok and found.max_deviation < tolerance, found


def test_every_section_has_a_test():
    assert list(SECTIONS) == [
        "Always: compare the outputs",
        "PyTorch: a module in memory",
        "PyTorch: a checkpoint",
        "nn4n",
        "PsychRNN",
        "trainRNNbrain",
        "NeuroGym: its tasks as trials",
        "Dale's law and missing connections",
        "What the JSON of an analysis holds",
    ]
    assert all(SECTIONS.values())


def test_no_line_of_code_is_cut_off_on_the_page():
    assert (
        max(
            len(line) for codes in SECTIONS.values() for code in codes for line in code.splitlines()
        )
        <= 76
    )


# ----------------------------------------------------------------------------------------- PyTorch
def test_compare_and_save(capsys):
    one = recorded("lightning.npz")
    rnn = sk.load_rnn("lightning.ckpt", activation="relu")
    found = run(
        "Always: compare the outputs",
        rnn=rnn,
        inputs=one["inputs"],
        targets=one["targets"],
        outputs=one["outputs"],
    )["found"]
    close(found, 1e-6)
    assert capsys.readouterr().out.startswith("True ")
    assert (
        main(
            [
                "analyze",
                "network.npz",
                "--trials",
                "trials.npz",
                "--draws",
                "2",
                "--json",
                "report.json",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "Checked: the network gives the outputs" in out and "assumed" not in out
    report = run("What the JSON of an analysis holds")["report"]
    assert report["schema"] == 2 and capsys.readouterr().out.startswith("[] 0.0 ∅\n['RR'] ")


def test_a_module_in_memory():
    torch.manual_seed(0)
    model = torch.nn.Sequential()
    model.rnn, model.readout = torch.nn.RNN(3, 9), torch.nn.Linear(9, 2)
    inputs = np.random.default_rng(0).normal(size=(4, 7, 3)).astype(np.float32)
    with torch.no_grad():
        outputs = (
            model.readout(model.rnn(torch.from_numpy(inputs).transpose(0, 1))[0])
            .transpose(0, 1)
            .numpy()
        )
    rnn = run("PyTorch: a module in memory", model=model)["rnn"]
    close(sk.check_against(rnn, sk.Trials(inputs, outputs), outputs), 1e-6)


def test_a_checkpoint_that_lightning_wrote():
    one = recorded("lightning.npz")
    rnn = run("PyTorch: a checkpoint")["rnn"]
    close(sk.check_against(rnn, sk.Trials(one["inputs"], one["targets"]), one["outputs"]), 1e-6)
    with pytest.raises(sk.InputError, match="damaged or truncated"):
        Path("net.ckpt").write_bytes(Path("lightning.ckpt").read_bytes()[:5000])
        sk.load_rnn("net.ckpt")


# -------------------------------------------------------------------------------------------- nn4n
def nn4n_given(state, one):
    model = SimpleNamespace(state_dict=lambda: state)
    return {
        "model": model,
        "dt": float(one["dt"]),
        "tau": float(one["tau"]),
        **{name: one[name] for name in ("inputs", "targets", "outputs")},
    }


def test_a_network_that_nn4n_trained():
    one = recorded("nn4n.npz")
    names = run("nn4n", **nn4n_given(one, one))
    close(names["found"])
    assert names["rnn"].form == "voltage" and names["rnn"].leak == 0.2
    wrong = sk.check_against(
        sk.from_arrays(**arrays_of(names["rnn"]), activation="relu", leak=0.2),
        sk.Trials(names["x"], names["z"]),
        names["y"],
    )
    assert "the form were voltage" in wrong.hint
    report = sk.constraint_report(names["rnn"].W_rec[0])
    assert (
        report["dale"]
        and (report["excitatory"], report["inhibitory"]) == (16, 4)
        and report["zero_share"] > 0.6
    )


def arrays_of(rnn):
    return {
        name: getattr(rnn, name)[0] for name in ("W_in", "W_rec", "W_out", "b_rec", "b_out", "h0")
    }


def test_nn4n_itself():
    ctrnn = pytest.importorskip(
        "nn4n.model", reason="nn4n is not installed: a recorded network was used above"
    ).CTRNN
    torch.manual_seed(1)
    for activation, start in (("relu", "zero"), ("tanh", "learn")):
        model = ctrnn(
            dims=[3, 12, 2],
            activation=activation,
            dt=10,
            tau=40,
            biases="uniform",
            weights="normal",
            init_state=start,
        )
        inputs = torch.randn(15, 6, 3)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(5):
            optimizer.zero_grad()
            ((model(inputs)[0] - 1) ** 2).mean().backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            outputs = model(inputs)[0].numpy()
        one = {
            "inputs": inputs.numpy(),
            "targets": outputs,
            "outputs": outputs,
            "dt": 10,
            "tau": 40,
        }
        code = SECTIONS["nn4n"][0].replace('activation="relu"', f'activation="{activation}"')
        names = nn4n_given(model.state_dict(), one)
        exec(compile(code, "recipes.md, nn4n", "exec"), names)
        close(names["found"])
        assert bool(names["rnn"].h0.any()) == (start == "learn")


# ---------------------------------------------------------------------------------------- PsychRNN
def psychrnn_given():
    one = recorded("psychrnn_trials.npz")
    return {name: one[name] for name in ("inputs", "targets", "mask", "outputs")} | {
        name: float(one[name]) for name in ("dt", "tau")
    }


def test_a_network_that_psychrnn_trained():
    names = run("PsychRNN", **psychrnn_given())
    close(names["found"])
    assert names["rnn"].leak == 0.2
    report = sk.constraint_report(names["rnn"].W_rec[0])
    assert report["dale"] and (report["excitatory"], report["inhibitory"]) == (12, 4)


def test_its_file_as_it_is_saved_without_dale(capsys):
    """dale_ratio is then None, a pickled object: the recipe never touches it, and the command
    refuses the whole file.
    """
    np.savez("psychrnn.npz", **recorded("psychrnn.npz") | {"dale_ratio": np.array(None)})
    close(run("PsychRNN", **psychrnn_given())["found"])
    assert main(["analyze", "psychrnn.npz"]) == 2
    assert "dale_ratio holds Python objects, which are never unpickled" in capsys.readouterr().err


# ----------------------------------------------------------------------------------- trainRNNbrain
def as_trainrnnbrain_runs(params, u):
    """Lines of its `rhs` and `forward` (equation types "s" and "h", no noise), written out: arrays
    as (channels, time, trials).
    """
    name, slope = params["activation_args"]["name"], params["activation_args"]["slope"]
    phi = (
        (lambda x: np.tanh(slope * x))
        if name == "tanh"
        else (lambda x: np.clip(slope * x, 0, None))
    )
    x = np.repeat(params["y_init"][:, None], u.shape[2], axis=1)
    states = [x]
    for t in range(1, u.shape[1]):
        drive = params["W_inp"] @ u[:, t - 1] + params["bias"][:, None]
        new = (
            params["W_rec"] @ phi(x) + drive
            if params["equation_type"] == "h"
            else phi(params["W_rec"] @ x + drive)
        )
        x = x + params["dt"] / params["tau"] * (-x + new - params["gamma"] * x**3)
        states.append(x)
    read = [phi(state) for state in states] if params["equation_type"] == "h" else states
    return np.stack([params["W_out"] @ state for state in read], axis=1)


def trainrnnbrain_given(seed=0, **changes):
    rng = np.random.default_rng(seed)
    params = {
        "W_inp": rng.normal(size=(9, 3)),
        "W_rec": rng.normal(size=(9, 9)) / 3,
        "W_out": rng.normal(size=(2, 9)),
        "bias": rng.normal(size=9),
        "y_init": rng.normal(size=9),
        "dt": 1.0,
        "tau": 10.0,
        "gamma": 0.0,
        "equation_type": "s",
        "activation_args": {"name": "relu", "slope": 1.0},
    } | changes
    u = rng.normal(size=(3, 40, 5))
    outputs = as_trainrnnbrain_runs(params, u)
    return {
        "params": params,
        "inputs": u,
        "targets": rng.normal(size=outputs.shape),
        "outputs": outputs,
    }


@pytest.mark.parametrize("equation", ["s", "h"])
@pytest.mark.parametrize(("name", "slope"), [("relu", 1.0), ("relu", 1.7), ("tanh", 0.6)])
def test_a_network_of_trainrnnbrain(equation, name, slope):
    given = trainrnnbrain_given(
        equation_type=equation, activation_args={"name": name, "slope": slope}
    )
    close(run("trainRNNbrain", **given)["found"], 1e-12)


def test_its_cubic_term_is_no_form_of_ours():
    given = trainrnnbrain_given(gamma=0.1)
    with pytest.raises(AssertionError, match="cubic term"):
        run("trainRNNbrain", **given)
    given["params"] = given["params"] | {"gamma": 0.0}
    assert not run("trainRNNbrain", **given)["found"].ok


# ---------------------------------------------------------------------------------------- NeuroGym
@pytest.mark.filterwarnings("ignore::UserWarning:gymnasium")
def test_trials_of_neurogym(monkeypatch):
    try:
        import neurogym  # noqa: F401
    except ImportError:
        import sys

        from test_own_neurogym import Replayed

        stand_in = SimpleNamespace(make=lambda name, dt: Replayed(name.partition("-")[0]))
        monkeypatch.setitem(sys.modules, "neurogym", stand_in)
    rnn = sk.RNN(np.ones((4, 3)), 0.5 * np.triu(np.ones((4, 4))), np.ones((3, 4)))
    trials = run("NeuroGym: its tasks as trials", rnn=rnn)["trials"]
    assert trials.inputs.shape == (200, 22, 3) and trials.mask.sum() == 200
    assert sk.fvu(sk.rollout(rnn, trials), trials)[0] == 0


# ------------------------------------------------------------------------------------------- masks
def test_masks(capsys):
    one = recorded("nn4n.npz")
    rnn = run("nn4n", **nn4n_given(one, one))["rnn"]
    run("Dale's law and missing connections", rnn=rnn)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("True 0.") and len(lines) == 9
    chance = np.sqrt(float(lines[0].split()[1]))
    assert 0.5 * chance < float(lines[-1].split()[-1]) < 1
