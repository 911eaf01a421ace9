"""Networks in the names of libraries and papers, beside their own equations; files that libraries
themselves made, beside the outputs that they gave.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from examined import refused
from helpers import apart, gauss, plain_loop
from samples import (
    INPUTS,
    SAMPLES,
    W_in,
    W_out,
    b_out,
    low,
    plain,
    psych,
    tensors,
    two_net,
    write_torch,
)

from schurkit import RNN, Trials, rollout
from schurkit.own import check_against, load_rnn, read_network
from schurkit.own.conventions import CONVENTIONS

X = gauss(3, 7, INPUTS, seed=1)
NAMED = {sample.file: sample for sample in SAMPLES}


@pytest.mark.parametrize("name", NAMED)
def test_outputs_are_those_of_the_equation(name):
    sample = NAMED[name]
    found = read_network(sample.write(), **sample.flags)
    readings = dict([("", found.rnn), *found.readings])
    trials = Trials(X, np.zeros((*X.shape[:2], len(sample.network["W_out"]))))
    (expected,) = plain_loop(RNN(**sample.network), trials)[0]
    assert apart(rollout(readings[sample.reading], X).outputs[0], expected) < 1e-6
    first = [rollout(one, X).outputs[0][..., 0] for one in readings.values()]
    assert sum(apart(one, expected[..., 0]) < 1e-6 for one in first) <= 2
    assert list(readings)[1:] == [words for words, _ in found.readings]  # they can be had again


def test_readings_differ_in_few_choices_first():
    words, without = (
        [what for what, _ in read_network(NAMED[name].write()).readings]
        for name in ("lowrank_bias.pt", "lowrank.pt")
    )
    first = ("divided by N W_rec and W_out", "readout of φ(v)", "bias inside φ")
    differ = [sum(part not in first for part in what.split(", ")) for what in words]
    assert len(words) == 11 and differ == sorted(differ)
    assert len(without) == 5 and not any("bias" in what for what in without)


def test_readouts_in_another_order_and_alone():
    readings = dict(read_network(NAMED["readouts.pt"].write()).readings)
    turned, first, last = readings.values()
    assert np.array_equal(turned.W_out[0], two_net["W_out"][[2, 3, 0, 1]])
    assert np.array_equal(first.W_out[0], W_out) and np.array_equal(first.b_out[0], b_out)
    assert np.array_equal(last.W_out[0], 2 * W_out) and list(readings)[2].endswith("the last")
    alone = load_rnn("readouts.pt", readout="out_map")
    assert np.array_equal(alone.W_out, last.W_out)


def test_what_a_file_says_of_its_equation():
    found = read_network(NAMED["full_state_dict.pkl"].write())
    assert found.assumed == ()
    assert found.notes == (
        "activation tanh: nonlinearity in full_params.pkl",
        "psi identity: out_nonlinearity in full_params.pkl",
        "leak 0.2: dt 2 / tau 10 in full_params.pkl",
    )
    assert not any("readout" in words for words, _ in found.readings)
    Path("full_params.pkl").write_bytes(b"\x80\x04")
    told = "full_state_dict.pkl: full_params.pkl is damaged"
    refused(lambda: load_rnn("full_state_dict.pkl"), told)


@pytest.mark.parametrize(
    "says, leak, activation",
    [
        ({"alpha": 0.2}, 0.2, "tanh"),
        ({"dt": 20, "tau": 100, "nonlinearity": "torch.nn.ReLU()"}, 0.2, "relu"),
        ({"dt": 20, "tau": [40, 100]}, 1.0, "tanh"),  # a range, not the two time constants
        ({"dt": 1, "tau": [2, 2, 4, 4, 4, 4]}, [0.5, 0.5, 0.25, 0.25, 0.25, 0.25], "tanh"),
        ({"activation_function": "linear"}, 1.0, "identity"),
        ({"nonlinearity": "relu", "activation_function": "linear"}, 1.0, "tanh"),  # one of two
    ],
)
def test_other_words_for_leak_and_activation(says, leak, activation):
    np.savez("net.npz", **plain, **says)
    found = read_network("net.npz")
    assert np.allclose(found.rnn.leak, leak) and found.rnn.activation == activation
    assert ("leak" in found.assumed) == (leak == 1.0) and found.unused == ()


def test_what_is_skipped_is_named():
    found = read_network(NAMED["objects.npz"].write())
    assert found.notes == ("skipped, no plain numbers: dale_ratio",)
    assert found.assumed == ("activation", "leak") and found.rnn.activation == "relu"
    assert set(found.unused) == set(psych) - {"dale_ratio", "init_state"}


def test_precision_and_several_networks_in_a_checkpoint():
    write_torch("net.pt", {name: array.astype(np.float32) for name, array in low.items()})
    assert load_rnn("net.pt").dtype == np.float32
    saved = NAMED["h2h.pt"].saved
    twice = {name: 2 * array for name, array in saved.items()}
    torch.save({"model": tensors(saved), "ema": tensors(twice)}, "two.pt")
    for prefix, scale in (("model.rnn", 1), ("ema.rnn", 2)):
        rnn = load_rnn("two.pt", recurrent=prefix)
        assert np.allclose(rnn.W_in[0], scale * W_in) and np.allclose(rnn.W_out[0], scale * W_out)
    told = "no recurrent layer best; it holds model.rnn, ema.rnn"
    refused(lambda: load_rnn("two.pt", recurrent="best"), told)


def test_the_nearest_convention_is_named():
    np.savez("net.npz", **{name: low[name] for name in ("m", "n", "wi")})
    told = "Nearest is low rank: m, n, wi, wo, but for wo. Say"
    refused(lambda: load_rnn("net.npz"), told)


# ------------------------------------------------------------------------------ files of libraries
ARTEFACTS = Path(__file__).parent / "artefacts"
PAGE = (Path(__file__).parents[2] / "book" / "recipes.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\|.*\| `net\S+(.*)` \| `(\S+)` \|$", PAGE, re.MULTILINE)


def test_every_convention_and_every_row_of_the_page_has_a_sample():
    seen = {read_network(one.write(), **one.flags).convention for one in SAMPLES}
    assert {entry.words for entry in CONVENTIONS} <= seen
    made = {one.file for one in SAMPLES} | {path.name for path in ARTEFACTS.iterdir()}
    assert len(ROWS) == PAGE.count("\n|") - 2 and {name for _, name in ROWS} <= made


@pytest.mark.parametrize(
    "name, trials, time_major, choices",
    [
        ("lightning.ckpt", "lightning.npz", False, {"activation": "relu"}),
        ("nn4n.npz", "nn4n.npz", True, {}),  # relu is likely there, and the file says dt and tau
        ("psychrnn.npz", "psychrnn_trials.npz", False, {"leak": 0.2}),
    ],
)
def test_a_network_that_a_library_trained(name, trials, time_major, choices, analyze):
    with np.load(ARTEFACTS / trials) as given:
        x, y = given["inputs"], given["outputs"]
    if time_major:
        x, y = x.swapaxes(0, 1), y.swapaxes(0, 1)
    own = Trials(x, y)
    found = read_network(ARTEFACTS / name, **choices)
    assert check_against(found.rnn, own, y).max_deviation < 1e-5
    wrong = load_rnn(ARTEFACTS / name, **choices, form="rate")
    assert check_against(wrong, own, y).ok == (name == "lightning.ckpt")
    np.savez("trials.npz", inputs=x, targets=y, outputs=y)
    flags = " ".join(f"--{key} {value}" for key, value in choices.items())
    code, out, _ = analyze(f"'{ARTEFACTS / name}' --trials trials.npz --draws 2 {flags}")
    assert code == 0 and "Checked: the network gives the outputs" in out
