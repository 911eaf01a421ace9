"""What goes into a page: exact numbers, nothing that could break out of the script, and clear
refusals.
"""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import messages, random_rnn, random_trials

from schurkit import nb, real_schur
from schurkit.explorer import page
from schurkit.explorer.page._html import pack, script

KINDS = {"ablation": ("random",), "schur": (), "frequency": ("random",)}


def adder(p=7, hidden=8, networks=1):
    return random_rnn(networks, hidden, p, p, biases=False, scale=0.3, activation="relu")


def data_of(one):
    return json.loads(
        re.search(r'<script type="application/json">(.*?)</script>', one.html, re.DOTALL)[1]
    )


def small(hidden=4, networks=1, **kind):
    return random_rnn(networks, hidden, biases=False, **kind)


# ---- numbers
@pytest.mark.parametrize(
    "values, kind",
    [
        ([0, 1, -128], "i1"),
        ([0.5, 2.0**-100], "f4"),
        ([128.0], "f4"),
        ([0.1], "f8"),
        ([1e300], "f8"),
        (np.float32([0.1]), "f4"),
        ([], "i1"),
    ],
)
def test_an_array_is_packed_exactly_into_the_smallest_kind(values, kind):
    packed = pack(values)
    back = np.frombuffer(base64.b64decode(packed["data"]), f"<{kind}")
    assert packed["kind"] == kind and np.array_equal(back.astype(float), np.array(values, float))


def test_a_preset_rebuilds_the_form():
    form = real_schur([[0.5, 0.9, 0.3], [-0.4, 0.5, 0.2], [0.0, 0.0, -0.7]])
    (given, *_) = data_of(page.schur({"mine": form}))["presets"]
    rebuilt, at = np.zeros((3, 3)), 0
    for mode in given["modes"]:
        cos, sin = (mode["value"] * f(mode.get("angle", 0)) for f in (np.cos, np.sin))
        stretch = mode.get("stretch", 1)
        size = 1 + ("angle" in mode)
        block = np.array([[cos, sin * stretch], [-sin / stretch, cos]])[:size, :size]
        rebuilt[at : at + size, at : at + size] = block
        at += size
    for i, j, value in given["couplings"]:
        rebuilt[i, j] += value
    assert np.allclose(rebuilt, form.T, atol=1e-9)
    # rounding noise is no coupling
    turn = np.linalg.qr(np.arange(9.0).reshape(3, 3) + np.eye(3))[0]
    W = turn @ np.array([[0.9, 0.5, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 0.3]]) @ turn.T
    (given, *_) = data_of(page.schur({"turned": W}))["presets"]
    assert [[i, j, abs(v)] for i, j, v in given["couplings"]] == [[0, 1, pytest.approx(0.5)]]


# ---- html
def test_nothing_in_the_data_can_close_the_script():
    name = "</script><script>alert(1)</script><!--"
    one = page.ablation([page.Case(name, small(), random_trials())], draws=1)
    assert one.html.count("</script>") == 2 and "<script>alert" not in one.html
    assert data_of(one)["tasks"][0]["name"] == name


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_is_small_has_no_id_and_asks_for_nothing(kind):
    code = script(kind, KINDS[kind])
    assert len(code) < 40_000
    assert not re.search(
        r"\b(fetch|XMLHttpRequest|import|eval|innerHTML|getElementById|localStorage)\b", code
    )
    # a name, not an address
    assert set(re.findall(r"https?://[^\"'` ]+", code)) == {"http://www.w3.org/2000/svg"}
    assert "</" not in code and not re.search(r"[{ ]id: ", code)


def test_the_still_picture_says_the_numbers():
    one = page.ablation([page.Case("a task", small(6), random_trials())], draws=2)
    assert "without CR" in one.text and one.text in one.html.replace("&#x27;", "'")
    assert '<img alt="' in one.html and one._repr_html_() == one.html


def test_a_document_forbids_every_request():
    document = page.schur().document("a < b")
    assert "default-src 'none'" in document and "<title>a &lt; b</title>" in document


# ---- refusals
def ablation(rnn=None, trials=None, metric="fvu", **kwargs):
    case = page.Case("task", rnn or small(), trials or random_trials(), metric)
    page.ablation([case], **kwargs)


FEATURES = "needs tanh or relu, one leak for all units, no D, c or psi"
test_what_a_page_cannot_show_is_refused = messages(
    (nb.explorer, None, "a-name", "text", "a page of schurkit.explorer.page; got None"),
    (nb.explorer, None, "A name", "text", "lower-case words joined by '-'"),
    (nb.explorer, None, "a-name", " ", "explorer a-name needs a caption"),
    (ablation, None, random_trials(inputs=1), "as the networks"),
    (page.ablation, [], "at least one Case"),
    (page.ablation, ["copy"], "at least one Case"),
    (ablation, None, None, "accuracy", "must be one of 'FVU', 'replay accuracy'; got 'accuracy'"),
    (lambda: ablation(threshold=1.5), "threshold must be between 0 and 1; got 1.5"),
    (lambda: ablation(draws=-1), "draws must be at least 0"),
    (ablation, small(leak=np.full(4, 0.5)), FEATURES),
    (ablation, random_rnn(1, 4, form="voltage", psi="identity"), FEATURES),
    (
        page.frequency,
        replace(adder(), activation="sigmoid"),
        "the activation of an explorer in a page must be one of 'tanh', 'relu'",
    ),
    (ablation, small(129), "at most 128 units; got 129"),
    (lambda: ablation(small(128, 9), draws=0), "MB to the page; the limit is 2.5 MB"),
    (
        page.schur,
        {"large": 0.1 * np.eye(7)},
        "the number of units of 'large' must be between 2 and 6; got 7",
    ),
    (page.schur, {"fast": 1.2 * np.eye(2)}, "the largest modulus of 'fast' must be at most 1.1"),
    (
        page.schur,
        {"strong": [[0.5, 6.0], [0.0, 0.4]]},
        "the largest coupling of 'strong' must be at most 5.0",
    ),
    (lambda: page.frequency(adder(), key_share=1.0), "take a smaller key_share"),
    (page.frequency, adder(hidden=129), "at most 128 units; got 129"),
    (page.frequency, adder(3), "the number of inputs p must be between 5 and 127; got 3"),
    (page.frequency, random_rnn(1, 4, 7, 7, leak=0.5), "rate form without leak"),
)
