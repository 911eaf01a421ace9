"""The wheel, and the stages of the flip-flop and of integration: their numbers against schurkit,
cut at chosen steps and while they play, by keyboard, without a request or a message.
"""

import numpy as np
import pytest
from book.looks import barred
from helpers import messages, random_rnn, random_trials

from schurkit import Trials, real_schur, rollout
from schurkit.ablation import ablate, switched
from schurkit.explorer import page
from schurkit.metrics import fvu
from schurkit.tasks import ContextIntegration, Copy, FlipFlop

STAGE = "document.querySelector('.ske').schurkit"
SAYS = "document.querySelector('.ske-status').textContent"
KINDS = {
    "latches": (FlipFlop(bits=2, steps=9, pulse_probability=0.3), (2, 2)),
    "integral": (ContextIntegration(steps=9), (4, 1)),
    "wheel": (Copy(3, 2, 40), (2, 2)),
}
CELLS = "[...document.querySelectorAll('.ske-facts td')]"
FILLED = f"() => {CELLS}.every(cell => /[0-9]/.test(cell.innerText))"


def stage(kind):
    """A network that knows nothing, and trials."""
    task, sizes = KINDS[kind]
    return random_rnn(1, 10, *sizes, biases=False, scale=0.33, seed=31), task.test_trials(64)


@pytest.fixture
def opened(opened_file, tmp_path):
    def open_stage(kind, **settings):
        path = tmp_path / f"{kind}.html"
        made = getattr(page, kind)(*stage(kind))
        assert len(made.html) < 400_000
        path.write_text(made.document("A stage"))
        return opened_file(path, **{"reduced_motion": "reduce"} | settings)

    return open_stage


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_errors_are_those_of_the_engine(opened, kind):
    (rnn, trials), measure = stage(kind), KINDS[kind][0].metric.measure
    form, tab, steps = real_schur(rnn.W_rec[0]), opened(kind), trials.targets.shape[1]
    assert 0 < form.n_leading < 10 and form.sector("CR").any()
    removed = [[], ["RR"], ["CR"], ["CC"], ["RR", "CC"]]
    expected = rollout(ablate(rnn, form, list(map(tuple, removed))), trials).outputs
    call = f"([x, plan]) => {STAGE}.play(Float64Array.from(x), plan, 9).outputs.map((y) => [...y])"
    for names, outputs in zip(removed, expected):
        found = tab.evaluate(call, [trials.inputs[7].ravel().tolist(), [names]])
        assert np.abs(np.array(found) - outputs[7, :9]).max() < 1e-5
        value = tab.evaluate(f"async (names) => {STAGE}.accuracy([names])", names)
        assert value == pytest.approx(measure(outputs[None], trials)[0], rel=1e-5)
    for first in (1, 2, 4, 9):
        when = np.arange(1, steps + 1) >= first
        cut = switched(rnn, -form.weights(form.sector("CR")), when, trials)
        value = tab.evaluate(f"async () => {STAGE}.shutFrom({first})")
        assert value == pytest.approx(measure(cut, trials)[0], rel=1e-5)


def test_the_latches_are_cut_by_keyboard_after_a_pulse_alone_and_in_all_other_steps(opened):
    rnn, trials = stage("latches")
    form, tab = real_schur(rnn.W_rec[0]), opened("latches", width=390)
    after = np.zeros(trials.inputs.shape[:2], bool)
    after[:, 1:] = (trials.inputs != 0).any(axis=2)[:, :-1]
    gone, rows = -form.weights(form.sector("CR")), []
    tab.wait_for_function(f"() => {SAYS}.startsWith('Everything is on. Over 64 trials')")
    box, moment = tab.get_by_label("CR (the door, C → R)"), tab.get_by_label("switched off")
    box.press("Space")
    for when, words in (
        (~np.zeros_like(after), ""),
        (after, ", in the step after a pulse alone"),
        (~after, ", in all other steps alone"),
    ):
        error = fvu(switched(rnn, gone, when, trials), trials)[0]
        rows.append(f"{error:.4f}")
        says = f"From the start{words}: no CR. Over 64 trials the error is {error:.4f}"
        tab.wait_for_function(f"() => {SAYS}.startsWith('{says}')")
        moment.press("ArrowDown")
    assert rows[1] != rows[2]
    tab.wait_for_function(FILLED)
    assert tab.locator(".ske-facts td").all_inner_texts() == rows


def test_a_click_sets_a_pulse_and_the_targets_follow(opened):
    tab = opened("latches")
    read = f"() => [...{STAGE}.setting.inputs.filter((x, k) => k % 2 === 1)]"
    before, svg = tab.evaluate(read), tab.locator(".ske-clicked")
    box = svg.bounding_box()
    x, y = (66 + 320 * 4.5 / 9) / 392 * box["width"], 97 / 392 * box["width"]
    svg.click(position={"x": x, "y": y})  # step 5, latch b
    after = tab.evaluate(read)
    assert [k for k in range(9) if before[k] != after[k]] == [4]


def test_integration_takes_the_other_context_and_says_what_can_go(opened):
    rnn, trials = stage("integral")
    tab = opened("integral", width=390, color_scheme="dark")
    names = [(), ("RR",), ("CR",), ("CC",), ("RR", "CR", "CC")]
    variants = ablate(rnn, real_schur(rnn.W_rec[0]), names)
    rows = [f"{error:.4f}" for error in fvu(rollout(variants, trials), trials)]
    tab.wait_for_function(FILLED)
    assert tab.locator(".ske-facts td").all_inner_texts() == rows
    cue = tab.evaluate(f"() => [...{STAGE}.setting.inputs.slice(2, 4)]")
    tab.get_by_role("button", name="The other context").press("Enter")
    assert tab.evaluate(f"() => [...{STAGE}.setting.inputs.slice(34, 36)]") == cue[::-1]
    tab.get_by_label("CC (within C)").press("Space")
    says = f"From the start: no CC. Over 64 trials the error is {rows[3]}"
    tab.wait_for_function(f"() => {SAYS}.startsWith('{says}')")


def test_a_random_change_has_the_size_of_what_it_stands_for(opened):
    ask, tab = f"async () => {STAGE}.accuracy([['random CR']])", opened("wheel")
    share, again = tab.evaluate(ask), tab.evaluate(ask)
    assert 0 <= share <= 1 and share == again


def test_by_keyboard_alone_it_is_cut_and_says_so(opened):
    tab = opened("wheel", width=390, color_scheme="dark")
    said = tab.locator(".ske-status")
    said.get_by_text("Over 64 sequences").wait_for()
    assert said.inner_text().startswith("Everything is on.")
    box = tab.get_by_label("CR (the door, C → R)")
    box.press("Space")
    tab.wait_for_function(f"() => {SAYS}.startsWith('From the start: no CR. Over')")
    expected = tab.evaluate(f"async () => {STAGE}.shutFrom(1)")
    assert f"{expected:.4f} of the signs are right" in said.inner_text()
    box.press("Space")
    for _ in range(5):
        tab.get_by_label("shut the door CR from step").press("ArrowLeft")
    tab.wait_for_function(f"() => {SAYS}.startsWith('From step 4: no CR. Over')")
    found = tab.evaluate(f"async () => {STAGE}.shutFrom(4)")
    assert f"{found:.4f}" in said.inner_text() and box.is_checked()


def test_cut_while_it_plays_it_counts_from_the_next_step(opened):
    tab = opened("wheel")
    tab.get_by_role("button", name="Play again").click()
    tab.wait_for_function(f"() => {STAGE}.setting.step >= 5")
    tab.get_by_role("button", name="Pause").click()
    step = tab.evaluate(f"() => {STAGE}.setting.step")
    tab.get_by_label("CR (the door, C → R)").uncheck()
    plan = tab.evaluate(f"() => {STAGE}.setting.plan")
    assert plan == [[]] * (step + 1) + [["CR"]] * (12 - step)
    tab.get_by_role("button", name="Go on").click()
    tab.wait_for_function(f"() => {SAYS}.includes('rom step {step + 1}: no CR. Over 64')")


def test_it_plays_once_by_itself(opened):
    tab = opened("wheel", reduced_motion="no-preference")
    for name in ("CC", "CR"):
        tab.wait_for_function(f"() => {STAGE}.setting.gone.has('{name}')", timeout=20_000)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_open_to_everyone(opened, kind):
    assert barred(opened(kind)) == []


def test_an_empty_sector_is_said_to_be_empty(opened_file, tmp_path):
    rnn = random_rnn(1, 4, 4, 1, biases=False)
    one = rnn.with_W_rec(np.diag([0.9, 0.3, 0.2, 0.1])[None] + 0.1 * np.eye(4, k=1)[None])
    path = tmp_path / "one.html"
    path.write_text(page.integral(one, KINDS["integral"][0].test_trials(8)).document("One mode"))
    tab = opened_file(path, reduced_motion="reduce")
    assert tab.get_by_label("RR (within R: nothing there)").is_disabled()
    tab.wait_for_function(
        "() => document.querySelector('.ske-facts').innerText.includes('∅ nothing there')"
    )


CONTEXT = "integral needs trials of context-dependent integration: two streams"


test_messages = messages(
    (page.latches, random_rnn(2, 10), stage("latches")[1], "leak 1 and no biases"),
    (
        page.latches,
        stage("latches")[0],
        random_trials(outputs=2),
        "trials of a flip-flop of at most 8 bits: pulses",
    ),
    (page.integral, stage("integral")[0], random_trials(inputs=4, outputs=1), CONTEXT),
    (
        page.integral,
        stage("integral")[0],
        Trials(np.ones((2, 5, 3)), np.ones((2, 5, 1))),
        CONTEXT,
    ),
    (page.wheel, random_rnn(2, 10), stage("wheel")[1], "one tanh network with leak 1"),
    (page.wheel, random_rnn(1, 10), stage("wheel")[1], "no biases"),
    (page.wheel, random_rnn(1, 10, biases=False), random_trials(), "trials of the copy task"),
    (page.wheel, stage("wheel")[0], random_trials(outputs=2), "inputs of −1 and 1"),
)
