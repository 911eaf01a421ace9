"""Chapters run on other subjects and values, and read as a reader would: prose with its numbers
filled in, captions, tables, alternative texts.
"""

from __future__ import annotations

import copy
import json
import os
import re
import sys
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from schurkit import nb
from schurkit_press.one_page import filled
from schurkit_press.run import kernel_environment

ROOT = Path(__file__).resolve().parents[2]
ROLE = re.compile(r"\{glue:text\}`([^`:]+)(?::([^`]*))?`")
NOUNS = (
    "network|unit|draw|trial|step|order|bit|symbol|channel|lag|row|task|sector|cue|sign|sequence|"
    "state"
)
FALSE = (
    (re.compile(r"\bnan\b|(?<![\w`])None\b|\binf\b"), "an undefined number"),
    (
        re.compile(
            r"(?<![\d.,])(?<!to )1 ((?:[a-z]+ed|random|other|tanh|relu|stable|output) )?"
            rf"({NOUNS})s\b"
        ),
        "a plural of one",
    ),
    (
        re.compile(
            r"(?<![\w.])(?:[02-9]|[1-9]\d+) (network|unit|draw|trial|bit|symbol|order)\b(?! ?[-–(])"
        ),
        "a singular of several",
    ),
    (re.compile(r"\b(?:raises|lowers|rises|falls)\b[^.;]*? by 0(?![.\d])"), "a change by 0"),
    (re.compile(r"\S \*\*(?=\s|$)"), "bold that does not end"),
    (re.compile(r"\{glue:text\}"), "a number that nobody recorded"),
)


def chapter(name: str, subject: str | None = None) -> dict:
    """A chapter as it stands in the repository; with `subject`, the code that replaces its subject
    cell.
    """
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    if subject is not None:
        (cell,) = [
            cell for cell in notebook["cells"] if "subject" in cell["metadata"].get("tags", [])
        ]
        cell["source"] = subject
    return notebook


def run(notebook: dict, folder: Path, parameters: dict | None = None) -> dict:
    """Execute it as papermill does, in this process, which has imported, compiled and found its
    fonts already; raises what a cell raises.
    """
    path = folder / "begun.ipynb"
    nbformat.write(nbformat.reads(json.dumps(notebook), as_version=4), path)
    begun = parameterize_notebook(load_notebook_node(str(path)), parameters or {})
    done = json.loads(nbformat.writes(begun))
    kept = dict(os.environ)
    os.environ.update(kernel_environment(ROOT, 1) | {"SCHURKIT_STORE": str(folder / "store")})
    try:
        with chdir(ROOT / "notebooks"), patch.object(nb, "picture", drawn):
            return executed(done)
    finally:
        os.environ.clear()
        os.environ.update(kept)


def executed(notebook: dict) -> dict:
    """The notebook with what its cells say in this process."""
    done, shell = copy.deepcopy(notebook), InteractiveShell.instance()
    try:
        for cell in done["cells"]:
            if cell["cell_type"] == "code":
                with capture_output() as said:
                    result = shell.run_cell("".join(cell["source"]), store_history=True)
                cell["outputs"] = outputs_of(said)
                result.raise_error()
    finally:
        InteractiveShell.clear_instance()
        files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
        for name in [name for name, file in files.items() if file and not Path(file).exists()]:
            del sys.modules[name]  # a chapter wrote it to a folder that is gone
    return done


def drawn(figure) -> dict:
    """In place of a picture: the figure is laid out and drawn once, and not written."""
    figure.draw_without_rendering()
    return {"image/png": ""}


def outputs_of(said) -> list[dict]:
    """What a cell said, as a notebook keeps it."""
    shown = [{"data": one.data, "metadata": one.metadata or {}} for one in said.outputs]
    streams = {"stdout": said.stdout, "stderr": said.stderr}
    return [{"output_type": "display_data"} | one for one in shown] + [
        {"output_type": "stream", "name": name, "text": text, "metadata": {}}
        for name, text in streams.items()
        if text
    ]


def texts(notebook: dict, own_subject: bool = False) -> list[str]:
    """All that a reader reads: prose with its numbers (published ones as this run's), captions,
    alternative texts, tables, claims.

    With an `own_subject` the paragraphs on the book's own task, whose numbers this subject does not
    have, are the adapter's to rewrite and left out.
    """
    records, found = {}, []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            said = output.get("metadata", {}).get("schurkit", {})
            if said.get("kind") == "record":
                records[said["key"]] = said["value"]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            prose = re.sub(r"```python.*?```", "", "".join(cell["source"]), flags=re.DOTALL)
            for paragraph in prose.split("\n\n"):
                known = all(
                    records.get(role[1].removeprefix("published.")) is not None
                    for role in ROLE.finditer(paragraph)
                )
                if known or not own_subject:
                    found.append(filled(paragraph, records))
        for output in cell.get("outputs", []):
            said = output.get("metadata", {}).get("schurkit", {})
            if said.get("kind") in ("figure", "table", "claim"):
                found += [
                    said.get("caption", ""),
                    said.get("alt", ""),
                    "".join(output["data"].get("text/markdown", "")),
                ]
    return [text for text in found if text]


def false_sentences(notebook: dict, own_subject: bool = False) -> list[str]:
    """What cannot be true whatever was measured, with why; a warning on the page counts too."""
    read = texts(notebook, own_subject)
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    warned = [
        f"a warning: {''.join(output['text'])}"
        for output in outputs
        if output.get("name") == "stderr"
    ]
    return warned + [
        f"{why}: …{text[max(0, at.start() - 60) : at.end() + 40]}…"
        for text in read
        for sign, why in FALSE
        if (at := sign.search(text))
    ]
