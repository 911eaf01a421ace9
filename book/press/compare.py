"""Hold what was computed here against what is published: does the book still find what it says it
found?
"""

from __future__ import annotations

from pathlib import Path

from schurkit import nb
from schurkit.claims import Claim, ours

from .build import build_command, plan_build
from .chapters import read_json
from .check import Finding
from .published import BASE, agrees, measured
from .verdicts import explained


def compare(root: Path, edition: str = BASE) -> list[Finding]:
    """A problem for each claim whose run here and published run disagree
    (`schurkit_press.published.agrees`), or of which one is missing.

    A note for each chapter: how many of its recorded numbers are equal to the last digit, which on
    the same machine is all of them.

    Parameters
    ----------
    root : the book's folder.
    edition : the one that was run here.
    """
    plan, found = plan_build(root, edition), []
    known, kept = plan.book.claims, plan.book.published

    def add(what, is_problem=True):
        found.append(Finding(name, what, is_problem))

    for job in plan.jobs:
        name = job.chapter.name
        if name not in kept:
            continue
        if not job.cached:
            command = build_command(edition)
            add(f"not run here in the {edition} edition: '{command}' runs it")
            continue
        notebook = read_json(job.output)
        live = {test["id"]: test for test in nb.claims(notebook)}
        older = {test["id"]: test for test in kept[name]["claims"]}
        for id in sorted({*live, *older}, key=list(known).index):
            if id not in live or id not in older:
                add(f"{id} is tested {'in the published run' if id in older else 'here'} alone")
                continue
            tests = claim, now, before = known[id], live[id], older[id]
            if (measured(now) or measured(before)) and not agrees(*tests):
                add(f"{id}: published {_told(claim, before)}, here {_told(claim, now)}")
        records, before = nb.records(notebook), kept[name]["records"]
        same = sum(key in records and records[key] == value for key, value in before.items())
        equal = f"{same} of {len(before)} recorded numbers are those of the published run"
        add(equal, is_problem=False)
    return found


def _told(claim: Claim, test: dict) -> str:
    return f"{ours(test)} ({explained(claim, test)})" if measured(test) else "undefined"
