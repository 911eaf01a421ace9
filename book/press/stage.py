"""Stage the book: its pages, with the runs of one edition in place of its notebooks, in one
folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .book import Book
from .chapters import read_yaml, toc_entries

STAGE = Path("_build/stage")


def stage(book: Book) -> Path:
    """Write the staged book and return its folder."""
    import yaml

    root, target = book.root, book.root / STAGE
    shutil.rmtree(target, ignore_errors=True)
    hidden = shutil.ignore_patterns(".*", "__pycache__", "press")
    shutil.copytree(root / "book", target / "book", ignore=hidden)
    shutil.copy(root / "_toc.yml", target / "_toc.yml")
    config = read_yaml(root / "_config.yml")
    shown = {name: bool(path) for name, path in book.executed.items()}
    told = {"book": str(root), "edition": book.edition, "executed": shown}
    config["sphinx"]["config"]["schurkit_staged"] = told
    (target / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    runs = {book.chapters[name].path: path for name, path in book.executed.items()}
    for entry in toc_entries(root):
        for file in (root / f"{entry}{ending}" for ending in (".md", ".rst", ".ipynb")):
            if file.is_file():
                place = target / file.relative_to(root)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(runs.get(file) or file, place)
    return target
