"""The status page: how each chapter of this copy of the book was run."""

from __future__ import annotations

from pathlib import Path


def status_page(notebooks: dict, chapters: dict, edition: str, claims_path: Path, kept: dict) -> str:
    """The generated part of the status page, in MyST markdown.

    Parameters
    ----------
    notebooks : executed notebooks by chapter; None for those that were not run.
    chapters, edition : the chapters of the book and the name of the edition.
    claims_path : not used here. kept : published runs by chapter, from `schurkit.publish.published`.
    """
    runs = {name: notebook["metadata"].get("schurkit", {}).get("run") for name, notebook in notebooks.items() if notebook is not None}
    runs = {name: run for name, run in runs.items() if run}
    lines = [f"This copy is the **{edition}** edition.", ""]
    if runs:
        lines += ["| Chapter | Parameters changed | Networks | Training (core-s) | Run (s) | Date | Commit |", "|:--|:--|--:|--:|--:|:--|:--|"]
        lines += [_row(name, run) for name, run in runs.items()] + [""]
        lines += _versions(runs)
    missing = [name for name in chapters if name not in runs]
    if missing:
        lines += ["", ":::{warning}", "Shown without results, since this copy did not run them: " + ", ".join(missing) + ".", ":::"]
    if kept:
        lines += ["", "## Published runs", "", "Larger runs whose results are kept in `book/data/` and shown beside what this copy computed.", ""]
        lines += ["| Chapter | Command | Parameters changed | Networks | Training (core-s) | Run (s) | Date | Commit | Device |"]
        lines += ["|:--|:--|:--|--:|--:|--:|:--|:--|:--|"]
        lines += [_published_row(name, results["provenance"]) for name, results in kept.items() if name in chapters]
    return "\n".join(lines)


def _published_row(name: str, run: dict) -> str:
    head, changed, rest = _row(name, run)[2:].split(" | ", 2)
    return f"| {head} | `{run['command']}` | {changed} | {rest[:-2]} | {run['device']} |"


def _row(name: str, run: dict) -> str:
    changed = ", ".join(f"`{key} = {value!r}`" for key, value in run["changed"].items()) or "none"
    training = run.get("training") or {}
    spent = (str(training.get("networks", "–")), f"{training['core_seconds']:.0f}" if training else "–", f"{run['seconds']:.0f}")
    cells = (f"{{doc}}`../notebooks/{name}`", changed.replace("|", "\\|"), *spent, run["date"], f"`{run['commit'] or 'unknown'}`")
    return "| " + " | ".join(cells) + " |"


def _versions(runs: dict) -> list[str]:
    """Versions and devices; one line each where every chapter agrees, a line a chapter otherwise."""
    lines = []
    for title, text in (
        ("Versions", lambda run: ", ".join(f"{package} {version}" for package, version in run["versions"].items())),
        ("Device", lambda run: run["device"]),
    ):
        said = {name: text(run) for name, run in runs.items()}
        if len(set(said.values())) == 1:
            lines.append(f"- {title}: {next(iter(said.values()))}")
        else:
            lines += [f"- {title} ({name}): {words}" for name, words in said.items()]
    return [*lines, "- A `+` after a commit: files differed from it."]
