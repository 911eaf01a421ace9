"""Networks in the names of libraries and papers, beside their own equations."""

import inspect
import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import INPUTS, SAMPLES, N, Sample, W, W_in, W_out, b, h0, low, outputs, plain, r

from schurkit import InputError, rollout
from schurkit.own import load_rnn, read_network
from schurkit.own.conventions import CONVENTIONS

PAGE = (Path(__file__).parents[2] / "book" / "recipes.md").read_text(encoding="utf-8")
X = np.random.default_rng(1).normal(size=(3, 7, INPUTS))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.file)
def test_outputs_are_those_of_the_equation(sample, tmp_path):
    found = read_network(sample.write(tmp_path), **sample.flags)
    readings = dict([("", found.rnn), *found.readings])
    expected = outputs(X, **sample.network)
    assert np.abs(rollout(readings[sample.reading], X).outputs[0] - expected).max() < 1e-6
    off = [
        np.abs(rollout(one, X).outputs[0][..., :1] - expected[..., :1]).max()
        for one in readings.values()
    ]
    assert sum(deviation < 1e-6 for deviation in off) <= 2  # the readings are different networks
    again = [words for words, _ in found.readings]
    assert len({*again}) == len(again) == len(readings) - 1


def test_every_convention_and_every_row_of_the_page_has_a_sample(tmp_path):
    seen = {read_network(one.write(tmp_path), **one.flags).convention for one in SAMPLES}
    assert {entry.words for entry in CONVENTIONS} <= seen
    rows = re.findall(r"^\|.*\| `?([\w.]+)`? \|$", PAGE, re.MULTILINE)
    folder = Path(__file__).parent / "artefacts"
    made = {one.file for one in SAMPLES} | {path.name for path in folder.iterdir()}
    assert len(rows) > 12 and set(rows) <= made


def test_adding_a_convention_takes_six_lines():
    lines = [len(inspect.getsource(entry.fields).splitlines()) for entry in CONVENTIONS]
    assert np.median(lines) <= 9
