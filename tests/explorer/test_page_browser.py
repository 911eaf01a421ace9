"""The explorers of a page in a browser: their numbers against schurkit, by mouse and by keyboard,
without requests, and open to everyone.
"""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from book.looks import barred
from helpers import gauss, random_rnn, random_trials

from schurkit import Trials, fourier, random
from schurkit.explorer import Explorer, Setting, page
from schurkit.schur import henrici
from schurkit.schur.nonnormality import powers

KINDS = ("ablation", "schur", "frequency")
T = np.zeros((6, 6))  # a pair and four modes, with couplings of every kind
T[:2, :2] = 0.98 * np.array([[np.cos(0.8), 1.2 * np.sin(0.8)], [-np.sin(0.8) / 1.2, np.cos(0.8)]])
T[[2, 3, 4, 5], [2, 3, 4, 5]] = [0.96, 0.92, 0.5, -0.3]
T[:2, 2], T[2, 3], T[:2, 4], T[3, 5], T[4, 5] = [0.4, 0.2], 0.3, [0.9, -0.3], 0.5, 0.6


def signs():
    """Trials of ±1 that run on after the input, with steps that do not count."""
    mask = np.ones((6, 8))
    mask[:, :2] = mask[2, 5:] = 0
    return Trials(np.sign(gauss(6, 4, 2)), np.sign(gauss(6, 8, 3, seed=1)), mask)


def ablation_cases():
    growing = random_rnn(1, 9, scale=8.0, activation="relu", leak=0.9)
    return [
        page.Case("tanh", random_rnn(2, 9, biases=False, dtype=np.float32), random_trials()),
        page.Case("relu", random_rnn(1, 9, scale=0.2, activation="relu"), random_trials()),
        page.Case("leak", random_rnn(1, 9, leak=0.3), random_trials()),
        page.Case("voltage", random_rnn(1, 9, leak=0.6, form="voltage"), random_trials()),
        page.Case("signs", random_rnn(1, 9, outputs=3, form="voltage"), signs(), "replay_accuracy"),
        page.Case("growing", growing, random_trials(steps=60, autonomous=400)),
    ]


def live(case):
    """What a live session shows of a case."""
    rnn = case.rnn.astype(np.float64)
    return Explorer(rnn, case.trials, metric=case.metric, controls=("block-upper",))


def adders():
    return random_rnn(2, 14, 13, 13, scale=0.4, activation="relu", seed=2)


def keys_of(one):
    return sorted(fourier.key_frequencies(fourier.tables(one).X).tolist())


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explorers")
    made = {
        "ablation": page.ablation(ablation_cases()),
        "schur": page.schur({"six units": T}),
        "frequency": page.frequency(
            adders(), unseen=np.argwhere(np.arange(169).reshape(13, 13) % 3 == 0), draws=3
        ),
    }
    for kind, one in made.items():
        (folder / f"{kind}.html").write_text(one.document("An explorer"))
    both = made["schur"].html + made["schur"].html
    (folder / "two.html").write_text(
        made["schur"].document("Two").replace(made["schur"].html, both)
    )
    (folder / "broken.html").write_text(
        made["schur"].document("Broken").replace('{"presets":', '{"presents":')
    )
    return folder


@pytest.fixture
def opened(opened_file, documents):
    def open_document(name, width=1000, wait=True, **settings):
        tab = opened_file(documents / f"{name}.html", width, **settings)
        if wait:
            tab.evaluate("() => document.querySelector('.ske').schurkit.ready")
        return tab

    return open_document


def change(tab, setting):
    """Set the explorer and return what it shows then."""
    return tab.evaluate("setting => document.querySelector('.ske').schurkit.set(setting)", setting)


def shown(tab):
    return tab.evaluate("() => document.querySelector('.ske').schurkit.view()")


def settled(tab, true):
    """Wait until a condition on the view holds."""
    tab.wait_for_function(
        f"() => {{ const view = document.querySelector('.ske').schurkit.view(); return {true}; }}"
    )
    return shown(tab)


# ---- numbers
def test_the_page_computes_what_schurkit_computes(opened):
    tab = opened("ablation")
    flat = [(case, i) for case in ablation_cases() for i in range(len(case.rnn))]
    for (position, (case, i)), changes in itertools.product(enumerate(flat), SETTINGS):
        explorer, asked = live(case), Setting(i, trial=2, **changes)
        blocks = len(explorer.form(i, 0.9).blocks)
        known = tuple(pair for pair in asked.couplings if pair[1] < blocks)
        asked = replace(asked, couplings=known)
        expected = explorer.view(asked)
        found = change(tab, vars(asked) | {"network": position})
        assert found["n_leading"] == expected.form.n_leading
        assert found["removed_mass"] == pytest.approx(expected.removed_mass, rel=1e-9)
        for name in ("full", "value"):
            assert found[name] == pytest.approx(getattr(expected, name), rel=1e-6)
        controls = expected.controls.get("block-upper", np.zeros(0)).tolist()
        assert found["controls"] == pytest.approx(controls, rel=1e-6)
        if np.isfinite(expected.full) and np.abs(expected.output).max() < 1e6:
            outputs = np.array(found["output"]).reshape(-1, *expected.output.shape)[2]
            assert np.abs(outputs - expected.output).max() < 1e-6


def test_the_sentences_are_those_of_a_live_session(opened):
    tab, case = opened("ablation"), ablation_cases()[0]
    found = change(tab, {"sectors": ["CR"]})["sentences"]
    view = live(case).view(Setting(sectors=("CR",)))
    removed = f"Removed: CR, {100 * view.removed_mass:.2f} %"
    assert f"R holds {view.form.n_leading} of 9 units. {removed}" in found
    worse = int((view.controls["block-upper"] > view.value).sum())
    assert f"{worse} of 20 are worse than the removal" in found
    assert tab.inner_text("[role=status]") == found


def test_the_page_draws_the_numbers_of_schurkit(opened):
    tab = opened("ablation")
    call = "given => [...document.querySelector('.ske').schurkit.NAME(...given)]"
    for key in ([0, "control block-upper CR", 0, 4096], [2**53, "ü", 7, 64], [123456789, "", 3, 1]):
        drawn = tab.evaluate(call.replace("NAME", "normals"), key)
        assert np.abs(np.array(drawn) - random.normal(*key)).max() < 1e-13
        order = tab.evaluate(call.replace("NAME", "permutation"), key)
        assert order == random.permutation(*key).tolist()


def check_matrix(view):
    n = view["n"]
    A = np.array(view["T"]).reshape(n, n)
    assert np.allclose(view["growth"], powers(A, 40), rtol=1e-9)
    assert view["henrici"] == pytest.approx(henrici(A), abs=1e-12)
    side = np.linspace(-view["half"], view["half"], 61)
    grid = side[None, :] + 1j * side[30:, None]
    least = np.linalg.svd(grid[..., None, None] * np.eye(n) - A, compute_uv=False)[..., -1]
    assert np.abs(np.array(view["least"]).reshape(31, 61) - least).max() < 1e-9
    return A


def test_a_small_matrix_grows_as_schurkit_says(opened):
    tab = opened("schur")
    A = check_matrix(tab.evaluate("() => document.querySelector('.ske').schurkit.ready"))
    eigenvalues = [np.sort_complex(np.linalg.eigvals(matrix)) for matrix in (A, T)]
    assert np.allclose(*eigenvalues, atol=1e-12)
    A = check_matrix(change(tab, {"scale": 2.5}))
    assert np.linalg.norm(np.triu(A, 2)) == pytest.approx(2.5 * np.linalg.norm(np.triu(T, 2)))
    pulsed = np.split(np.linalg.matrix_power(A, 3)[:, 5], [2, 3, 4, 5])
    paths = np.array(shown(tab)["paths"])[:, 3]
    assert paths == pytest.approx([np.linalg.norm(part) for part in pulsed])
    for preset, units in (("1", 2), ("2", 4), ("3", 3)):
        tab.locator("select").first.select_option(preset)
        named = f"view.setting.name !== 'six units' && view.n === {units}"
        check_matrix(view := settled(tab, f"view.least && {named}"))
    assert view["henrici"] == 0 and max(view["growth"]) == 1.0 and "is normal" in view["sentences"]


@pytest.mark.parametrize("position", [0, 1])
def test_the_table_and_the_waves_of_pairs_are_those_of_schurkit(opened, position):
    tab, one = opened("frequency"), adders()[position].astype(np.float64)
    whole = fourier.tables(one)
    owner, keys = fourier.unit_waves(whole).frequency, keys_of(one)

    def right(frequencies):
        return fourier.ablated_logits(one, frequencies).argmax(axis=-1) == fourier.sums(13)

    for removed in ([], [2], [1, 3, 6], [1, 2, 3, 4, 5, 6]):
        found, table = change(tab, {"network": position, "removed": removed}), right(removed)
        assert np.array_equal(np.reshape(found["right"], (13, 13)), table)
        assert found["all"] == pytest.approx(table.mean())
        assert found["held"] == pytest.approx(table.ravel()[::3].mean())
        assert [len(chosen) for chosen in found["sets"]] == [len(removed)] * len(found["controls"])
        assert bool(removed) == bool(found["sets"])
        for chosen, share in zip(found["sets"], found["controls"]):
            assert len(set(chosen)) == len(chosen) and share == pytest.approx(right(chosen).mean())
            assert not {*keys} & {*chosen} or len(removed) > 6 - len(keys)
    for removed, (a, b) in itertools.product(([], [2, 5]), ((4, 6), (0, 12))):
        table = fourier.tables(fourier.without_input_frequencies(one, removed))
        found = change(tab, {"network": position, "a": a, "b": b, "removed": removed})["pair"]
        logits = table.logits[a, b]
        assert found["logits"] == pytest.approx((logits - logits.mean()).tolist(), abs=1e-9)
        assert (found["answer"], found["wanted"]) == (logits.argmax(), (a + b) % 13)
        assert found["before"] == pytest.approx((table.A[a] + table.X[b]).tolist(), abs=1e-9)
        assert found["after"] == pytest.approx(table.h2[a, b].tolist(), abs=1e-9)
        for k, part in zip(keys, found["parts"], strict=True):
            said = table.h2[a, b, owner == k] @ table.W_out[:, owner == k].T
            assert part == pytest.approx((said - said.mean()).tolist(), abs=1e-9)
        words = f"{a} + {b}: the network says {logits.argmax()}, which is "
        assert tab.locator("[role=status]").first.inner_text().startswith(words)


def test_two_numbers_by_keyboard(opened):
    tab = opened("frequency")
    a, b = (shown(tab)["setting"][name] for name in "ab")
    assert tab.inner_text("[role=status] >> nth=0").startswith(f"{a} + {b}: the network says")
    tab.get_by_label("a =").focus()
    press(tab, "Home", *["ArrowRight"] * 5)
    tab.get_by_label("b =").press("Home")
    assert shown(tab)["setting"] | {"a": 5, "b": 0} == shown(tab)["setting"]
    assert tab.inner_text("[role=status] >> nth=0").startswith("5 + 0: the network says")
    tab.get_by_label("Look at frequency").select_option(index=1)
    keys = keys_of(adders()[0])
    assert f"{keys[1]} a and {keys[1]} b" in tab.locator("svg").first.text_content()


def last_block():
    return len(live(ablation_cases()[0]).form(0, 0.9).blocks) - 1


# ---- by mouse and by keyboard
def test_couplings_by_mouse(opened):
    tab = opened("ablation")
    tab.get_by_label("CR, C drives R").check()
    assert settled(tab, "view.controls.length === 20")["setting"]["sectors"] == ["CR"]
    tab.get_by_text("Put everything back").click()
    assert settled(tab, "view.removed_mass === 0")["setting"]["sectors"] == []
    box = tab.locator("[role=checkbox]").bounding_box()

    def click(x, y):
        tab.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)

    click(0.97, 0.03)
    view = settled(tab, "view.setting.couplings.length === 1")
    assert view["setting"]["couplings"] == [[0, last_block()]]
    click(0.03, 0.97)
    assert "there are no couplings" in tab.inner_text(".ske-note")
    tab.locator("select").select_option("2")
    assert settled(tab, "view.setting.network === 2")["setting"]["couplings"] == []


def press(tab, *keys):
    for key in keys:
        tab.keyboard.press(key)


def test_couplings_by_keyboard(opened):
    tab = opened("ablation")
    press(tab, "Tab")
    assert tab.evaluate("document.activeElement.tagName") == "SELECT"
    press(tab, "Tab", "ArrowLeft")
    assert shown(tab)["setting"]["threshold"] == 0.89
    press(tab, "Tab", "Tab", "Space")
    assert settled(tab, "view.setting.sectors.length")["setting"]["sectors"] == ["RR"]
    grid = tab.locator("[role=checkbox]")
    press(tab, *["Tab"] * 4)
    focused = "node === document.activeElement && getComputedStyle(node).outlineStyle === 'solid'"
    assert grid.evaluate(f"node => {focused}")
    press(tab, "End", "ArrowDown", "ArrowLeft")
    assert grid.get_attribute("aria-checked") == "false"
    press(tab, "Space")
    place = [1, last_block() - 1]
    assert shown(tab)["setting"]["couplings"] == [place]
    assert grid.get_attribute("aria-checked") == "true"
    assert "Block {} driven by block {}".format(*place) in grid.get_attribute("aria-label")
    assert "removed" in tab.inner_text(".ske-note[aria-live=polite]")
    press(tab, "Enter")
    assert shown(tab)["setting"]["couplings"] == []
    keys = "Home ArrowDown ArrowDown ArrowLeft ArrowLeft Home ArrowUp Shift+ArrowRight End"
    for key in f"{keys} Shift+ArrowDown ArrowDown ArrowRight".split():
        press(tab, key)  # the cursor stays above the diagonal
        label = grid.get_attribute("aria-label")
        driven, driver = map(int, re.search(r"Block (\d+) .*block (\d+)", label).groups())
        assert 0 <= driven < driver


def test_a_matrix_by_keyboard(opened):
    tab = opened("schur")
    tab.get_by_label("All couplings ×").press("Home")
    view = settled(tab, "view.setting.scale === 0 && view.least")
    assert max(view["growth"][1:]) <= 1.2  # what is left is the shape of the pair
    tab.get_by_label("Mode 2, eigenvalue:").press("ArrowRight")
    assert shown(tab)["setting"]["modes"][1]["value"] == 0.97
    for text, expected in (("1.5", [1.5]), ("99", [5]), ("", [])):
        tab.get_by_label("coupling to unit 3 from unit 6").fill(text)
        couplings = shown(tab)["setting"]["couplings"]
        assert [value for i, j, value in couplings if (i, j) == (2, 5)] == expected

    def choose(name, option):
        tab.get_by_role("combobox", name=name).select_option(option)

    choose("Modes", "3 units")
    assert shown(tab)["n"] == 3
    choose("Complex pairs", "0")
    assert len(shown(tab)["setting"]["modes"]) == 3
    choose("Pulse into", "mode 1")
    assert settled(tab, "view.least")["paths"][1][0] == 0


def test_frequencies_by_mouse_and_keyboard(opened):
    tab = opened("frequency")
    keys = keys_of(adders()[0])
    others = sorted({1, 2, 3, 4, 5, 6} - set(keys))
    buttons = {"Remove the keys": keys, "Remove all but the keys": others, "Put all back": []}
    for text, removed in buttons.items():
        tab.get_by_text(text).click()
        assert removed_when(tab, removed)
    tab.locator("[data-frequency='1']").click()
    press(tab, "ArrowRight", "Space")
    assert removed_when(tab, [1, 2])
    assert tab.locator("[data-frequency='2']").get_attribute("aria-pressed") == "true"
    assert tab.locator("[data-frequency][tabindex='0']").count() == 1
    press(tab, "End")
    assert tab.evaluate("document.activeElement.dataset.frequency") == "6"
    tab.wait_for_selector("[role=status]:has-text('as many others')")


def removed_when(tab, value):
    chosen = (
        f"JSON.stringify(view.setting.removed) === '{json.dumps(value, separators=(',', ':'))}'"
    )
    view = settled(tab, f"{chosen} && view.controls.length === view.sets.length")
    return view["setting"]["removed"] == value


# ---- for everyone
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_serious(opened, kind):
    assert barred(opened(kind)) == []


def seen(tab):
    return [tab.locator(f".ske-{name}").is_visible() for name in ("live", "still")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_screen_theme_and_paper(opened, kind):
    tab = opened(kind, color_scheme="dark", reduced_motion="reduce")
    for width in (320, 390, 768):
        tab.set_viewport_size({"width": width, "height": 900})
        widths = tab.evaluate("[document.documentElement].map(e => [e.scrollWidth, e.clientWidth])")
        assert widths[0][0] <= widths[0][1]
    tab.locator("select").first.press("ArrowDown")
    assert tab.evaluate("document.getAnimations().length") == 0  # nothing moves by itself
    colours = []
    for theme in ("", "light", "dark"):  # that of the book wins over that of the system
        tab.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        style = "getComputedStyle(document.querySelector('.ske'))"
        colours.append(tab.evaluate(f"{style}.getPropertyValue('--ske-rr')"))
    assert colours[1] == "#0072b2" and colours[0] == colours[2] != colours[1]
    assert seen(tab) == [True, False]
    tab.emulate_media(media="print")
    assert seen(tab) == [False, True]


@pytest.mark.parametrize("kind", KINDS)
def test_without_script_the_still_picture_stays(opened, kind):
    tab = opened(kind, wait=False, java_script_enabled=False)
    assert tab.locator(".ske-still img").is_visible() and tab.locator(".ske-live").count() == 0


def test_an_explorer_that_fails_leaves_its_still_picture(browser, documents):
    tab, wrong = browser.new_page(), []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.goto(f"file://{documents}/broken.html")
    assert seen(tab) == [False, True] and wrong
    tab.close()


def test_two_explorers_on_a_page_do_not_meet(opened):
    tab = opened("two")
    every = "[...document.querySelectorAll('.ske')]"
    tab.evaluate(f"() => {every}[1].schurkit.set({{ scale: 2 }})")
    assert tab.evaluate(f"{every}.map((one) => one.schurkit.view().setting.scale)") == [1, 2]
    assert [tab.locator(each).count() for each in ("[id]", "style.ske-style")] == [0, 1]


SETTINGS = [
    {},
    {"sectors": ("CR",)},
    {"sectors": ("RR", "CC"), "threshold": 0.6},
    {"couplings": ((0, 1), (1, 4))},
    {"sectors": ("CC",), "couplings": ((0, 2),), "threshold": 0.75},
    {"sectors": ("RR",), "threshold": 0.0},
]
