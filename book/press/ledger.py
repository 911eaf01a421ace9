"""The ledger: every claim of the papers with its rule, the paper's value, ours, the verdicts that
follow, and the figure that carries it.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from schurkit import nb
from schurkit.checks import InputError
from schurkit.claims import Claim, beyond, ours

from .book import Book
from .chapters import outputs
from .published import BASE, editions_of, strongest
from .tables import table
from .verdicts import OTHER, VERDICTS, differing, explained, marked, verdicts

NOT_RUN = "not run"
_HEADS = "Claim|Statement, and the rule|Paper|Published run|This copy|Beyond its control|Shown in"
# Only this page has the script; without it the table stands as it is
_SCRIPT = '```{raw} html\n<script src="../_static/ledger.js" defer></script>\n```'


def ledger_page(book: Book) -> str:
    """The generated part of the ledger page, in MyST markdown."""
    known, tested = book.claims, tests_of(book.notebooks)
    best, older = defaultdict(list), defaultdict(list)
    for name, results in book.published.items():
        for test in strongest(results):
            best[test["id"]].append({"chapter": name, **test})
        for one in editions_of(results):
            run = {"chapter": name, "edition": one["provenance"]["edition"]}
            for test in one["claims"]:
                older[test["id"]].append(run | test)
    rows = (_row(claim, tested[id], best[id]) for id, claim in known.items())
    lines = [
        f"**Published runs:** {_count(known, best)} **This copy**, the {book.edition} edition: "
        f"{_count(known, tested)}",
        "",
        *table(_HEADS, rows, "schurkit-ledger"),
        _SCRIPT,
        "",
    ]
    for id, claim in known.items():
        lines += _entry(claim, tested[id], older[id])
    return "\n".join(lines)


def tests_of(notebooks: dict) -> dict[str, list[dict]]:
    """Every test of a claim in the executed notebooks, by claim: what `schurkit.nb.claims` tells,
    with chapter and figure.

    The figure is the one that the chapter names, else the nearest figure or table above the test,
    else None.

    Raises
    ------
    InputError : a chapter names a figure that it does not show.
    """
    found = defaultdict(list)
    for name, notebook in notebooks.items():
        if notebook is None:
            continue
        told = [said for _, said in outputs(notebook)]
        shown = [said["name"] for said in told if said.get("kind") in ("figure", "table")]
        tests, nearest = iter(nb.claims(notebook)), None
        for said in told:
            if said.get("kind") in ("figure", "table"):
                nearest = said["name"]
            elif said.get("kind") == "claim":
                figure = said.get("figure", nearest)
                if figure not in (None, *shown):
                    raise InputError(
                        f"{name}: claim {said['id']} names the figure {figure!r}; the chapter "
                        f"shows {', '.join(shown) or 'none'}."
                    )
                found[said["id"]].append({"chapter": name, **next(tests), "figure": figure})
    return found


def counted(known: dict[str, Claim], tests: dict[str, list[dict]]) -> Counter:
    """How many claims have each verdict; a claim with several counts once for each, one without a
    test counts as not run.
    """
    told = (
        {word for test in tests.get(id, []) for word in verdicts(claim, test).values()}
        for id, claim in known.items()
    )
    return Counter(word for words in told for word in words or {NOT_RUN})


def _count(known: dict, tests: dict[str, list[dict]]) -> str:
    numbers = counted(known, tests)
    words = [word for word in (*VERDICTS, OTHER, NOT_RUN) if numbers[word]]
    return ", ".join(f"{numbers[word]} {word}" for word in words) + "."


def _row(claim: Claim, tests: list[dict], older: list[dict]) -> list[str]:
    chapters = dict.fromkeys(test["chapter"] for test in [*tests, *older])
    figures = dict.fromkeys(test["figure"] for test in tests if test["figure"])
    places = [f"[{{doc}}`../notebooks/{name}`]{{.ledger-chapter}}" for name in chapters]
    cells = [
        f"{{ref}}`{claim.id} <claim-{claim.id.lower()}>`",
        f"{claim.statement} [Rule: {claim.quantity} {claim.rule}.]{{.ledger-small}}",
        f"[{{cite:t}}`{claim.source}`]{{.ledger-paper}} [{claim.paper}]{{.ledger-small}}",
        _verdicts(claim, older, "published"),
        _verdicts(claim, tests, "live"),
        " ".join(dict.fromkeys(beyond(test) for test in older or tests)) or "–",
        " ".join([*(f"{{numref}}`{figure}`" for figure in figures), *places]) or "–",
    ]
    return cells


def _verdicts(claim: Claim, tests: list[dict], run: str) -> str:
    """Each verdict as a badge with the values below it."""
    if not tests:
        return f"[{NOT_RUN}]{{.ledger-verdict .{run}}}"
    return " ".join(dict.fromkeys(_badge(claim, test, run) for test in tests))


def _badge(claim: Claim, test: dict, run: str) -> str:
    which = f" ({test['edition']} edition)" if test.get("edition", BASE) != BASE else ""
    words = set(verdicts(claim, test).values())
    kind = f" .{words.pop().replace(' ', '-')}" if len(words) == 1 else ""
    told = "; ".join([f"{ours(test)}{which}", *differing(claim, test)])
    return f"[{marked(claim, test)}]{{.ledger-verdict .{run}{kind}}} [{told}]{{.ledger-small}}"


def _entry(claim: Claim, tests: list[dict], older: list[dict]) -> list[str]:
    lines = [
        f"(claim-{claim.id.lower()})=",
        f"## {claim.id}",
        "",
        f"**{claim.statement}**",
        "",
        f"- Paper: {claim.paper} ({claim.where} of {{cite:t}}`{claim.source}`)",
        f"- Rule, written before the published run: {claim.quantity} {claim.rule}; the value is "
        f"recorded as `{claim.key}`",
    ]
    for test in older:
        run = f"Published run ({test['edition']} edition), {{doc}}`../notebooks/{test['chapter']}`"
        lines.append(f"- {run}: {_outcome(claim, test)}")
    for test in tests:
        shown = f", {{numref}}`{test['figure']}`" if test["figure"] else ""
        run = f"Here, {{doc}}`../notebooks/{test['chapter']}`{shown}"
        lines.append(f"- {run}: {_outcome(claim, test)}")
    return lines + ([] if tests else ["- No chapter of this edition tests it."]) + [""]


def _outcome(claim: Claim, test: dict) -> str:
    return f"{ours(test)}: **{explained(claim, test)}**; beyond its control: {beyond(test)}"
