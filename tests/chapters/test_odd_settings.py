"""Every chapter is a page without a false sentence for networks and values that nobody had in mind
when it was written.
"""

import pytest
from press.small_book import cases
from rerun import ROOT, chapter, false_sentences, run
from test_adapted import ODD, subject

from schurkit_press.chapters import chapters

THREE = "three networks"
HERE = {
    "schur_coordinates": ("", "orders=2 draws=2 steps=50 resolution=12"),
    "across_tasks": (
        "tasks, both = None, [good, good[:3].with_W_rec(0.8 * good.W_rec[:3])]\n"
        "good, trials = dict(zip(('mine', 'flip_flop'), both)), "
        "dict.fromkeys(('mine', 'flip_flop'), trials)",
        "draws=3 points=4",
    ),
    "subspace_or_coupling": (
        "tasks, good, trials = None, {'mine': good}, {'mine': trials}",
        "draws=2 signals=2",
    ),
    "mechanism_or_basis": (
        "tasks, trained, good, trials = {}, {}, {'mine': good}, {'mine': trials}",
        "draws=2 amplitudes=[1,.001] retraining_steps=3",
    ),
    "is_the_profile_degenerate": (
        "trained, design, good = {}, None, {'mine': good, 'others': good[:3]}\n"
        "good = {name: rnn for name, rnn in good.items() if len(rnn) > 1}\n"
        "trials = dict.fromkeys(good, trials)",
        "orders=2",
    ),
    "your_own_network": (
        "models, own = None, sk.rollout(good[0], trials).outputs[0]",
        "draws=3",
    ),
    "explore": ("missed, cases = [], [page.Case('My task', good, trials, 'fvu')]", "draws=3"),
}
"""What makes the networks of `subject` those of a chapter, and its parameters, small."""
SHORT_COPY = """
from schurkit.training import Phase
full_recipe, phases = copy_recipe, (Phase({steps}, 1e-2, {{"replay": 4}}),)
copy_recipe = lambda *args, **changes: replace(full_recipe(*args, **changes), phases=phases)
"""
SMALL = {
    "SMALL": "networks=2 hidden_size=8 draws=2 orders=2 test_trials=16",
    "SWEEP": "sizes=[8] cost_sizes=[8] counts=[1] training_steps=100 draws=2 resamples=10",
    "STUDY": "hidden_size=8 training_steps=30 steps=10 batch_size=4 seconds=.1 couplings=5",
    "COPY": "grid_networks=1 hidden_size=4 draws=2 orders=1 test_trials=8",
    "TINY": "networks=1 hidden_size=8 draws=2 orders=2 test_trials=8",
    "PRIME": "networks=2 p=13 hidden_size=8",
}
"""Parameters that several have; those that a chapter does not know are left out."""
VALUES = """
flip_flop → SMALL bits=1 steps=2 training_steps=100 threshold=.99
flip_flop → SMALL bits=4 steps=3 training_steps=2 networks=1 pulse_probability=.9
sine → SMALL steps=3 training_steps=2 networks=1
sine → SMALL steps=12 training_steps=300 slowest=.1 threshold=.99
context_integration → SMALL steps=2 training_steps=300 noise=0
context_integration → SMALL steps=6 training_steps=2 drift=0 threshold=.99 networks=1
delayed_discrimination → SMALL channels=2 shortest=0 longest=1 training_steps=2 networks=1
delayed_discrimination → SMALL training_steps=100 threshold=.99 gap=7.9 reading_networks=1
path_integration → SMALL dimensions=3 steps=1 training_steps=2 networks=1
path_integration → SMALL heading=vector steps=3 training_steps=100 reading_networks=1
is_the_profile_degenerate → SMALL networks=1 knob_networks=1 training_steps=2
is_the_profile_degenerate → SMALL networks=4 training_steps=20 gammas=[] l1=[] orders=1
knobs → SMALL networks=1 dsa_trials=16 gammas=[]
three_levels → SMALL networks=1 widths=[8] grid_ranks=[5]
three_levels → SMALL hidden_size=12 rank=3 grid_ranks=[3] widths=[8]
copy_task → COPY networks=2 sizes=[4] symbols=1 channels=1 replay=8
copy_task → COPY networks=1 sizes=[4,2] symbols=2 channels=3 replay=4 threshold=.99
modular_addition → SMALL p=7 hidden_size=12 training_steps=30 other_p=[7]
modular_addition → SMALL p=11 operands=3 hidden_size=32 training_steps=300
modular_addition → SMALL p=11 loss=mse activation=tanh hidden_size=24 training_steps=50
many_seeds → SWEEP networks=1 planned=1 cores=1
many_seeds → SWEEP networks=3 sizes=[4,8]
many_seeds → SWEEP networks=20 training_steps=50
how_fast → STUDY networks=1 training_steps=1 steps=1 batch_size=1 couplings=1 cores=1
how_fast → STUDY networks=3
how_fast → STUDY networks=20 cores=7
schur_coordinates → SMALL networks=1 hidden_size=6 draws=1 orders=1 resolution=4 steps=5 symbols=1
    channels=2
across_tasks → TINY training_steps=2 points=3
across_tasks → TINY training_steps=2 points=3 variant_networks=0
subspace_or_coupling → TINY training_steps=2 signals=1
subspace_or_coupling → TINY training_steps=2 signals=1 networks=2
your_own_task → TINY training_steps=2
your_own_task → TINY training_steps=3 task=copy biases=false
your_own_network → TINY gated=0 training_steps=1 first_delay=0 last_delay=0 steps=3
your_own_network → TINY training_steps=60 first_delay=1 last_delay=2 steps=9 leak=1
recipe_or_network → PRIME most_steps=30 sparse_at_most=3 every_variant=true decays=[.1]
    nuclear=[.001]
schur_meets_fourier → PRIME training_steps=30 running_networks=2 running_p=5 operands=3
    running_steps=20 couplings=3 trials=20
"""
"""Values that are legal and odd; most leave networks that did not converge."""
CHEAP = cases("""
schur_coordinates → one network
subspace_or_coupling → one network
mechanism_or_basis → an empty RR
explore → an empty RR
your_own_network → relu
""")


def parameters(name, text):
    """What papermill is given: the values of a text."""
    first, *given = text.split()
    known = chapters(ROOT)[name]
    names = {parameter.name for parameter in known.parameters}
    small = SMALL.get(first, first).split()
    given = [one for one in small if one.split("=")[0] in names] + given
    return known.values(dict(one.split("=") for one in given))


def elsewhere(name, odd):
    """A chapter on networks that were not trained for it, and its parameters."""
    code, text = HERE[name]
    return chapter(name, (subject() if odd == THREE else ODD[odd]) + code), parameters(name, text)


def of_values(name, text):
    """A chapter with its own subject and odd values; the training of the copy task, whose length
    is no parameter, is made short.
    """
    notebook = chapter(name)
    if name == "copy_task":
        (cell,) = [
            cell for cell in notebook["cells"] if "networks" in cell["metadata"].get("tags", [])
        ]
        cell["source"] = SHORT_COPY.format(steps=3 if "channels=3" in text else 200) + "".join(
            cell["source"]
        )
    return notebook, parameters(name, text)


@pytest.mark.book
@pytest.mark.parametrize(("name", "odd"), CHEAP)
def test_a_chapter_runs_on_other_networks(name, odd, tmp_path):
    notebook, given = elsewhere(name, odd)
    assert not false_sentences(run(notebook, tmp_path, given), own_subject=True)


@pytest.mark.book
def test_a_chapter_in_which_nothing_converged_is_a_page(tmp_path):
    notebook, given = of_values(*cases(VALUES)[1])
    done = run(notebook, tmp_path, given)
    assert not false_sentences(done) and "No network converged" in str(done["cells"])


@pytest.mark.reruns
@pytest.mark.parametrize("odd", [THREE, *ODD])
@pytest.mark.parametrize("name", HERE)
def test_no_sentence_is_false_of_other_networks(name, odd, tmp_path):
    notebook, given = elsewhere(name, odd)
    assert not false_sentences(run(notebook, tmp_path, given), own_subject=True)


@pytest.mark.reruns
@pytest.mark.parametrize(("name", "text"), cases(VALUES))
def test_no_sentence_is_false_of_odd_values(name, text, tmp_path):
    notebook, given = of_values(name, text)
    done = run(notebook, tmp_path, given)
    said = "No network converged", "has converged"
    assert not false_sentences(done)
    assert "PRIME" not in text or any(words in str(done["cells"]) for words in said)
