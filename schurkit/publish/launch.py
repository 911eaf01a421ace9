"""The book's public address: one setting, `repository.url` of _config.yml, decides launch buttons and what a chapter says where schurkit is missing.

While it is empty there are no buttons and nothing is invented. To turn it on: set it, run ``python -m schurkit.publish.launch``, which writes the
first code cell of every chapter anew, and commit.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from schurkit._checks import InputError
from schurkit.publish.chapters import Chapter, book_root, cell_text, chapters

EXTRAS = "schurkit[notebook,fast]"
_ADDRESS = re.compile(r"https://[a-z0-9.-]+(/[A-Za-z0-9_.-]+)+")
_BRANCH = re.compile(r"[A-Za-z0-9_./-]+")


def address(config: dict) -> tuple[str, str]:
    """Public address and branch that a _config.yml names; the address is "" while there is none.

    Raises
    ------
    InputError : an address that is not https://HOST/OWNER/NAME, or a branch that is no plain name.
    """
    given = config.get("repository") or {}
    url, branch = (given.get("url") or "", given.get("branch") or "main") if isinstance(given, dict) else (given, "")
    if url and not (isinstance(url, str) and _ADDRESS.fullmatch(url) and not url.endswith(".git")):
        raise InputError(f"_config.yml: repository.url must be https://HOST/OWNER/NAME without .git, or empty; got {url!r}.")
    if not isinstance(branch, str) or not _BRANCH.fullmatch(branch):
        raise InputError(f"_config.yml: repository.branch must be the name of a branch; got {branch!r}.")
    return url, branch


def with_launch_buttons(config: dict) -> dict:
    """The settings with launch buttons for Binder and (on GitHub) Colab and a link to the repository where it has an address; else without any."""
    url, branch = address(config)
    if not url:
        return {name: value for name, value in config.items() if name != "repository"}
    buttons = {**config.get("launch_buttons", {}), "binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"}
    if url.startswith("https://github.com/"):
        buttons["colab_url"] = "https://colab.research.google.com"
    html = {**config.get("html", {}), "use_repository_button": True}
    return {**config, "repository": {"url": url, "branch": branch, "path_to_book": ""}, "launch_buttons": buttons, "html": html}


def setup_source(url: str, branch: str = "main") -> str:
    """Source of the first code cell of every chapter: silent where schurkit is installed, else one line that says how to install it."""
    where = f"{EXTRAS} @ git+{url}@{branch}" if url else f"{EXTRAS} @ file:///path/to/a/clone/or/wheel"
    return (
        "from importlib.util import find_spec\n\n"
        'if not all(map(find_spec, ("schurkit", "matplotlib", "yaml"))):\n'
        "    raise ImportError(\n"
        f"        'This chapter needs schurkit. Run this in a cell, then this one again:  %pip install \"{where}\"'\n"
        "    )"
    )


def setup_cell(source: str) -> dict:
    """That source as a cell, which pages leave out."""
    lines = source.splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "id": "setup", "metadata": {"tags": ["remove-cell"]}, "outputs": [], "source": lines}


def setup_of(chapter: Chapter) -> dict | None:
    """The chapter's first code cell if it is a setup cell."""
    first = next((cell for cell in chapter.source["cells"] if cell["cell_type"] == "code"), {})
    return first if first.get("id") == "setup" else None


def write_setup(root: Path) -> list[str]:
    """Write the setup cell of every chapter as the address says; returns the names of the chapters that changed."""
    import yaml

    source = setup_source(*address(yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))))
    changed = []
    for chapter in chapters(root).values():
        content, old = chapter.source, setup_of(chapter)
        if old is not None and cell_text(old) == source:
            continue
        cells = [cell for cell in content["cells"] if cell is not old]
        place = next((k for k, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
        content["cells"] = [*cells[:place], setup_cell(source), *cells[place:]]
        chapter.path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        changed.append(chapter.name)
    return changed


if __name__ == "__main__":
    try:
        print(*(f"{name}: setup cell written" for name in write_setup(book_root())), sep="\n")
    except InputError as problem:
        sys.exit(f"launch: {problem}")
