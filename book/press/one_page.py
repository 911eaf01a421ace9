"""One executed notebook as one HTML file that asks for nothing: styles and pictures inside it, no
script, and a policy that forbids any request.

Only what schurkit's own functions display is shown as HTML; prose is rendered as markdown without
raw HTML, links to pictures or addresses. A chapter's prose has its numbers filled in.
"""

import base64
import html
import re
from importlib import resources
from itertools import groupby

from schurkit import nb

from .chapters import cell_text, outputs

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action "
    "'none'"
)
_LINK = re.compile(r'<p class="schurkit-data">.*?</p>', re.DOTALL)


def one_page(notebook: dict, title: str) -> str:
    """The page of an executed notebook whose outputs come from `schurkit.nb` and
    `schurkit.own.report`.

    Parameters
    ----------
    notebook : as read from an .ipynb file.
    title : of the window; escaped here.
    """
    from markdown_it import MarkdownIt

    raw = ["link", "image", "autolink", "reference", "html_inline", "html_block"]
    prose = MarkdownIt("commonmark", {"html": False}).enable("table").disable(raw)
    parts = [_cell(cell, prose) for cell in notebook["cells"]]
    style = resources.files("schurkit_press").joinpath("one_page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<link rel="icon" href="data:,">\n<title>{html.escape(title)}</title>\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


_NUMBER = re.compile(r"\{glue:text\}`([^`:]+)(?::([^`]*))?`")
_ROLE = re.compile(r"\{([a-z:]+)\}`(?:([^`<]+?) <[^`>]+>|([^`]+))`")
_LABEL = re.compile(r"^\([\w-]+\)=\n", re.M)
_ADMONITION = re.compile(r"^```\{admonition\} ([^\n]*)\n((?::[^\n]*\n)*)(.*?)^```$", re.M | re.S)


def filled(prose: str, records: dict) -> str:
    """Prose with the numbers that the run recorded, in place of the published ones too; a role that
    nobody recorded stays.
    """

    def number(role) -> str:
        key, spec = role[1].removeprefix("published."), role[2]
        if key not in records:
            return role[0]
        value = records[key]
        if value is None and spec is not None:
            return "undefined"
        text = str(value) if spec is None else format(value, spec)
        return text.replace("-", "−") if spec and text.startswith("-") else text

    return _NUMBER.sub(number, prose)


def sources(bibliography) -> dict[str, tuple[str, str]]:
    """By key, who wrote what a BibTeX file lists, and the year."""
    from pybtex.database import parse_file

    found = {}
    for key, entry in parse_file(bibliography).entries.items():
        first, *others = (" ".join(map(str, p.rich_last_names)) for p in entry.persons["author"])
        beside = f" and {others[0]}" if len(others) == 1 else " et al." * bool(others)
        found[key] = first + beside, entry.fields["year"]
    return found


def chapter_page(notebook: dict, title: str, cited: dict | None = None) -> str:
    """The page of an executed chapter: its prose with the numbers of the run, and other roles as
    their words.

    Parameters
    ----------
    notebook, title : as of `one_page`.
    cited : what the prose can cite, from `sources`.
    """
    records = nb.records(notebook)

    def said(role) -> str:
        name, text, target = role.groups()
        if name.startswith("cite"):
            who, year = (cited or {}).get(target, (target, "n.d."))
            return f"{who} ({year})" if name == "cite:t" else f"({who}, {year})"
        return text or target.rpartition("/")[2]

    def words(cell: dict) -> dict:
        if cell["cell_type"] != "markdown":
            return cell
        text = _ROLE.sub(said, filled(cell_text(cell), records))
        return cell | {"source": _LABEL.sub("", _ADMONITION.sub(_quoted, text))}

    return one_page(notebook | {"cells": [words(cell) for cell in notebook["cells"]]}, title)


def _quoted(admonition) -> str:
    lines = [f"**{admonition[1]}**", "", *admonition[3].strip().splitlines()]
    return "\n".join(f"> {line}" for line in lines)


def _cell(cell: dict, prose) -> str:
    text = cell_text(cell)
    if cell["cell_type"] == "markdown":
        return prose.render(text).strip()
    shown = "".join(_outputs(cell, prose))
    label = "Parameters" if "parameters" in cell["metadata"].get("tags", []) else "Code"
    code = (
        f'<details class="code"><summary>{label}</summary><pre '
        f'tabindex="0"><code>{html.escape(text)}</code></pre></details>'
    )
    return f"{shown}\n{code}"


def _outputs(cell: dict, prose):
    """HTML of a cell's outputs; figures that follow one another stand side by side where there is
    room.
    """
    of_cell = {"cells": [cell]}
    notes = outputs(of_cell, "note")
    links = {said["name"]: _LINK.findall("".join(o["data"]["text/html"])) for o, said in notes}
    shown = [
        (said.get("kind") == "figure", _shown(output, said, links, prose))
        for output, said in outputs(of_cell)
        if said.get("kind") not in ("note", "report")
    ]
    for figures, parts in groupby(shown, lambda one: one[0]):
        text = "".join(part for _, part in parts)
        yield f'<div class="figures">{text}</div>' if figures else text


def _shown(output: dict, said: dict, links: dict, prose) -> str:
    data = {mime: "".join(text) for mime, text in output.get("data", {}).items()}
    match said.get("kind"):
        case "figure":
            return _figure(data, said, "".join(links.get(said["name"], ())), prose)
        case "table":
            return _table(data["text/html"], said, prose)
        case "said":
            return data["text/html"]
        case "claim":
            return prose.render(_ROLE.sub(r"\2\3", data["text/markdown"]))
        case "explorer":
            return f"<p>{html.escape(said['caption'])} (The explorer runs in the book.)</p>"
    if output["output_type"] == "stream":
        return f'<pre tabindex="0">{html.escape("".join(output["text"]))}</pre>'
    return ""


def _figure(data: dict, said: dict, link: str, prose) -> str:
    if drawn := data.get("image/svg+xml"):
        source = "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
        width = re.search(r'<svg[^>]*\swidth="([\d.]+)pt"', drawn)
    else:
        source, width = "data:image/png;base64," + data["image/png"].replace("\n", ""), None
    # 96 pixels and 72 points an inch
    size = f' style="width: {float(width[1]) * 4 / 3:.0f}px"' if width else ""
    alt = html.escape(" ".join(said["alt"].split()))
    return (
        f'<figure{size}><img src="{source}" '
        f'alt="{alt}"><figcaption>{prose.renderInline(said["caption"])}{link}</figcaption></figure>'
    )


def _table(body: str, said: dict, prose) -> str:
    caption = f"<caption>{prose.renderInline(said['caption'])}</caption>"
    body = body.replace("<th ", '<th scope="col" ').replace("<thead>", f"{caption}<thead>", 1)
    name = html.escape(said["name"].replace("-", " "))
    return f'<div class="table" role="region" aria-label="Table: {name}" tabindex="0">{body}</div>'
