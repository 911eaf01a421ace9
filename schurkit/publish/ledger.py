"""The ledger: every claim of the papers with its rule, the paper's value, ours, and the verdict."""

from __future__ import annotations

from pathlib import Path

from schurkit import nb
from schurkit._claims import Claim, load_claims

_MARKS = {"reproduced": "✓", "partly": "~", "not reproduced": "✗", "underpowered or not tested": "?"}


def ledger_page(notebooks: dict, chapters: dict, edition: str, claims_path: Path, kept: dict) -> str:
    """The generated part of the ledger page, in MyST markdown.

    Parameters
    ----------
    notebooks : executed notebooks by chapter; None for those that were not run.
    chapters, edition : the chapters of the book and the name of the edition.
    claims_path : its claims.yml. kept : published runs by chapter, from `schurkit.publish.published`.
    """
    known = load_claims(claims_path)
    tested = tests_of(notebooks)
    older: dict[str, list[dict]] = {}
    for name, results in kept.items():
        for told in results["claims"] if name in chapters else []:
            older.setdefault(told["id"], []).append({"chapter": name, "edition": results["provenance"]["edition"], **told})
    lines = [f"What the **{edition}** edition of this book found, claim by claim.", ""]
    lines += ["| Claim | Statement | Published run | Published value | Here | Rule |", "|:--|:--|:--|:--|:--|:--|"]
    for claim in known.values():
        told, before = tested.get(claim.id, []), older.get(claim.id, [])
        cells = (f"{{ref}}`{claim.id} <claim-{claim.id.lower()}>`", claim.statement, _verdicts(before), _values(before))
        cells += (f"{_verdicts(told)}: {_values(told)}" if told else "–", str(claim.rule))
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    lines.append("")
    for claim in known.values():
        lines += _entry(claim, tested.get(claim.id, []), older.get(claim.id, []))
    return "\n".join(lines)


def tests_of(notebooks: dict) -> dict[str, list[dict]]:
    """Every test of a claim in the executed notebooks, by claim: dicts with chapter, value, interval, n and verdict."""
    found: dict[str, list[dict]] = {}
    for name, notebook in notebooks.items():
        for told in nb.claims(notebook) if notebook is not None else []:
            found.setdefault(told["id"], []).append({"chapter": name, **told})
    return found


def mark(verdict: str) -> str:
    """A verdict with a sign in front, so that it does not hang on colour."""
    return f"{_MARKS[verdict]} {verdict}"


def _verdicts(tests: list[dict]) -> str:
    return ", ".join(dict.fromkeys(mark(test["verdict"]) for test in tests)) or "–"


def _values(tests: list[dict]) -> str:
    return "; ".join(_ours(test) for test in tests) or "–"


def _entry(claim: Claim, tests: list[dict], older: list[dict]) -> list[str]:
    lines = [f"(claim-{claim.id.lower()})=", f"## {claim.id}", "", f"**{claim.statement}**", ""]
    lines += [f"- Paper: {claim.paper} ({claim.where} of {{cite:t}}`{claim.source}`)"]
    lines += [f"- Rule, written before the published run: {claim.quantity} {claim.rule}; the value is recorded as `{claim.key}`"]
    for test in older:
        lines.append(
            f"- Published run ({test['edition']} edition), {{doc}}`../notebooks/{test['chapter']}`: {_ours(test)}: **{mark(test['verdict'])}**"
        )
    for test in tests:
        lines.append(f"- Here, {{doc}}`../notebooks/{test['chapter']}`: {_ours(test)}: **{mark(test['verdict'])}**")
    return lines + ([] if tests else ["- No chapter of this edition tests it."]) + [""]


def _ours(test: dict) -> str:
    if test["value"] is None:
        return "undefined"
    text = f"{test['value']:.4g}"
    if test["interval"]:
        text += f" [{test['interval'][0]:.4g}, {test['interval'][1]:.4g}]"
    return text if test["n"] is None else f"{text}, {test['n']} network" + ("" if test["n"] == 1 else "s")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
