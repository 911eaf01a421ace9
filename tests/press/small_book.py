"""A small real book for the tests: the repository's own pages and settings around one chapter that
says everything a chapter can say.
"""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

from schurkit.claims import load_claims

REPOSITORY = Path(__file__).resolve().parents[2]

PARAMETERS = """seeds: int = 3  # how many networks
rate: float = 1e-3  # learning rate
plot: bool = True  # draw the figure
sizes: list[int] = [2, 4]  # hidden sizes
start: Literal["orthogonal", "dense"] = "orthogonal"  # construction
title: str = "small # book"  # over the figure"""

DRAW = """import matplotlib.pyplot as plt
from schurkit.nb import claim, record, show, table
plt.style.use("schurkit.views.schurkit")
figure, ax = plt.subplots(figsize=(6.4, 3.2))
rows = [{"seed": seed, "accuracy": 0.9 + seed / 100, "kind": "a|b"} for seed in range(seeds)]
for size in sizes:
    accuracies = [row["accuracy"] / size for row in rows]
    ax.plot([row["seed"] for row in rows], accuracies, marker="o", label=f"{size} units")
ax.set(xlabel="seed", ylabel="replay accuracy", title=title)
ax.legend()
caption = "Accuracy for each seed; $n = 3$ networks, no spread. Takeaway: it rises."
show(figure, "small-figure", caption, f"Line that rises from {rows[0]['accuracy']:.2f}.", rows)"""

TABLE = (
    """table(rows, "small-table", "The same numbers as a table.", formats={"accuracy": ".2f"})"""
)

RECORD = """import numpy as np
record("mean_accuracy", np.float32(0.5))
record("networks", seeds)
record("undefined", float("nan"))
claim("S2", 0.61, interval=(0.6, 0.62), n=12)
claim("S1", 0.004, n=seeds)"""

PROSE = """(small-prose)=
See {numref}`small-figure` and {numref}`small-table`. The mean accuracy is
{glue:text}`mean_accuracy:.3f` over {glue:text}`networks` networks ({glue:text}`undefined:.2f`)."""


def cases(table):
    """The cases of a table of lines "given → expected"; an indented line goes on with the last."""
    lines = re.sub(r"\n +", " ", table.strip()).splitlines()
    return [[part.strip() for part in line.split("→")] for line in lines]


def a_book(**parts):
    """What pages read of a `schurkit_press.book.Book`: the repository's folder and claims, nothing
    run or published, or the given parts.
    """
    book = SimpleNamespace(
        root=REPOSITORY, edition="quick", chapters={}, published={}, notebooks={}
    )
    book.claims = load_claims(REPOSITORY / "book" / "claims.yml")
    vars(book).update(parts)
    return book


def cell(source, tags=(), kind="code"):
    """A cell of a clean notebook."""
    common = {
        "cell_type": kind,
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "id": f"c{abs(hash(source)) % 10**8}",
    }
    return common | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def notebook(*cells):
    """A clean notebook of these cells."""
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def network_cells(seeds, rate="1e-3"):
    """Imports, and the cell of networks: tiny ones with these seeds and learning rate (code)."""
    recipe = f"Recipe(hidden_size=6, phases=(Phase(2, {rate}),), batch_size=4)"
    return [
        cell("from schurkit.tasks import Copy\nfrom schurkit.training import Phase, Recipe, Study"),
        cell(f"studies = [Study(Copy(2, 2, 4), {recipe}, {seeds})]", ["networks"]),
    ]


def small_chapter(trains=False, **changes):
    """The chapter `small`, with some of its cells replaced; `trains`: with a cell of networks."""
    source = {
        "parameters": PARAMETERS,
        "draw": DRAW,
        "table": TABLE,
        "record": RECORD,
        "prose": PROSE,
    } | changes
    return notebook(
        cell("# Does a small book stand?", kind="markdown"),
        cell("from typing import Literal"),
        cell(source["parameters"], tags=["parameters"]),
        *(network_cells("range(seeds)", "rate") if trains else ()),
        cell(source["draw"]),
        cell(source["table"]),
        cell(source["record"]),
        cell(source["prose"], kind="markdown"),
    )


def write_book(
    root: Path, chapters: dict, editions: str = "quick:\n  purpose: for tests\n"
) -> Path:
    """Write a book of these chapters, with the repository's pages and settings, and return its
    folder.
    """
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        REPOSITORY / "book", root / "book", ignore=shutil.ignore_patterns("__pycache__")
    )
    claims = root / "book" / "claims.yml"  # the chapters of these books have other parameters
    claims.write_text(
        re.sub(r"(?m)^  conditions: .*", "  conditions: {}", claims.read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    shutil.copy(REPOSITORY / "_config.yml", root / "_config.yml")
    names = "method reading_profiles recipes ledger glossary status references"
    parts = {"Chapters": [f"notebooks/{name}" for name in chapters]}
    parts["Back matter"] = [f"book/{name}" for name in names.split()]
    toc = "format: jb-book\nroot: book/introduction\nparts:\n"
    for caption, files in parts.items():
        toc += f"- caption: {caption}\n  chapters:\n" + "".join(f"  - file: {f}\n" for f in files)
    (root / "_toc.yml").write_text(toc)
    introduction = root / "book" / "introduction.md"
    first = next(iter(chapters))
    introduction.write_text(
        re.sub(r"notebooks/\w+(?=[`>])", f"notebooks/{first}", introduction.read_text())
    )
    (root / "book" / "editions.yml").write_text(editions)
    (root / "notebooks").mkdir()
    for name, content in chapters.items():
        (root / "notebooks" / f"{name}.ipynb").write_text(json.dumps(content))
    return root
