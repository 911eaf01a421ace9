"""The HTML of an explorer: a still picture and a sentence for everyone, the data, and the script
that brings it to life.
"""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from schurkit.checks import InputError

LARGEST = 2_500_000  # bytes in a page
MOST_UNITS = 128
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, eq=False, repr=False)
class Page:
    """An explorer for a page.

    kind : "ablation", "schur", "frequency", "wheel", "latches" or "integral".
    html : a self-contained piece of HTML; several may stand on one page.
    text : one sentence for where no HTML is shown.
    """

    kind: str
    html: str
    text: str

    def __repr__(self) -> str:
        return f"Page({self.kind}, {len(self.html) / 1000:.0f} kB)"

    def _repr_html_(self):
        return self.html

    def document(self, title: str) -> str:
        """A whole HTML file around the explorer, with a policy that forbids every request."""
        head = (
            f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta '
            'name="color-scheme" content="light dark">'
            f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title>'
            "<style>body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: "
            "60rem; padding: 0.75rem; }</style>"
        )
        body = f"<main><h1>{html.escape(title)}</h1>\n{self.html}\n</main>"
        return (
            "<!doctype html>\n<html "
            f'lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'
        )


def page(kind: str, parts: tuple[str, ...], data: dict, still: str | None, text: str) -> Page:
    """Put an explorer together.

    Parameters
    ----------
    kind : name of its script.
    parts : further scripts that it uses.
    data : what goes into the page as JSON.
    still : the picture in base64, or None.
    text : what the picture says.
    """
    # nothing in it can close the script
    given = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    alt = html.escape(text, quote=True)
    fits = 'style="height: auto; max-width: 100%"'  # also where no script brings the styles
    image = f'<img alt="{alt}" {fits} src="data:image/png;base64,{still}">'
    drawn = image if still is not None else ""
    content = (
        f'<div class="ske" data-kind="{kind}">\n'
        f'<div class="ske-still">{drawn}<p>{html.escape(text)}</p></div>\n'
        f'<script type="application/json">{given}</script>\n</div>\n'
        f"<script>\n{script(kind, parts)}</script>"
    )
    if len(content) > LARGEST:
        size, limit = len(content) / 1e6, LARGEST / 1e6
        raise InputError(
            f"the explorer would add {size:.1f} MB to the page; the limit is {limit:.1f} MB. Take "
            "fewer networks or trials."
        )
    return Page(kind, content, text)


@cache
def script(kind: str, parts: tuple[str, ...] = ()) -> str:
    """The script of a kind: one function, so that it leaves no name behind on the page."""
    names = ("core.js", *(f"{part}.js" for part in parts), f"{kind}.js")
    body = "".join(_squeezed(_source(name)) for name in names)
    style = json.dumps(re.sub(r"\s+", " ", _source("explorer.css")))
    return f'(() => {{\n"use strict";\nconst STYLE = {style};\n{body}}})();\n'


def _source(name):
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _squeezed(code):
    """Without indentation and lines that only comment; the repository has the readable text."""
    lines = [line.strip() for line in code.splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def small(rnn) -> None:
    """InputError for more units than a page takes."""
    if rnn.hidden_size > MOST_UNITS:
        raise InputError(
            f"an explorer in a page takes networks of at most {MOST_UNITS} units; got "
            f"{rnn.hidden_size}. Use schurkit.explore in a notebook."
        )


def pack(array) -> dict:
    """An array for the page, exactly: base64 of int8, float32 or float64, whichever is the smallest
    that holds it.
    """
    array = np.ascontiguousarray(array, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        kinds = {kind: array.astype(f"<{kind}") for kind in ("i1", "f4", "f8")}
    kind = next(
        kind for kind, small in kinds.items() if np.array_equal(small.astype(np.float64), array)
    )
    return {"kind": kind, "data": base64.b64encode(kinds[kind].tobytes()).decode()}
