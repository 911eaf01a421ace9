"""The ledger: every claim of the papers with its rule, the paper's value, ours, the verdicts that
follow, and the figure that carries it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from html import escape
from itertools import chain

from schurkit import nb
from schurkit.checks import InputError
from schurkit.claims import Claim, beyond, ours

from .book import BASE, Book, editions_of, strongest
from .chapters import outputs
from .verdicts import MARKS, OTHER, VERDICTS, explained, marked, verdicts

NOT_RUN = "not run"
LEVELS = {"loss": "behaviour", "change": "features", "alignment": "features"}
# Only this page has the script; without it every entry stands
_SCRIPT = '```{raw} html\n<script src="../_static/ledger.js" defer></script>\n```'


def ledger_page(book: Book) -> str:
    """The generated part of the ledger page, in MyST markdown."""
    known, tested = book.claims, tests_of(book.notebooks)
    best = _by_claim(map(strongest, book.published.values()))
    every = map(editions_of, book.published.values())
    older = _by_claim(one["claims"] for editions in every for one in editions)
    here = _count(known, tested).replace("not tested", "with too few networks for a verdict")
    lines = [
        f"**Published runs:** {_count(known, best)} **This copy**, the {book.edition} edition: "
        f"{here}",
        "",
        "::::{div} schurkit-strips",
        *(
            f"{{cite:t}}`{source}`{level and f', {level}'} {squares}\n"
            for (source, level), squares in strips(book, named=True).items()
        ),
        "::::",
        _SCRIPT,
        "",
    ]
    for id, claim in known.items():
        lines += _entry(claim, tested[id], older[id], best[id])
    return "\n".join(lines)


def _by_claim(runs: Iterable[list[dict]]) -> dict[str, list[dict]]:
    """The tests of several runs by the id of their claim."""
    found = defaultdict(list)
    for test in chain(*runs):
        found[test["id"]].append(test)
    return found


def strips(book: Book, named: bool = False) -> dict[tuple[str, str], str]:
    """By paper, and where `named` by level, the published verdicts as squares, each linked to its
    entry: a claim about k tasks has k narrow ones.

    named : with the claim's id, for the ledger's own page; else its link leads there.
    """
    rows, best = defaultdict(list), _by_claim(map(strongest, book.published.values()))
    for claim in book.claims.values():
        level = claim.key.rpartition("_")[2] if claim.key.startswith("knobs_") and named else ""
        words = [word for test in best[claim.id] for word in verdicts(claim, test).items()]
        each = len(words) > 1
        for task, word in words or [("", NOT_RUN)]:
            kind = f"square {word.replace(' ', '-')}{' narrow' * each}"
            said = "no verdict" if word == "not tested" else word
            about = escape(f"{claim.statement} {task and f'{task}: '}{said}")
            mark = f"{claim.id} {MARKS.get(word, '')}" if named else MARKS.get(word, "")
            place = f"{'' if named else 'ledger.html'}#claim-{claim.id.lower()}"
            rows[claim.source, LEVELS.get(level, level)].append(
                f'<a class="{kind}" href="{place}" title="{about}" aria-label="{about}">{mark}</a>'
            )
    return {row: " ".join(squares) for row, squares in rows.items()}


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
        shown = [said["name"] for _, said in outputs(notebook, "figure", "table")]
        tests, nearest = iter(nb.claims(notebook)), None
        for _, said in outputs(notebook, "figure", "table", "claim"):
            if said["kind"] != "claim":
                nearest = said["name"]
            else:
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
    words = (word for word in (*VERDICTS, OTHER, NOT_RUN) if numbers[word])
    return ", ".join(f"{numbers[word]} {word}" for word in words) + "."


def _entry(claim: Claim, tests: list[dict], older: list[dict], best: list[dict]) -> list[str]:
    badges = {}
    for test in best or tests:
        words = dict.fromkeys(verdicts(claim, test).values())
        kinds = "".join(f" .{word.replace(' ', '-')}" for word in words)
        badges[f"[{marked(claim, test)}]{{.ledger-verdict{kinds}}} "] = None
    chapters = dict.fromkeys(test["chapter"] for test in [*tests, *older])
    figures = dict.fromkeys(test["figure"] for test in tests if test["figure"])
    shown = [f"[{{doc}}`../notebooks/{name}`]{{.ledger-chapter}}" for name in chapters]
    shown += [f"{{numref}}`{figure}`" for figure in figures]
    where = ", ".join(shown) or "no chapter of this edition tests it"
    lines = [
        f"(claim-{claim.id.lower()})=",
        f"## {claim.id}",
        "",
        f"{''.join(badges)}**{claim.statement}** ({where})",
        "",
        ":::{div} ledger-small",
    ]
    for test in older:
        which = f", {test['edition']} edition" if test["edition"] != BASE else ""
        lines.append(f"- Published{which}: {_outcome(claim, test)}")
    for test in tests:
        lines.append(f"- Here: {_outcome(claim, test)}")
    lines += [
        f"- Rule: {claim.quantity} {claim.rule}. Recorded as `{claim.key}`",
        f"- Paper: {claim.paper} ([{{cite:t}}`{claim.source}`]{{.ledger-paper}}, {claim.where})",
    ]
    return [*lines, ":::", ""]


def _outcome(claim: Claim, test: dict) -> str:
    asked = "" if (told := beyond(test))[:9] == "not asked" else f"; beyond its control: {told}"
    return f"{ours(test)}: {explained(claim, test)}{asked}"
