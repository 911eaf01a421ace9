"""The wheel: its numbers against schurkit, cut before and while it plays, by keyboard, in both
colour schemes, without a request or a message.
"""

from functools import partial

import numpy as np
import pytest
from helpers import random_rnn, random_trials, refuses

from schurkit import Trials, real_schur, rollout
from schurkit.ablation import ablate, switched
from schurkit.explorer import page
from schurkit.metrics import replay_accuracy

SYMBOLS, CHANNELS, REPLAY = 3, 2, 40


def copier():
    return random_rnn(1, 10, CHANNELS, CHANNELS, biases=False, scale=0.33, seed=5)


def sequences(count=64):
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (count, SYMBOLS, CHANNELS))
    targets = np.concatenate(
        [
            np.zeros_like(signs),
            np.resize(signs.swapaxes(0, 1), (REPLAY, count, CHANNELS)).swapaxes(0, 1),
        ],
        axis=1,
    )
    mask = np.arange(SYMBOLS + REPLAY) >= SYMBOLS
    return Trials(signs, targets, mask)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = tmp_path_factory.mktemp("wheel") / "wheel.html"
    made = page.wheel(copier(), sequences())
    assert len(made.html) < 400_000 and "Without" not in made.html
    path.write_text(made.document("The wheel"))
    return path


@pytest.fixture
def opened(opened_file, document):
    return partial(opened_file, document, reduced_motion="reduce")


SAYS = "document.querySelector('.ske-status').textContent"
ASK = "async (t) => document.querySelector('.ske').schurkit.shutFrom(t)"


def test_shut_from_a_step_is_the_switch_of_the_helper(opened):
    rnn, trials = copier(), sequences()
    form, steps = real_schur(rnn.W_rec[0]), SYMBOLS + REPLAY
    assert 0 < form.n_leading < 10 and form.sector("CR").any()
    tab, change = opened(), -form.weights(form.sector("CR"))
    for first in (1, 2, 4, 5, 30):
        when = np.arange(1, steps + 1) >= first
        expected = replay_accuracy(switched(rnn, change, when, trials), trials)[0]
        assert tab.evaluate(ASK, first) == pytest.approx(expected, abs=1e-9)


def test_states_and_outputs_are_those_of_the_engine(opened):
    rnn, trials = copier(), sequences()
    form = real_schur(rnn.W_rec[0])
    variants = ablate(rnn, form, [(), ("RR",), ("CR",), ("CC",), ("RR", "CC")])
    tab = opened()
    for names, expected in zip(
        ([], ["RR"], ["CR"], ["CC"], ["RR", "CC"]), rollout(variants, trials).outputs[:, 7]
    ):
        signs = trials.inputs[7].ravel().tolist()
        found = tab.evaluate(
            "([signs, plan]) => document.querySelector('.ske').schurkit.play(signs, plan, 20)"
            ".outputs.map((y) => [...y])",
            [signs, [names]],
        )
        assert np.abs(np.array(found) - expected[:20]).max() < 1e-5


def test_a_random_change_has_the_size_of_what_it_stands_for(opened):
    tab = opened()
    share = tab.evaluate(
        "async () => document.querySelector('.ske').schurkit.accuracy([['random CR']])"
    )
    again = tab.evaluate(
        "async () => document.querySelector('.ske').schurkit.accuracy([['random CR']])"
    )
    assert 0 <= share <= 1 and share == again


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_by_keyboard_alone_it_is_cut_and_says_so(opened, scheme):
    tab = opened(width=390, color_scheme=scheme)
    said = tab.locator(".ske-status")
    said.get_by_text("Over 64 sequences").wait_for()
    assert said.inner_text().startswith("Everything is on.")
    box = tab.get_by_label("CR (the door, C → R)")
    box.focus()
    box.press("Space")
    tab.wait_for_function(f"() => {SAYS}.startsWith('From the start: no CR. Over')")
    expected = tab.evaluate(ASK, 1)
    assert f"{expected:.4f} of the signs are right" in said.inner_text()
    box.press("Space")
    dial = tab.get_by_label("shut the door CR from step")
    dial.focus()
    for _ in range(3 * SYMBOLS - 4):
        dial.press("ArrowLeft")
    tab.wait_for_function(f"() => {SAYS}.startsWith('From step 4: no CR. Over')")
    assert f"{tab.evaluate(ASK, 4):.4f}" in said.inner_text() and box.is_checked()
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_cut_while_it_plays_it_counts_from_the_next_step(opened):
    tab = opened()
    tab.get_by_role("button", name="Play again").click()
    tab.wait_for_function("() => document.querySelector('.ske').schurkit.setting.step >= 5")
    tab.get_by_role("button", name="Pause").click()
    step = tab.evaluate("() => document.querySelector('.ske').schurkit.setting.step")
    tab.get_by_label("CR (the door, C → R)").uncheck()
    plan = tab.evaluate("() => document.querySelector('.ske').schurkit.setting.plan")
    assert plan == [[]] * (step + 1) + [["CR"]] * (4 * SYMBOLS - step)
    tab.get_by_role("button", name="Go on").click()
    tab.wait_for_function(f"() => {SAYS}.includes('rom step {step + 1}: no CR. Over 64')")


def test_it_plays_once_by_itself(opened):
    tab = opened(reduced_motion="no-preference")
    tab.wait_for_function(
        "() => document.querySelector('.ske').schurkit.setting.gone.has('CC')", timeout=20_000
    )
    tab.wait_for_function(
        "() => document.querySelector('.ske').schurkit.setting.gone.has('CR')", timeout=20_000
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: page.wheel(random_rnn(2, 10), sequences()), "one tanh network with leak 1"),
        (lambda: page.wheel(random_rnn(1, 10), sequences()), "no biases"),
        (
            lambda: page.wheel(
                random_rnn(1, 10, 2, 4, biases=False), random_trials(inputs=2, outputs=4)
            ),
            "trials of the copy task",
        ),
        (
            lambda: page.wheel(
                random_rnn(1, 10, 2, 2, biases=False), random_trials(inputs=2, outputs=2)
            ),
            "inputs of −1 and 1",
        ),
    ],
)
def test_messages(make, message):
    refuses(message, make)
