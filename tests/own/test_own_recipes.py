"""Files that libraries themselves made, by name alone, beside the outputs that they gave."""

import re
from pathlib import Path

import numpy as np
import pytest
from samples import SAMPLES

import schurkit as sk
from schurkit.own import read_network
from schurkit.own.conventions import CONVENTIONS

ARTEFACTS = Path(__file__).parent / "artefacts"
PAGE = (Path(__file__).parents[2] / "book" / "recipes.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\|.*\| `net\S+(.*)` \| `(\S+)` \|$", PAGE, re.MULTILINE)


def recorded(name):
    with np.load(ARTEFACTS / name) as file:
        return {key: file[key] for key in file.files}


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
    given = recorded(trials)
    x, y = (
        given[key].swapaxes(0, 1) if time_major else given[key] for key in ("inputs", "outputs")
    )
    found = read_network(ARTEFACTS / name, **choices)
    assert sk.check_against(found.rnn, sk.Trials(x, y), y).max_deviation < 1e-5
    wrong = sk.check_against(
        sk.load_rnn(ARTEFACTS / name, **choices, form="rate"), sk.Trials(x, y), y
    )
    assert wrong.ok == (name == "lightning.ckpt")
    np.savez("trials.npz", inputs=x, targets=y, outputs=y)
    flags = " ".join(f"--{key} {value}" for key, value in choices.items())
    code, out, _ = analyze(f"'{ARTEFACTS / name}' --trials trials.npz --draws 2 {flags}")
    assert code == 0 and "Checked: the network gives the outputs" in out
