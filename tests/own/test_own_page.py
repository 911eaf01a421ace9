"""`schurkit analyze --html` and `--notebook`: one file that asks for nothing, words that are those
of the numbers, and nothing half-written.
"""

import html as escaping
import json
import re
import shlex
from contextlib import chdir
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from examined import examined, noisy_trials, refused
from helpers import random_rnn
from press.small_book import cases

from schurkit import RNN, Trials, ablation_profile, random, real_schur, rollout
from schurkit import views as figures
from schurkit.__main__ import main
from schurkit.ablation import HARMLESS, MEANING, SUBSETS, Removal, ablate, name_of
from schurkit.ablation.couplings import coupling_map
from schurkit.metrics import ACCURACY, FVU, REPLAY_ACCURACY
from schurkit.own import page, report
from schurkit.own.command import TEMPLATE, filled, position
from schurkit.own.load import read_network
from schurkit.own.trials import load_trials
from schurkit_press import own_page
from schurkit_press.one_page import chapter_page, one_page, sources

WEIGHTS = "<img src=x onerror=alert(1)>.npz"
HOSTILE = "<script>alert(1)</script>, ![x](ftp://example.org/x) [y](ftp://example.org)"


def stack(networks=2, hidden=7, **kind):
    return random_rnn(networks, hidden, 2, 2, biases=False, **kind)


def one(trials=40):
    """A network, trials, and its form."""
    rnn = stack(1)
    return rnn, noisy_trials(rnn, trials)[0], real_schur(rnn.W_rec[0])


def save(rnn, name="net.npz", **more):
    """The network, and trials with what it gives."""
    words = {"activation": rnn.activation, "form": rnn.form, "leak": rnn.leak} | more
    np.savez(name, W_in=rnn.W_in, W_rec=rnn.W_rec, W_out=rnn.W_out, **words)
    task, outputs = noisy_trials(rnn, 40)
    np.savez("trials.npz", inputs=task.inputs, targets=task.targets, outputs=outputs)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A stack of two networks with trials and outputs, under a hostile file name: the page, its
    report, its notebook, and the files beside it.
    """
    folder = tmp_path_factory.mktemp("made")
    asked = f"analyze '{WEIGHTS}' --trials trials.npz --draws 4 --seed 3 --json"
    page = "out.json --html out.html --notebook out.ipynb --network 1"
    with chdir(folder):
        save(stack(), WEIGHTS, **dict.fromkeys(HOSTILE.split(", "), np.zeros(3)))
        Path("numpy.py").write_text(
            "raise RuntimeError('a file of the working folder was imported')\n"
        )
        for rest in (page, "plain.json"):
            assert main(shlex.split(f"{asked} {rest}")) == 0
    return folder


class Page(HTMLParser):
    """Every tag with its attributes, and the words outside style and folded code."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.source = [], Path(path).read_text(encoding="utf-8")
        self.feed(self.source)
        bare = re.sub(r"(?s)<(style|details|title)\b.*?</\1>|<[^>]*>", " ", self.source)
        self.words = " ".join(escaping.unescape(bare).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


# ------------------------------------------------------------------ one file that asks for nothing
ACTIVE = {"script", "iframe", "object", "embed", "form", "base", "video", "audio", "source"}


def test_the_page_asks_for_nothing(made):
    found = Page(made / "out.html")
    for tag, attributes in found.tags:
        assert tag not in ACTIVE and not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, name)
    assert not re.search(r"https?://|@import|url\(", re.sub(r"data:[^\"']*", "", found.source))
    policy = [
        a["content"] for _, a in found.tags if a.get("http-equiv", "").startswith("Content-S")
    ]
    assert "default-src 'none'" in policy[0] and "img-src data:" in policy[0]


def test_every_picture_has_a_text_and_every_table_a_caption(made):
    found = Page(made / "out.html")
    pictures = [attributes for tag, attributes in found.tags if tag == "img"]
    assert len(pictures) == 8 and all(len(picture["alt"]) > 20 for picture in pictures)
    tags = [tag for tag, _ in found.tags]
    assert tags.count("table") == tags.count("caption") >= 6
    assert tags.count("figcaption") == tags.count("figure") == 8
    headings = [tag for tag in tags if tag in ("h1", "h2", "h3")]
    assert headings[0] == "h1" and headings.count("h1") == 1


def test_hostile_names_of_files_and_arrays_are_text(made):
    found = Page(made / "out.html")
    assert "<img src=x" not in found.source and HOSTILE not in found.source
    assert found.source.count(escaping.escape(WEIGHTS)) >= 3
    assert f"not used: {HOSTILE}" in found.words
    assert "example.org" not in str(found.tags)


def test_prose_cannot_bring_links_pictures_or_tags():
    source = (
        '# a\n\n<b onclick="x()">bold</b> ![p](http://example.org/p.png) [l](http://example.org) '
        "<http://example.org>"
    )
    text = one_page({"cells": [{"cell_type": "markdown", "source": source, "metadata": {}}]}, "t")
    assert "bold" in text and not re.search(r"<(img|a|b)\b", text)


# ------------------------------------------------------------------------------- words and numbers
def test_the_page_and_the_command_without_it_give_one_report(made):
    one, other = (json.loads((made / name).read_text()) for name in ("out.json", "plain.json"))
    assert one == other


def test_the_sentences_are_those_of_the_report(made):
    written = json.loads((made / "out.json").read_text(encoding="utf-8"))
    words = Page(made / "out.html").words
    found = read_network(made / WEIGHTS)
    analysis = examined(found.rnn, *load_trials(made / "trials.npz"), draws=4, seed=3)
    controls = report.about_controls(analysis.profile_of(1), analysis.forms[1])
    for sentence in (*report.headline(analysis, 1), report.check_sentence(analysis), *controls):
        assert " ".join(sentence.split()) in words
    for entry in written["networks"][1]["ablations"][1:]:
        change = f"{entry['delta_fvu']:+.2g}".replace("-", "−")
        for told in (f"{entry['fvu']:.3g}", change, name_of(entry["removed"]), entry["reading"]):
            assert told in words
    details = "Details below are of network 1"
    for told in (written["weights_sha256"], details, "Over 2 networks: RR"):
        assert told in words


ABOVE, BELOW = (0.1, 0.05, 0.3), (-0.01, -0.02, 0.0)


def sentence_of(cost=0.2, mass=0.2, intact=0.05, permuted=ABOVE, matched=ABOVE):
    """What is said of a removal with these draws of its two controls."""
    drawn = {"permuted": permuted, "matched": matched}
    controls = {kind: np.array([values]) for kind, values in drawn.items() if values}
    arrays = (np.array([cost]), controls, np.array([mass]), np.array([1 - intact]))
    profile = SimpleNamespace(metric=FVU, intact=np.array([intact]))
    return report.sentence(Removal("CC", *arrays), profile)


@pytest.mark.parametrize(
    "word, cost, mass, matched",
    [
        ("located", 0.2, 0.2, BELOW),
        ("unspecific", 0.2, 0.2, ABOVE),
        ("nearly ∅", 0.2, 0.005, BELOW),
    ],
)
def test_a_reading_is_told_with_both_controls(word, cost, mass, matched):
    told = sentence_of(cost, mass, matched=matched)
    other = "−0.01 [−0.02, 0]" if matched is BELOW else "+0.1 [+0.05, +0.3]"
    numbers = f"FVU {cost:+.2g}; permuted +0.1 [+0.05, +0.3]; matched {other}"
    assert told == f"CC is {word}: {MEANING[word]} ({numbers})."


def test_what_else_a_removal_may_come_to():
    empty = "CC is ∅: it holds no coupling, so there is nothing to remove."
    assert sentence_of(0.0, mass=0) == empty
    undrawn = sentence_of(permuted=())
    assert "CC cannot be read: permuted and matched controls were not both drawn" in undrawn
    assert "the unablated network diverged" in sentence_of(np.nan, intact=np.inf)
    wild = sentence_of(np.inf, permuted=(0.1, 0.2, np.inf))
    assert "(it diverges; permuted 1 of 3 draws diverged; matched" in wild
    assert "no better than" not in wild
    assert "no better than always giving the mean target" in sentence_of(1.0)
    assert "Without it FVU falls" in sentence_of(-0.02)
    assert "falls" not in sentence_of(-0.005)


def test_costs_about_the_border_of_harmless_are_named():
    rnn, task, _ = one()
    profile = ablation_profile(rnn, task, draws=2)
    costs = np.zeros_like(profile.effect)
    profile = replace(profile, intact=np.array([0.5]), effect=costs)
    assert report.borders(profile) == []
    costs[0, :2] = 0.2 * HARMLESS, 0.8 * HARMLESS
    name = profile.removed[1]
    (said,) = report.borders(replace(profile, effect=costs.copy()))
    assert said in (report.tell("edge", names=f"{lead}{name}") for lead in ("", "RR and "))


def test_warnings_come_first():
    rnn = replace(stack(1), W_rec=np.diag([1.0, 0.91, 0.89, 0.5, 0.4, 0.3, 0.2])[None])
    task, outputs = noisy_trials(rnn, 8)
    wrong = Trials(task.inputs, -task.targets)
    analysis = examined(rnn, wrong, outputs + 1, force_unchecked=True, draws=2)
    told = report.headline(analysis, 0)
    assert [line.split(":")[0] for line in told[:4]] == ["Warning"] * 4
    assert analysis.report["networks"][0]["near_cut"] == [1, 2]
    near = "2 blocks of modulus 0.89 to 0.91 lie within 2 % a time constant of the cut at 0.9"
    for line, words in zip(told, ("another network", "less than half", "8 trials are few", near)):
        assert words in line and line in report.summary(analysis)
    assert report.check_sentence(analysis).startswith("CHECK FAILED")


def test_every_sentence_of_the_file_is_told_somewhere():
    paths = (Path(report.__file__), TEMPLATE)
    source = "".join(path.read_text(encoding="utf-8") for path in paths)
    assert set(report._SENTENCES) <= set(re.findall(r"""["']([a-z ]+)\\?["']""", source))


@pytest.mark.parametrize("leak", [1.0, 0.25, np.linspace(0.1, 0.3, 7)])
def test_the_plane_of_a_leaky_network_shows_its_sectors(leak):
    """At leak 1 the eigenvalues of W_rec and its circles; else 1 + (λ − 1)/ā, which for one leak
    are those of W_rec again, with the cut as it lies there.
    """
    rnn = stack(1)
    form = real_schur(rnn.W_rec[0], leak=leak)
    ax, step = page.spectrum(form).figure.axes[0], np.mean(leak)
    drawn = {line.get_label().split(":")[0]: line.get_xydata() for line in ax.lines}
    R, C = ((1 + step * (points @ [1, 1j] - 1)) for points in (drawn["R"], drawn["C"]))
    assert len(R) == form.n_leading and len(C) == 7 - form.n_leading
    assert np.abs(R).min() >= form.cut - 1e-9 and np.abs(C).max() < form.cut
    if np.ndim(leak) == 0:
        assert np.abs(np.linalg.eigvals(rnn.W_rec[0]) - drawn["C"][-1] @ [1, 1j]).min() < 1e-9
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert np.allclose(np.abs(1 + step * (dashed.get_xydata() @ [1, 1j] - 1)), form.cut)
    assert ("per time constant" in page.spectrum_words(form)) == (np.mean(leak) < 1)


def test_units_in_R_against_the_threshold():
    form = real_schur(np.diag([1.0, 0.9, 0.8, 0.3]), threshold=0.85)
    ax = page.leading(form).figure.axes[0]
    line, dot = (one.get_xydata() for one in ax.lines)
    assert dot.tolist() == [[0.85, 2]]
    for threshold, count in ((0.5, 3), (0.79, 3), (0.81, 2), (0.95, 1)):
        assert line[np.abs(line[:, 0] - threshold).argmin(), 1] == count


def test_the_figure_of_the_removals_leaves_out_what_is_empty():
    upper = np.diag([1.0, 0.5, 0.3, 0.1]) + np.triu(np.ones((4, 4)), 1) * [[[0]], [[1]]]
    rnn = RNN(np.ones((2, 4, 1)), upper, np.ones((2, 1, 4)))
    task, _ = noisy_trials(rnn, 40)
    profile = ablation_profile(rnn, task, draws=3)
    ax = figures.profile(profile).figure.axes[0]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    # RR is one unit in both networks, and the first holds no coupling at all
    assert sum(len(line.get_xdata()) for line in dots) == 6
    assert [text.get_text() for text in ax.texts] == ["∅", *["∅ 1"] * 6]
    alone = ablation_profile(rnn[1], task, draws=3)
    spread = page.over_trials(rnn[1], real_schur(rnn.W_rec[1]), task, resamples=20)
    view = page.costs(alone, spread)
    drawn = [line for line in view.figure.axes[0].lines if line.get_alpha() == 0.35]
    assert sum(len(line.get_xdata()) for line in drawn) == 6 * 3 * 2
    low, high = view.figure.axes[0].get_ylim()
    assert all(low <= y <= high for line in drawn for y in line.get_ydata())
    ends = view.data[view.data.kind == "removal"].set_index("removed")
    assert ends.trials_high["CR"] == spread["CR"][2] and np.isnan(ends.trials_low["none"])


# ------------------------------------------------------------- what is measured beside the profile
@pytest.mark.parametrize("metric", [FVU, ACCURACY, REPLAY_ACCURACY])
def test_the_spread_over_trials_is_a_bootstrap(metric):
    rnn, task, form = one(10)
    task = Trials(task.inputs, task.targets, np.random.default_rng(0).random((10, 9, 2)) < 0.8)
    rows = page.over_trials(rnn, form, task, metric, resamples=20, seed=2)
    picks = random.integers(2, "over trials", 0, (20, 10), 10)

    def change(variant, some):
        values = [metric.measure(rollout(one, some).outputs, some)[0] for one in (variant, rnn)]
        return values[0] - values[1]

    for sectors in SUBSETS[1:]:
        variant = ablate(rnn, form, [sectors])
        middle, *ends = rows[name_of(sectors)]
        assert middle == pytest.approx(change(variant, task), abs=1e-12)
        some = [Trials(task.inputs[p], task.targets[p], task.mask[p]) for p in picks]
        drawn = [change(variant, one) for one in some]
        assert ends == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=1e-12)


def test_single_couplings_are_those_of_the_coupling_map():
    rnn, task, form = one()
    rows, measured = page.single_couplings(rnn, form, task, largest=5)
    known = sorted(coupling_map(rnn, task, forms=[form]), key=lambda row: -abs(row.estimate))
    assert [row.estimate for row in rows] == [row.estimate for row in known]
    assert len(measured) == 5
    for row, told in zip(known, measured, strict=False):
        assert (row.driven + 1, row.driver + 1) == (told["driven"], told["driver"])
        assert told["sector"] == row.sector
        numbers = {name: getattr(row, name) for name in ("norm", "exact", "estimate")}
        assert numbers.items() <= told.items()


def test_single_couplings_that_all_cost_nothing_are_couplings_still():
    rnn, task, form = one()
    rnn = replace(rnn, W_out=np.zeros((1, 2, 7)))
    rows, measured = page.single_couplings(rnn, form, task, largest=5)
    assert [(row["estimate"], row["exact"]) for row in measured] == [(0, 0)] * 5
    assert "the largest estimate is 0" in page.estimates(rows, form).alt


# ----------------------------------------------------------------- kinds of networks and of trials
@pytest.fixture
def here(monkeypatch):
    """Pages are made without a kernel of their own."""
    from chapters.rerun import executed

    monkeypatch.setattr(own_page, "run_here", executed)


def test_without_trials_the_page_says_what_they_would_add(here, analyze):
    save(stack(1))
    assert analyze("net.npz --html out.html")[0] == 0
    found = Page("out.html")
    assert found.words.count("Not measured: ") == 4
    assert "--trials TRIALS.npz" in found.words and "Orientation unchecked" in found.words
    assert sum(tag == "img" for tag, _ in found.tags) == 3


GROWS = np.diag([3.0, 2.0, 1.0]) + np.triu(np.ones((3, 3)), 1)


@pytest.mark.parametrize(
    "rnn, steps, told",
    [
        (RNN(np.ones((1, 1)), [[0.5]], np.ones((1, 1))), 6, ["there is nothing to remove"]),
        (
            RNN(np.ones((3, 1)), GROWS, np.ones((1, 3)), activation="relu"),
            900,
            ["the network diverges on these trials"],
        ),
        (
            stack(1, activation="relu", leak=np.linspace(0.1, 0.9, 7), form="voltage"),
            6,
            [
                "modulus in the step matrix",
                "the network as it is has accuracy",
                "accuracy lost",
            ],
        ),
    ],
)
def test_odd_networks_get_a_page(here, analyze, rnn, steps, told):
    """The last with classes for targets."""
    save(rnn)
    draw, classes = np.random.default_rng(0), len(told) > 1
    inputs = draw.random((33, steps, rnn.input_size))
    targets = draw.random((33, steps, rnn.output_size))
    arrays = {"inputs": inputs, "targets": targets.argmax(axis=2) if classes else targets}
    np.savez("trials.npz", **arrays)
    assert analyze("net.npz --trials trials.npz --html out.html --draws 2")[0] == 0
    words = Page("out.html").words.lower()
    assert all(one in words for one in told) and "nan" not in words.split()


# ------------------------------------------------------------------------------------ the notebook
def parameters_of(notebook):
    """What the cell of parameters sets, from its UTF-8."""
    tagged = (c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
    values = {}
    exec("".join(next(tagged)["source"]).encode(), values)
    return values


def test_the_notebook_holds_the_readers_parameters(made):
    notebook = nbformat.read(made / "out.ipynb", as_version=4)
    nbformat.validate(notebook)
    values = parameters_of(notebook)
    expected = {"weights": WEIGHTS, "trials": "trials.npz"}
    expected |= {"network": "1", "draws": 4, "seed": 3, "leak": None, "metric": ""}
    assert values.items() >= expected.items() and values["controls"] == ["permuted", "matched"]
    assert not any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize(
    "name", ['a"; import os; os.abort() #.npz', "a'\n\\.npz", "\udcff.npz", "{x}\u2028.npz"]
)
def test_a_file_name_in_the_notebook_is_a_quoted_text(name):
    assert parameters_of(filled({"weights": name}))["weights"] == name


def test_an_unknown_parameter_is_not_lost():
    with pytest.raises(KeyError, match="no parameter wieghts"):
        filled({"wieghts": "net.npz"})


def test_the_notebook_alone_needs_no_kernel(analyze, monkeypatch):
    save(stack(1))
    notebook = Path("below/out.ipynb")
    notebook.parent.mkdir()
    monkeypatch.setattr(own_page, "run_here", None)
    asked = f"net.npz --trials trials.npz --draws 2 --notebook {notebook}"
    assert analyze(f"{asked} --transpose W_rec")[0] == 2  # outputs disagree
    assert not notebook.exists()
    code, _, said = analyze(asked)
    assert code == 0 and "run it from this folder" in said and notebook.is_file()


# ------------------------------------------------------------------------------------- wrong input
@pytest.mark.parametrize(
    "arguments, words",
    cases("""
--html net.npz → would overwrite net.npz
--notebook other.npz → other.npz has the name of a file of arrays; name it .ipynb
--html out.txt → --html out.txt must end in .html
--html out.html --json out.html → are one file
--html out.html --network 7 → there is no network 7; the labels are 0, 1
--network 1 → give it together with --html
--html out.html --threshold nan → threshold must be a finite number
--html out.html --tolerance nan → tolerance must be a finite number
--html trials.npz --trials trials.npz → would overwrite trials.npz
--html nowhere/out.html → there is no folder nowhere
--html . → is not a file that can be written
--html out.html --draws 0 → draws must be at least 1
--html out.html --orders -1 → orders must be at least 0
--html out.html --tolerance 0 → tolerance must be above 0
--html out.html --trials trials.npz --metric r2 → metric must be one of
--html out.html --trials wide.npz → as the networks; got 2 and 5
--html out.html --trials wrong.npz → does not give the outputs
"""),
)
def test_wrong_input_is_one_line_and_writes_nothing(arguments, words, complaint, monkeypatch):
    save(stack())
    task, outputs = noisy_trials(stack(), 40)
    np.savez("wide.npz", inputs=task.inputs, targets=np.ones((40, 9, 5)))
    np.savez("wrong.npz", inputs=task.inputs, targets=task.targets, outputs=outputs + 1)
    if "wrong.npz" not in arguments:  # which is seen by the run
        monkeypatch.setattr(own_page, "run_here", None)
    assert complaint(f"net.npz {arguments}", words).startswith("schurkit: ")


def test_missing_packages_are_named(complaint, monkeypatch):
    save(stack(1))
    lacking = {"papermill", "markdown_it"}
    monkeypatch.setattr(own_page, "find_spec", lambda name: name not in lacking or None)
    told = "needs papermill, markdown-it: install schurkit[book]"
    complaint("net.npz --html out.html", told)


def test_a_failure_that_is_not_the_readers_is_one_line_and_writes_nothing(complaint, monkeypatch):
    save(stack(1))
    Path("out.html").write_text("what was there")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    monkeypatch.setattr("schurkit.own.command.filled", lambda values: notebook)
    told = "the page was not written: its notebook failed with ZeroDivisionError: division by zero"
    complaint("net.npz --html out.html", told, expected=1)


def test_labels_that_are_not_unique_are_refused():
    refused(lambda: position(replace(stack(), labels=("a", "a")), "a"), "are 2 networks a")


# ------------------------------------------------------------------------------------ in a browser
def test_the_page_in_a_browser(opened_file, made):
    page = opened_file(made / "out.html")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    for width, scheme in ((390, "dark"), (390, "light"), (1200, "light"), (1200, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        back = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert (sum(map(int, re.findall(r"\d+", back)[:3])) > 380) == (scheme == "light")


def test_the_page_of_a_chapter_has_its_sources_and_links_as_words():
    prose = "{cite:t}`drager2026` asks, {cite:p}`zhong2023` too {cite:p}`bai1993`; {doc}`../b/a`."
    cell = {"cell_type": "markdown", "source": prose, "metadata": {}}
    bibliography = Path(__file__).resolve().parents[2] / "book" / "references.bib"
    page = chapter_page({"cells": [cell]}, "t", sources(bibliography))
    said = "Dräger (2026) asks, (Zhong et al., 2023) too (Bai and Demmel, 1993); a."
    assert said in page
