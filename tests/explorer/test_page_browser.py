"""The explorers of a page in a browser: their numbers against schurkit, by mouse and by keyboard,
without requests, and open to everyone.
"""

import numpy as np
import pytest
from helpers import random_rnn, random_trials

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
    rng = np.random.default_rng(3)
    mask = np.ones((6, 8))
    mask[:, :2] = 0
    mask[2, 5:] = 0
    return Trials(rng.choice([-1.0, 1.0], (6, 4, 2)), rng.choice([-1.0, 1.0], (6, 8, 3)), mask)


CASES = {
    "tanh": (dict(networks=2, biases=False, dtype=np.float32), random_trials, "fvu"),
    "relu": (dict(networks=1, scale=0.2, activation="relu"), random_trials, "fvu"),
    "leak": (dict(networks=1, leak=0.3), random_trials, "fvu"),
    "voltage": (dict(networks=1, leak=0.6, form="voltage"), random_trials, "fvu"),
    "signs": (dict(networks=1, outputs=3, form="voltage"), signs, "replay_accuracy"),
    "growing": (
        dict(networks=1, scale=8.0, activation="relu", leak=0.9),
        lambda: random_trials(steps=60, autonomous=400),
        "fvu",
    ),
}


def ablation_cases():
    return [
        page.Case(name, random_rnn(hidden=9, **kind), trials(), metric)
        for name, (kind, trials, metric) in CASES.items()
    ]


def adders():
    return random_rnn(2, 14, 13, 13, scale=0.4, activation="relu", seed=2)


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
def opened(browser, documents):
    """Open a document; at the end of the test nothing may have been asked for and nothing gone
    wrong.
    """
    contexts, asked, wrong = [], [], []

    def open_document(name, width=1000, wait=True, **settings):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, offline=True, **settings
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on(
            "console",
            lambda message: (
                wrong.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto(f"file://{documents}/{name}.html")
        if wait:
            tab.evaluate("() => document.querySelector('.ske').schurkit.ready")
        return tab

    yield open_document
    for context in contexts:
        context.close()
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert wrong == []


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
def number(value):
    """JSON turns infinities into None on the way out of some browsers."""
    return np.inf if value is None else value


@pytest.mark.parametrize(
    ("sectors", "couplings", "threshold"),
    [
        ((), (), 0.9),
        (("CR",), (), 0.9),
        (("RR", "CC"), (), 0.6),
        ((), ((0, 1), (1, 4)), 0.9),
        (("CC",), ((0, 2),), 0.75),
        (("RR",), (), 0.0),
    ],
)
@pytest.mark.parametrize("position", range(len(CASES) + 1))
def test_the_page_computes_what_schurkit_computes(opened, position, sectors, couplings, threshold):
    tab = opened("ablation")
    flat = [(case, i) for case in ablation_cases() for i in range(len(case.rnn))]
    case, i = flat[position]
    blocks = len(Explorer(case.rnn, case.trials, metric=case.metric).form(i, 0.9).blocks)
    couplings = [pair for pair in couplings if pair[1] < blocks]
    expected = Explorer(
        case.rnn.astype(np.float64), case.trials, metric=case.metric, controls=("block-upper",)
    ).view(Setting(i, threshold, sectors, tuple(couplings), 2))
    found = change(
        tab,
        {
            "network": position,
            "threshold": threshold,
            "sectors": list(sectors),
            "couplings": couplings,
            "trial": 2,
        },
    )
    assert found["n_leading"] == expected.form.n_leading
    assert found["removed_mass"] == pytest.approx(expected.removed_mass, rel=1e-9)
    for name in ("full", "value"):
        assert number(found[name]) == pytest.approx(getattr(expected, name), rel=1e-6)
    assert [number(value) for value in found["controls"]] == pytest.approx(
        expected.controls.get("block-upper", np.zeros(0)).tolist(), rel=1e-6
    )
    steps = len(expected.output)
    if np.isfinite(expected.full) and np.abs(expected.output).max() < 1e6:
        outputs = np.array(found["output"]).reshape(-1, steps, expected.output.shape[1])[2]
        assert np.abs(outputs - expected.output).max() < 1e-6


def test_the_sentences_are_those_of_a_live_session(opened):
    tab = opened("ablation")
    found = change(tab, {"sectors": ["CR"]})
    case = ablation_cases()[0]
    view = Explorer(case.rnn.astype(np.float64), case.trials, controls=("block-upper",)).view(
        Setting(sectors=("CR",))
    )
    assert (
        f"R holds {view.form.n_leading} of 9 units. Removed: CR, {view.removed_mass:.2%}".replace(
            "%", " %"
        )
        in found["sentences"]
    )
    worse = int((view.controls["block-upper"] > view.value).sum())
    assert f"{worse} of 20 are worse than the removal" in found["sentences"]
    assert tab.inner_text("[role=status]") == found["sentences"]


def test_the_page_draws_the_numbers_of_schurkit(opened):
    tab = opened("ablation")
    for seed, stream, step, size in (
        (0, "control block-upper CR", 0, 4096),
        (2**53, "ü", 7, 64),
        (123456789, "", 3, 1),
    ):
        drawn = tab.evaluate(
            "given => [...document.querySelector('.ske').schurkit.normals(...given)]",
            [seed, stream, step, size],
        )
        assert np.abs(np.array(drawn) - random.normal(seed, stream, step, size)).max() < 1e-13
        order = tab.evaluate(
            "given => document.querySelector('.ske').schurkit.permutation(...given)",
            [seed, stream, step, size],
        )
        assert order == random.permutation(seed, stream, step, size).tolist()


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
    view = tab.evaluate("() => document.querySelector('.ske').schurkit.ready")
    A = check_matrix(view)
    assert np.allclose(
        np.sort_complex(np.linalg.eigvals(A)), np.sort_complex(np.linalg.eigvals(T)), atol=1e-12
    )
    A = check_matrix(change(tab, {"scale": 2.5}))
    assert np.linalg.norm(np.triu(A, 2)) == pytest.approx(2.5 * np.linalg.norm(np.triu(T, 2)))
    path, pulse = np.array(shown(tab)["paths"]), np.zeros(6)
    pulse[5] = 1
    assert path[:, 3] == pytest.approx(
        [
            np.linalg.norm(part)
            for part in np.split(np.linalg.matrix_power(A, 3) @ pulse, [2, 3, 4, 5])
        ]
    )


@pytest.mark.parametrize("preset", [1, 2, 3])
def test_the_plain_matrices_too(opened, preset):
    tab = opened("schur")
    tab.locator("select").first.select_option(str(preset))
    view = settled(
        tab,
        f"view.least && view.setting.name !== 'six units' && view.n === {[2, 4, 3][preset - 1]}",
    )
    check_matrix(view)
    if preset == 3:
        assert (
            view["henrici"] == 0 and max(view["growth"]) == 1.0 and "is normal" in view["sentences"]
        )


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("removed", [[], [2], [1, 3, 6], [1, 2, 3, 4, 5, 6]])
def test_the_table_of_pairs_is_that_of_schurkit(opened, position, removed):
    tab = opened("frequency")
    found = change(tab, {"network": position, "removed": removed})
    one = adders()[position].astype(np.float64)

    def right(frequencies):
        return fourier.ablated_logits(one, frequencies).argmax(axis=-1) == fourier.sums(13)

    table = right(removed)
    assert np.array_equal(np.array(found["right"]).reshape(13, 13), table)
    assert found["all"] == pytest.approx(table.mean())
    assert found["held"] == pytest.approx(table[np.arange(169).reshape(13, 13) % 3 == 0].mean())
    keys = set(fourier.key_frequencies(fourier.tables(one).X).tolist())
    assert len(found["sets"]) == len(found["controls"]) and bool(removed) == bool(found["sets"])
    for chosen, share in zip(found["sets"], found["controls"]):
        assert len(set(chosen)) == len(removed) and (
            not keys & set(chosen) or len(removed) > 6 - len(keys)
        )
        assert share == pytest.approx(right(chosen).mean())


# ---- by mouse and by keyboard
def test_couplings_by_mouse(opened):
    tab = opened("ablation")
    tab.get_by_label("CR, C drives R").check()
    assert settled(tab, "view.controls.length === 20")["setting"]["sectors"] == ["CR"]
    tab.get_by_text("Put everything back").click()
    assert settled(tab, "view.removed_mass === 0")["setting"]["sectors"] == []
    box = tab.locator("[role=checkbox]").bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 0.97, box["y"] + box["height"] * 0.03)
    view = settled(tab, "view.setting.couplings.length === 1")
    last = (
        len(Explorer(ablation_cases()[0].rnn, ablation_cases()[0].trials).form(0, 0.9).blocks) - 1
    )
    assert view["setting"]["couplings"] == [[0, last]]
    tab.mouse.click(box["x"] + box["width"] * 0.03, box["y"] + box["height"] * 0.97)
    assert "there are no couplings" in tab.inner_text(".ske-note")
    tab.locator("select").select_option("2")
    assert settled(tab, "view.setting.network === 2")["setting"]["couplings"] == []


def test_couplings_by_keyboard(opened):
    tab = opened("ablation")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.tagName") == "SELECT"
    tab.keyboard.press("Tab")
    tab.keyboard.press("ArrowLeft")
    assert shown(tab)["setting"]["threshold"] == 0.89
    for _ in range(2):
        tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    assert settled(tab, "view.setting.sectors.length")["setting"]["sectors"] == ["RR"]
    grid = tab.locator("[role=checkbox]")
    for _ in range(4):
        tab.keyboard.press("Tab")
    assert grid.evaluate(
        "node => node === document.activeElement && getComputedStyle(node).outlineStyle === 'solid'"
    )
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowLeft")
    assert grid.get_attribute("aria-checked") == "false"
    tab.keyboard.press("Space")
    blocks = len(Explorer(ablation_cases()[0].rnn, ablation_cases()[0].trials).form(0, 0.9).blocks)
    assert shown(tab)["setting"]["couplings"] == [[1, blocks - 2]]
    assert grid.get_attribute(
        "aria-checked"
    ) == "true" and f"Block 1 driven by block {blocks - 2}" in grid.get_attribute("aria-label")
    assert "removed" in tab.inner_text(".ske-note[aria-live=polite]")
    tab.keyboard.press("Enter")
    assert shown(tab)["setting"]["couplings"] == []


def test_the_cursor_stays_above_the_diagonal(opened):
    tab = opened("ablation")
    tab.locator("[role=checkbox]").focus()
    for key in [
        "Down",
        "Down",
        "Left",
        "Left",
        "Home",
        "Up",
        "Shift+Right",
        "End",
        "Shift+Down",
        "Down",
        "Right",
    ]:
        tab.keyboard.press(
            key
            if key in ("Home", "End")
            else "+".join([*key.split("+")[:-1], f"Arrow{key.split('+')[-1]}"])
        )
        words = tab.locator("[role=checkbox]").get_attribute("aria-label").split()
        driven, driver = int(words[words.index("Block") + 1]), int(words[words.index("block") + 1])
        assert 0 <= driven < driver


def test_a_matrix_by_keyboard(opened):
    tab = opened("schur")
    scale = tab.get_by_label("All couplings ×")
    scale.focus()
    tab.keyboard.press("Home")
    view = settled(tab, "view.setting.scale === 0 && view.least")
    assert max(view["growth"][1:]) <= 1.2  # what is left is the shape of the pair
    tab.get_by_label("Mode 2, eigenvalue:").focus()
    tab.keyboard.press("ArrowRight")
    assert shown(tab)["setting"]["modes"][1]["value"] == 0.97
    tab.get_by_label("coupling to unit 3 from unit 6").fill("1.5")
    assert [2, 5, 1.5] in shown(tab)["setting"]["couplings"]
    tab.get_by_label("coupling to unit 3 from unit 6").fill("99")
    assert [2, 5, 5] in shown(tab)["setting"]["couplings"]
    tab.get_by_label("coupling to unit 3 from unit 6").fill("")
    assert not [entry for entry in shown(tab)["setting"]["couplings"] if entry[:2] == [2, 5]]
    tab.get_by_role("combobox", name="Modes").select_option("3 units")
    assert shown(tab)["n"] == 3
    tab.get_by_role("combobox", name="Complex pairs").select_option("0")
    assert len(shown(tab)["setting"]["modes"]) == 3
    tab.get_by_role("combobox", name="Pulse into").select_option("mode 1")
    assert settled(tab, "view.least")["paths"][1][0] == 0


def test_frequencies_by_mouse_and_keyboard(opened):
    tab = opened("frequency")
    tab.get_by_text("Remove the keys").click()
    keys = fourier.key_frequencies(fourier.tables(adders()[0]).X).tolist()
    assert shown_when(tab, "removed", sorted(keys))
    tab.get_by_text("Remove all but the keys").click()
    assert shown_when(tab, "removed", sorted(set(range(1, 7)) - set(keys)))
    tab.get_by_text("Put all back").click()
    assert shown_when(tab, "removed", [])
    tab.locator("[data-frequency='1']").click()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Space")
    assert shown_when(tab, "removed", [1, 2])
    assert tab.locator("[data-frequency='2']").get_attribute("aria-pressed") == "true"
    assert tab.locator("[data-frequency][tabindex='0']").count() == 1
    tab.keyboard.press("End")
    assert tab.evaluate("document.activeElement.dataset.frequency") == "6"
    tab.wait_for_selector("[role=status]:has-text('as many others')")


def shown_when(tab, name, value):
    settled(
        tab,
        f"JSON.stringify(view.setting.{name}) === '{str(value).replace(' ', '')}' && "
        "view.controls.length === view.sets.length",
    )
    return shown(tab)["setting"][name] == value


# ---- for everyone
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_serious(opened, kind, scheme):
    run = pytest.importorskip("axe_playwright_python.sync_playwright").Axe().run
    tab = opened(kind, color_scheme=scheme)
    found = run(tab).response["violations"]
    assert [
        (each["id"], [node["html"] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in ("serious", "critical")
    ] == []


@pytest.mark.parametrize("width", [320, 390, 768])
@pytest.mark.parametrize("kind", KINDS)
def test_no_explorer_is_wider_than_a_phone(opened, kind, width):
    tab = opened(kind, width=width)
    assert tab.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_moves_by_itself(opened, kind):
    tab = opened(kind, reduced_motion="reduce")
    tab.locator("select").first.focus()
    tab.keyboard.press("ArrowDown")
    assert tab.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_theme_of_the_book_wins_over_that_of_the_system(opened, kind):
    tab = opened(kind, color_scheme="dark")
    read = "getComputedStyle(document.querySelector('.ske')).getPropertyValue('--ske-rr')"
    dark = tab.evaluate(read)
    tab.evaluate("document.documentElement.dataset.theme = 'light'")
    light = tab.evaluate(read)
    tab.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert (light, tab.evaluate(read)) == ("#0072b2", dark) and light != dark


@pytest.mark.parametrize("kind", KINDS)
def test_paper_gets_the_still_picture(opened, kind):
    tab = opened(kind)
    visible = {name: tab.locator(f".ske-{name}").is_visible() for name in ("live", "still")}
    tab.emulate_media(media="print")
    printed = {name: tab.locator(f".ske-{name}").is_visible() for name in ("live", "still")}
    assert (visible, printed) == ({"live": True, "still": False}, {"live": False, "still": True})


@pytest.mark.parametrize("kind", KINDS)
def test_without_script_the_still_picture_stays(opened, kind):
    tab = opened(kind, wait=False, java_script_enabled=False)
    assert tab.locator(".ske-still img").is_visible() and tab.locator(".ske-live").count() == 0


def test_an_explorer_that_fails_leaves_its_still_picture(browser, documents):
    tab = browser.new_page()
    wrong = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.goto(f"file://{documents}/broken.html")
    assert (
        tab.locator(".ske-still").is_visible() and tab.locator(".ske-live").count() == 0 and wrong
    )
    tab.close()


def test_two_explorers_on_a_page_do_not_meet(opened):
    tab = opened("two")
    tab.evaluate("() => document.querySelectorAll('.ske')[1].schurkit.set({ scale: 2 })")
    scales = tab.evaluate(
        "() => [...document.querySelectorAll('.ske')].map((one) => "
        "one.schurkit.view().setting.scale)"
    )
    assert (
        scales == [1, 2]
        and tab.locator("[id]").count() == 0
        and tab.locator("style.ske-style").count() == 1
    )
