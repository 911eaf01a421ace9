"""The explorer's widgets, driven without a display: set a value, look at what changed."""

import base64
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from helpers import network, random_rnn, random_trials, refuses
from matplotlib import pyplot

from schurkit import explore, real_schur
from schurkit.explorer import Setting, figures

pytest.importorskip("ipywidgets")


@pytest.fixture
def panel():
    return explore(
        random_rnn(networks=3, hidden=9, scale=0.3, labels=("a", "b", "c")),
        random_trials(trials=7),
        threshold=0.6,
        draws=4,
    )


def image(panel, name):
    return base64.b64decode(
        re.search(r'src="data:image/png;base64,([^"]+)"', panel.pictures[name].value)[1]
    )


def alt(panel, name):
    return re.search(r'alt="([^"]+)"', panel.pictures[name].value)[1]


def images(panel):
    return {name: image(panel, name) for name in panel.pictures}


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


def test_each_control_changes_its_own_pictures(panel):
    before, intact = images(panel), panel.summary.value
    panel.remove["CR"].value = True
    assert panel.view.setting.sectors == ("CR",) and panel.view.removed_mass > 0
    assert changed(before, images(panel)) == {"matrix", "rollout"} and panel.summary.value != intact
    panel.remove["CR"].value = False
    assert images(panel) == before and panel.summary.value == intact
    panel.trial.value = 5
    assert changed(before, images(panel)) == {"rollout"}
    assert np.array_equal(panel.view.target, panel._explorer.trials.targets[5])
    panel.remove["RR"].value = True
    before = images(panel)
    panel.threshold.value = 0.2
    n_leading = real_schur(panel._explorer.rnn.W_rec[0], 0.2).n_leading
    assert f"R holds {n_leading} of 9 units" in panel.summary.value
    assert changed(before, images(panel)) == set(before)


@pytest.fixture
def drawn(panel, monkeypatch):
    """The settings that are drawn from here on."""
    settings = []
    monkeypatch.setattr(type(panel), "_show", lambda self: settings.append(self.view.setting))
    return settings


def test_the_number_and_the_slider_are_one_threshold(panel, drawn):
    panel.number.value = 0.325
    assert panel.threshold.value == 0.325
    panel.threshold.value = 0.4
    assert panel.number.value == 0.4 and [each.threshold for each in drawn] == [0.325, 0.4]


def test_single_couplings_are_offered_and_stay_chosen(panel):
    (pair, box), *_ = panel.couplings.items()
    words = re.compile(r"\d+ ← \d+  \((RR|CR|CC), [\d.]+% of ‖T‖\)")
    assert all(words.fullmatch(other.description) for other in panel.couplings.values())
    box.value = True
    assert "Removed: 1 single coupling," in panel.summary.value
    panel.threshold.value = 0.0  # everything is in R now: the labels say so, the choice stays
    assert panel.couplings[pair] is box and box.value and panel.view.setting.couplings == (pair,)
    assert all("(RR," in other.description for other in panel.couplings.values())
    assert panel._list.children == tuple(panel.couplings.values())


def test_another_network_starts_with_its_own_couplings(panel):
    next(iter(panel.couplings.values())).value = True
    panel.remove["CC"].value = True
    panel.network.value = 2
    setting = panel.view.setting
    assert (setting.sectors, setting.couplings, panel.view.label) == (("CC",), (), "c")
    assert not any(box.value for box in panel.couplings.values())
    assert "Network c:" in panel.summary.value
    listed = panel._explorer.couplings(2, 0.6, 24)
    assert list(panel.couplings) == [(c.driven, c.driver) for c in listed]
    next(iter(panel.couplings.values())).value = True
    assert len(panel.view.setting.couplings) == 1


def test_remove_nothing_undoes_everything_at_once(panel, drawn):
    panel.remove["RR"].value = panel.remove["CC"].value = True
    list(panel.couplings.values())[1].value = True
    panel.threshold.value, panel.trial.value = 0.4, 3
    drawn.clear()
    panel.reset.click()
    assert drawn == [Setting(threshold=0.4, trial=3)] == [panel.setting]
    assert not any(box.value for box in (*panel.remove.values(), *panel.couplings.values()))


def test_everything_has_a_label_and_an_alternative(panel):
    boxes = (*panel.remove.values(), *panel.couplings.values())
    asked = [panel.network, panel.threshold, panel.number, *boxes, panel.trial, panel.reset]
    labels = {widget.description for widget in asked}
    assert all(labels) and len(labels) == len(asked)
    panel.remove["RR"].value = True
    assert 'role="status"' in panel.summary.value and 'aria-live="polite"' in panel.summary.value
    for sentence in panel.view.sentences:
        assert sentence in panel.summary.value
    assert f"{panel.view.form.n_leading} in R" in alt(panel, "spectrum")
    assert f"{int(panel.view.removed.sum())} entries are removed (RR)" in alt(panel, "matrix")
    assert all(sentence in alt(panel, "rollout") for sentence in panel.view.sentences[2:])


@pytest.mark.parametrize("outputs, activation", [(1, "tanh"), (12, "relu")])
def test_networks_of_every_kind_are_drawn(outputs, activation):
    label = ("<script>&\"'",)  # which cannot break out of the page
    rnn = random_rnn(1, hidden=6, outputs=outputs, activation=activation, labels=label)
    panel = explore(rnn, random_trials(trials=1, outputs=outputs), draws=2)
    panel.remove["RR"].value = True
    assert panel.network.disabled and panel.trial.disabled
    assert all(image(panel, name).startswith(b"\x89PNG") for name in panel.pictures)
    said = "8 output(s), the first 8 of 12:" if outputs == 12 else "1 output(s):"
    assert said in alt(panel, "rollout")
    assert "<script>" not in panel.summary.value and "&lt;script&gt;" in panel.summary.value


def test_a_network_that_diverges_is_drawn_without_a_warning():
    rnn = network(np.diag([3.0, 2.0]) + np.diag([1.0], 1), W_in=np.ones((2, 1)), activation="relu")
    panel = explore(rnn, random_trials(inputs=1, outputs=1, autonomous=900), draws=2)
    panel.threshold.value = 0
    panel.remove["RR"].value = True
    assert "infinite (diverged)" in panel.summary.value and image(panel, "rollout")
    bare = explore(network(np.diag([0.9, 0.5])), random_trials(inputs=1, outputs=1))
    assert bare.couplings == {} and bare._list.children == ()


def test_no_figure_stays_open_and_no_setting_changes(panel, monkeypatch):
    before, settings = pyplot.get_fignums(), dict(matplotlib.rcParams)
    panel.remove["RR"].value = True
    top = figures.spectrum(panel.view).figure.axes[0].spines["top"]
    assert pyplot.get_fignums() == before and dict(matplotlib.rcParams) == settings
    assert top.get_visible() is False is not settings["axes.spines.top"]  # the look of the book


def test_a_wrong_argument_is_one_clear_line():
    refuses(
        r"listed must be at least 0; got -1\.", explore, random_rnn(), random_trials(), listed=-1
    )


def test_without_widgets_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delitem(sys.modules, "schurkit.explorer.panel", raising=False)
    message = (
        r"explore needs ipywidgets and matplotlib \(.*ipywidgets.*\)\. Install "
        r"schurkit\[notebook\], or schurkit\[book\]\."
    )
    refuses(message, explore, random_rnn(), random_trials())


def test_naming_it_loads_no_widget():
    code = (
        "import sys, schurkit; schurkit.explore; "
        "assert not {'ipywidgets', 'matplotlib'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
