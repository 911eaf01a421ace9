"""One executed notebook as one HTML file that asks for nothing: styles and pictures inside it, no
script, and a policy that forbids any request.

Only what schurkit's own functions display is shown as HTML; prose is rendered as markdown without
raw HTML, links to pictures or addresses. A chapter's prose has its numbers filled in.
"""

from __future__ import annotations

import base64
import html
import re
from importlib import resources

from schurkit import nb

from .chapters import cell_text

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
    prose = _parser()
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
_ROLE = re.compile(r"\{[a-z:]+\}`(?:([^`<]+?) <[^`>]+>|([^`]+))`")
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


def chapter_page(notebook: dict, title: str) -> str:
    """The page of an executed chapter: its prose with the numbers of the run, and other roles as
    their words.
    """
    records = nb.records(notebook)

    def words(cell: dict) -> dict:
        if cell["cell_type"] != "markdown":
            return cell
        text = _ROLE.sub(lambda role: role[1] or role[2], filled(cell_text(cell), records))
        return cell | {"source": _ADMONITION.sub(_quoted, text)}

    return one_page(notebook | {"cells": [words(cell) for cell in notebook["cells"]]}, title)


def _quoted(admonition) -> str:
    lines = [f"**{admonition[1]}**", "", *admonition[3].strip().splitlines()]
    return "\n".join(f"> {line}" for line in lines)


def _parser():
    """Markdown to HTML, without raw HTML, links and images."""
    from markdown_it import MarkdownIt

    raw = ["link", "image", "autolink", "reference", "html_inline", "html_block"]
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(raw)


def _cell(cell: dict, prose) -> str:
    text = cell_text(cell)
    if cell["cell_type"] == "markdown":
        return prose.render(text).strip()
    shown = "".join(_outputs(cell["outputs"], prose))
    label = "Parameters" if "parameters" in cell["metadata"].get("tags", []) else "Code"
    code = (
        f'<details class="code"><summary>{label}</summary><pre '
        f'tabindex="0"><code>{html.escape(text)}</code></pre></details>'
    )
    return f"{shown}\n{code}"


def _outputs(outputs: list[dict], prose):
    """HTML of a cell's outputs; figures that follow one another stand side by side where there is
    room.
    """
    links = {
        o["metadata"]["schurkit"]["name"]: o for o in outputs if _told(o).get("kind") == "note"
    }
    figures: list[str] = []
    for output in outputs:
        told = _told(output)
        kind = told.get("kind")
        if kind == "figure":
            figures.append(_figure(output, _link(links.get(told["name"])), prose))
            continue
        if kind in ("note", "report"):
            continue
        if figures:
            yield _row(figures)
            figures = []
        if kind == "table":
            yield _table(output, prose)
        elif kind == "said":
            yield "".join(output["data"]["text/html"])
        elif kind == "claim":
            yield prose.render(_ROLE.sub(r"\1\2", "".join(output["data"]["text/markdown"])))
        elif kind == "explorer":
            yield f"<p>{html.escape(told['caption'])} (The explorer runs in the book.)</p>"
        elif output["output_type"] == "stream":
            yield f'<pre tabindex="0">{html.escape("".join(output["text"]))}</pre>'
    if figures:
        yield _row(figures)


def _row(figures: list[str]) -> str:
    return f'<div class="figures">{"".join(figures)}</div>'


def _told(output: dict) -> dict:
    return output.get("metadata", {}).get("schurkit", {})


def _link(note: dict | None) -> str:
    match = _LINK.search("".join(note["data"]["text/html"])) if note else None
    return match.group() if match else ""


def _figure(output: dict, link: str, prose) -> str:
    told, data = _told(output), output["data"]
    if "image/svg+xml" in data:
        drawn = "".join(data["image/svg+xml"])
        source = "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
        width = re.search(r'<svg[^>]*\swidth="([\d.]+)pt"', drawn)
    else:
        source, width = (
            "data:image/png;base64," + "".join(data["image/png"]).replace("\n", ""),
            None,
        )
    # 96 pixels and 72 points an inch
    size = f' style="width: {float(width[1]) * 4 / 3:.0f}px"' if width else ""
    alt = html.escape(" ".join(told["alt"].split()))
    return (
        f'<figure{size}><img src="{source}" '
        f'alt="{alt}"><figcaption>{prose.renderInline(told["caption"])}{link}</figcaption></figure>'
    )


def _table(output: dict, prose) -> str:
    told = _told(output)
    body = "".join(output["data"]["text/html"]).replace("<th ", '<th scope="col" ')
    caption = f"<caption>{prose.renderInline(told['caption'])}</caption>"
    body = body.replace("<thead>", f"{caption}<thead>", 1)
    name = html.escape(told["name"].replace("-", " "))
    return f'<div class="table" role="region" aria-label="Table: {name}" tabindex="0">{body}</div>'
