"""Whoever replaces the subject cell of a task chapter gets the whole chapter for a network of their
own, and no claim about the book's task.
"""

import pytest
from rerun import chapter, false_sentences, run

from schurkit import nb

TASK_CHAPTERS = (
    "copy_task",
    "flip_flop",
    "sine",
    "context_integration",
    "delayed_discrimination",
    "path_integration",
    "your_own_task",
)
START = """
import numpy as np
rng = np.random.default_rng({seed})
task = trained = None
"""
NETWORKS = """
W_rec = rng.normal(size=({networks}, {units}, {units})) * {gain} / np.sqrt({units})
W_in, W_out = (rng.normal(size=({networks}, *axes)) for axes in (({units}, 2), (1, {units})))
good = sk.RNN(W_in, W_rec{shape}, W_out, activation="{activation}")
inputs = rng.normal(size=(40, 12, 2))
trials = sk.Trials(inputs, sk.rollout(good, inputs).outputs.mean(axis=0))
"""


def subject(networks=3, units=12, gain=0.9, activation="tanh", shape="", seed=0):
    """Code that makes small networks without training, and trials whose targets are near what they
    do.
    """
    return START.format(seed=seed) + NETWORKS.format(
        networks=networks, units=units, gain=gain, activation=activation, shape=shape
    )


ODD = {
    "one network": subject(networks=1),
    "twenty networks": subject(networks=20, units=8),
    "an empty RR": subject(
        shape=" * 0 + np.diag([0.95, *np.linspace(0.5, 0.2, 11)]) + 0.2 * np.triu(W_rec, 1)"
    ),
    "relu": subject(activation="relu", gain=0.6),
}


@pytest.mark.book
@pytest.mark.parametrize("name", TASK_CHAPTERS)
def test_a_task_chapter_runs_on_another_network(name, tmp_path):
    done = run(chapter(name, subject()), tmp_path, {"draws": 3})
    assert nb.claims(done) == [] and not false_sentences(done, own_subject=True)
    figures = [
        o
        for cell in done["cells"]
        for o in cell.get("outputs", [])
        if o.get("metadata", {}).get("schurkit", {}).get("kind") == "figure"
    ]
    assert len(figures) >= 4 and all(o["metadata"]["schurkit"]["alt"] for o in figures)


@pytest.mark.reruns
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", TASK_CHAPTERS)
def test_no_sentence_is_false_for_odd_networks(name, odd, tmp_path):
    assert not false_sentences(run(chapter(name, ODD[odd]), tmp_path), own_subject=True)
