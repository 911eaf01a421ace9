"""What a chapter tells the book: numbers, claims, figures and tables.

Everything goes through IPython's display alone, so a kernel needs neither Sphinx nor Jupyter Book,
and everything can be read back from the executed notebook: `records` and `claims` return what a
chapter recorded. The output metadata carry the values under the key ``"schurkit"``; the pages read
``{glue:text}`` numbers, figures with captions and computed alternative text, and tables.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from dataclasses import asdict, is_dataclass
from pathlib import Path

from .checks import InputError
from .claims import (
    Claim,
    NoClaimsError,
    claim_line,
    load_claims,
    ours,
    parts,
    plain,
    recorded,
)
from .words import cell, html_table, markdown_table, numeric, plural

RECORD_MIME = "application/papermill.record/text/plain"
SVG_LIMIT = 600_000  # bytes; a larger drawing is sent as a picture instead
CSV_LIMIT = 2_000_000  # bytes; it travels inside the notebook
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def record(*named, **values) -> None:
    """Record numbers (or texts) under names, for the prose, the ledger and sweeps: ``record(n=20,
    radius=1.2)``.

    In a page, the role ``glue:text`` with the text ``radius:.3f`` shows it; from Python, `records`
    of the executed notebook returns the value itself.

    Parameters
    ----------
    named : where the program makes the name: ``record(f"radius_{kind}", 1.2)``; letters, digits,
        ``_``, ``.`` and ``-``, unique in the chapter.
    values : name by name, a number, text, truth value, None, or a flat list or one-axis array of
        these; NaN and infinities are undefined (None).
    """
    if len(named) not in (0, 2):
        raise InputError(f"record takes a name and its value, or name=value; got {named!r}.")
    for name, one in [named] * bool(named) + list(values.items()):
        if not isinstance(name, str) or not _KEY.fullmatch(name):
            raise InputError(
                "record needs a key of letters, digits, '_', '.' or '-' that starts with a "
                f"letter; got {name!r}."
            )
        value = plain(one, f"record({name!r}, …)")
        _publish(*glued(name, value), kind="record", key=name, value=value)


def claim(
    id: str,
    value,
    interval=None,
    n: int | None = None,
    figure: str | None = None,
    beyond: dict | None = None,
) -> None:
    """Hold our value against a claim of book/claims.yml: show both in one line, and record the
    value under the claim's key.

    What is recorded is value, interval, n and figure, and no verdict: pages derive it from these,
    the rule and the parameters of the run (`schurkit_press.verdicts`), so that it follows a rule
    that is changed. A claim never raises for what came out.

    Parameters
    ----------
    id : the claim, e.g. ``"S2"``.
    value : our number; None or NaN when it is undefined. A `schurkit.metrics.Interval` brings its
        interval and n along. A claim about several tasks takes a dict of these, one a task:
        ``claim("D5", {"flip_flop": interval(a), "sine": interval(b)})``.
    interval : (low, high) over networks, if there are enough of them.
    n : number of networks.
    figure : name of the figure or table of this chapter that carries the claim, for the ledger; by
        default the nearest one above.
    beyond : the claim's controls, each with the excess of the effect over it in the direction of
        the claim, as an `Interval` over networks: ``{"permuted": interval(cost -
        cost_of_control)}``. The ledger says whether it lies above 0.

    Raises
    ------
    InputError : unknown id, or arguments that are not numbers.
    """
    try:
        entry = _claim_named(id)
    except NoClaimsError:  # the chapter alone, on Colab for example: it goes on without verdicts
        text = f"{id}: ours {value}; the rule is in book/claims.yml of the book, which is not here."
        _publish({"text/plain": text}, kind="no claims", id=id)
        return
    told = recorded(id, value, interval, n, beyond)
    if figure is not None:
        _check_name(figure, "figure")
        told["figure"] = figure
    texts = {"text/markdown": claim_line(entry, told), "text/plain": f"{id}: {ours(told)}"}
    _publish(texts, kind="claim", id=id, **told)
    values = [part["value"] for part in parts(told).values()]
    record(entry.key, values if "each" in told else values[0])


def check_parameters() -> None:
    """In a chapter's first code cell: InputError for a parameter, given to papermill or typed, that
    its parameters cell does not know or allow; `schurkit run` says the same before it starts.
    """
    from importlib import import_module
    from importlib.util import find_spec

    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell and find_spec("schurkit_press"):  # by its name alone: the helper stands without it
        import_module("schurkit_press.parameters").check_cells(shell.user_ns.get("In", []))
    text = "schurkit run CHAPTER --html makes one page in which the prose has its numbers."
    live = f'<p class="schurkit-live">{text}</p>'
    _publish({"text/html": live, "text/plain": text}, kind="note", name="prose", data=False)


def published(name: str, by: str = "removed", value: str = "delta") -> None:
    """Say which table of this chapter its published run is held against, in the strip that a page
    has under its title.

    The strip says how many networks stand there and here, and how many of this run's values lie
    within the range of the published networks; with other parameters than those of the published
    run it says so instead. A chapter that names no table has its first one of removals.

    Parameters
    ----------
    name : of a figure or table of this chapter with a CSV file of one row a network and group.
    by : the column of groups.
    value : the column of values. Rows whose column ``kind`` is not "removal" are passed over.
    """
    _check_name(name, "figure")
    text = "In the book the published run of this chapter stands under its title."
    _publish({"text/plain": text}, kind="published", name=name, by=by, value=value)


def show(figure, name: str, caption: str, alt: str | None = None, data=None) -> None:
    """Show a view, or a matplotlib figure, with its caption, alternative text and the numbers
    behind it, then close it.

    Parameters
    ----------
    figure : a `schurkit.views.View`, which brings its alternative text and its numbers, or a
        matplotlib Figure.
    name : lower-case words joined by ``-``; pages refer to it as ``{numref}`name```.
    caption : what is shown, n, what the spread is, and what to take away (MyST markdown).
    alt : the same for a reader who does not see it; compute its numbers.
    data : the drawn numbers, as a DataFrame or a list of dataclass rows or dicts: linked below the
        figure as a CSV file.
    """
    if hasattr(figure, "alt"):
        figure, alt, data = figure.figure, alt or figure.alt, figure.data if data is None else data
    caption = _captioned("figure", name, caption)
    alt = _text("figure", name, "an alternative text", alt)
    if not hasattr(figure, "savefig"):
        raise InputError(
            f"show needs a matplotlib figure; got {type(figure).__name__}. Did you pass the axes? "
            "Use ax.figure."
        )
    mystnb = {"image": {"alt": alt}, "figure": {"name": name, "caption": caption}}
    link = None if data is None else _csv_link(name, "figure", _frame(data, f"figure {name}"))
    # the second for Jupyter's dark themes: the picture is drawn dark on nothing
    about = {"mystnb": mystnb, "needs_background": "light"}
    shown = {**picture(figure), "text/plain": f"Figure {name}: {alt}"}
    _publish(shown, about, kind="figure", name=name, alt=alt, caption=caption)
    _close(figure)
    _note(name, caption, link)


def table(rows, name: str, caption: str, formats: dict[str, str] | None = None) -> None:
    """Show rows as a table with a caption and the CSV file behind it.

    Parameters
    ----------
    rows : a DataFrame, or a list of dataclass rows or dicts. A named index becomes the first
        column.
    name, caption : as for `show`.
    formats : format specification per column, e.g. ``{"accuracy": ".3f", "seconds": ".0f"}``.
        Undefined values are shown as "–".
    """
    caption = _captioned("table", name, caption)
    frame = _frame(rows, f"table {name}")
    unknown = [column for column in formats or {} if column not in frame.columns]
    if unknown:
        raise InputError(
            f"table {name} has no column {unknown[0]!r}; it has "
            f"{', '.join(map(str, frame.columns))}."
        )
    cells = [
        [cell(value, (formats or {}).get(column)) for column, value in zip(frame.columns, row)]
        for row in frame.itertuples(index=False)
    ]
    right = [
        frame[column].dtype.kind in "fiu" or numeric(words)
        for column, words in zip(frame.columns, zip(*cells))
    ]
    link = _csv_link(name, "table", frame)
    texts = {
        "text/html": html_table(frame.columns, cells, right),
        "text/markdown": markdown_table(frame.columns, cells, right, name, caption),
        "text/plain": frame.to_string(index=False),
    }
    _publish(texts, kind="table", name=name, caption=caption)
    _note(name, caption, link)


def explorer(page, name: str, caption: str) -> None:
    """Show an explorer that runs in the published page, with its caption.

    Parameters
    ----------
    page : from `schurkit.explorer.page`, with `html` and `text`.
    name, caption : as for `show`; the caption is plain text.
    """
    caption = _captioned("explorer", name, caption)
    if not hasattr(page, "html") or not hasattr(page, "text"):
        raise InputError(
            f"explorer needs a page of schurkit.explorer.page; got {type(page).__name__}."
        )
    below = f'<p class="ske-caption">{html.escape(caption)}</p>'
    texts = {"text/html": f"{page.html}\n{below}", "text/plain": f"Explorer {name}: {page.text}"}
    _publish(texts, kind="explorer", name=name, caption=caption)


def records(notebook) -> dict:
    """What an executed notebook recorded, as ``{key: value}``: numbers come back as numbers.

    Parameters
    ----------
    notebook : path of an .ipynb file, or its content as a dict.
    """
    return {output["key"]: output["value"] for output in _told(notebook, "record")}


def claims(notebook) -> list[dict]:
    """What an executed notebook says on claims: dicts with id, value, interval, n, and figure,
    `each` and `beyond` where they were given.

    `values` holds the parameters of the run, where the notebook tells them;
    `schurkit_press.verdicts` derives the verdicts.
    """
    run = _content(notebook).get("metadata", {}).get("schurkit", {}).get("run", {})
    return [
        told | ({"values": run["values"]} if "values" in run else {})
        for told in _told(notebook, "claim")
    ]


def glued(key: str, value) -> tuple[dict, dict]:
    """Data and metadata of an output that gives the role ``glue:text`` a recorded value by that
    key.
    """
    text = "nan" if value is None else repr(value)  # 'nan' still takes a number format in the prose
    return {RECORD_MIME: text}, {
        "scrapbook": {"name": key, "mime_prefix": "application/papermill.record/"}
    }


# ------------------------------------------------------------------------------------- reading back
def _content(notebook) -> dict:
    if hasattr(notebook, "keys"):
        return notebook
    try:
        return json.loads(Path(notebook).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{notebook} cannot be read as a notebook: {error}") from error


def _told(notebook, kind: str) -> list[dict]:
    found = []
    for one in _content(notebook).get("cells", []):
        for output in one.get("outputs", []):
            said = output.get("metadata", {}).get("schurkit", {})
            if said.get("kind") == kind:
                found.append({key: value for key, value in said.items() if key != "kind"})
    return found


# ------------------------------------------------------------------------------------------ showing
def _publish(data: dict, metadata: dict | None = None, /, **said) -> None:
    """Display one output whose metadata carry what was said; outside IPython print its text."""
    from IPython.core.interactiveshell import InteractiveShell

    if InteractiveShell.initialized():
        from IPython.display import display

        display(data, raw=True, metadata={**(metadata or {}), "schurkit": said})
    elif "text/plain" in data:
        print(data["text/plain"])


def _note(name: str, caption: str, link: str | None) -> None:
    """Below a figure or table: the caption for a live session (hidden on the page, which has its
    own) and the link to the numbers.
    """
    live = f'<p class="schurkit-live">{html.escape(caption)}</p>'
    text = caption if link is None else f"{caption} [CSV behind {name}]"
    page = f'<div class="schurkit-note">{live}{link or ""}</div>'
    _publish({"text/html": page, "text/plain": text}, kind="note", name=name, data=link is not None)


def _csv_link(name: str, what: str, frame) -> str:
    csv = frame.to_csv(index=False, lineterminator="\n").encode()
    if len(csv) > CSV_LIMIT:
        size, limit = len(csv) / 1e6, CSV_LIMIT / 1e6
        raise InputError(
            f"{name}: the numbers behind it take {size:.1f} MB as CSV; the limit is {limit:.0f} "
            "MB. Pass summary rows."
        )
    address = "data:text/csv;base64," + base64.b64encode(csv).decode()
    rows = plural(len(frame), "row")
    return (
        f'<p class="schurkit-data"><a download="{name}.csv" href="{address}">Numbers behind this '
        f"{what} ({name}.csv, {rows})</a></p>"
    )


def picture(figure) -> dict:
    """The figure as SVG, or as a PNG of twice the resolution where an SVG would be too large."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "schurkit"}):
        drawn = _saved(figure, format="svg", metadata={"Date": None, "Creator": None})
    if len(drawn) <= SVG_LIMIT:
        return {"image/svg+xml": drawn.decode()}
    drawn = _saved(figure, format="png", dpi=192, metadata={"Software": None})
    return {"image/png": base64.b64encode(drawn).decode()}


def _saved(figure, **options) -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, facecolor="none", bbox_inches="tight", **options)
    return drawn.getvalue()


def _close(figure) -> None:
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(figure)


# ----------------------------------------------------------------------------------------- checking
def _claim_named(id) -> Claim:
    known = load_claims()
    if id not in known:
        raise InputError(
            f"there is no claim {id!r} in book/claims.yml; it lists {', '.join(known)}."
        )
    return known[id]


def _captioned(what: str, name, caption) -> str:
    """The caption on one line, after checking it and the name."""
    _check_name(name, what)
    return _text(what, name, "a caption", caption)


def _text(what: str, name: str, needed: str, text) -> str:
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{what} {name} needs {needed}; got {text!r}.")
    return " ".join(text.split())


def _check_name(name, what: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"a {what} needs a name of lower-case words joined by '-', e.g. 'copy-replay'; got "
            f"{name!r}."
        )


def _frame(rows, where: str):
    import pandas as pd

    if isinstance(rows, pd.DataFrame):
        return rows.reset_index() if any(name is not None for name in rows.index.names) else rows
    known = isinstance(rows, (list, tuple)) and all(
        isinstance(row, dict) or is_dataclass(type(row)) for row in rows
    )
    if not known or not rows:
        raise InputError(
            f"{where} needs a DataFrame or a non-empty list of dataclass rows or dicts."
        )
    return pd.DataFrame([row if isinstance(row, dict) else asdict(row) for row in rows])
