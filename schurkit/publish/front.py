"""The first page: what the published runs found, in sentences and one figure, all of it computed from book/data."""

from __future__ import annotations

import csv
from pathlib import Path

from schurkit._claims import OTHER, VERDICTS, marked, verdicts
from schurkit.ablation import NEARLY_EMPTY
from schurkit.publish import panels
from schurkit.publish.book import Book
from schurkit.publish.panels import Axis, Row
from schurkit.publish.published import strongest

SECTORS = ("RR", "CR", "CC")
PICTURE = Path("book/assets/profiles.svg")
COSTS = Axis("rise of FVU (dashed: as bad as the mean target)", (0, 0.01, 0.1, 1, 10), linear=0.01, mark=1)
FALLS = Axis("fall of replay accuracy (dashed: to chance)", (0, 0.1, 0.2, 0.3, 0.4, 0.5), mark=0.5)
TASKS = {"flip_flop": ("Flip-flop", "flip-flop"), "sine": ("Sine wave", "sine"), "context_integration": ("Integration in context", "integration")}


def findings(book: Book) -> str:
    """What the book found, as MyST markdown; what has no published run is left out."""
    kept, drawn = book.published, profiles(book)
    if not drawn:
        return ":::{note}\nThis copy holds no published runs.\n:::"
    caption = (
        "<strong>Four tasks, the same three parts.</strong> Each dot is one trained network after one group of couplings was set to zero, nothing "
        "refitted. Grey squares: the control, a random change of the couplings of the same size. Bars: means. ∅: networks in which the group holds "
        "no coupling, so that there is nothing to remove; dashed: it holds less than 1 % of the norm, and a small cost says little."
    )
    shown = "".join(panels.svg(content, label) for content, label in drawn)
    lines = ["```{raw} html", f'<figure class="schurkit-front">{shown}<figcaption>{caption}</figcaption></figure>', "```", ""]
    sentences = [_copy(kept), _suite(kept), _addition(kept)]
    lines += ["## What the book found", "", *(f"- {sentence}" for sentence in sentences if sentence)]
    return "\n".join([*lines, *_papers(book), "", _scope(kept)])


def profiles(book: Book) -> list[tuple[str, str]]:
    """Panels of the figure, each with its description: the Schur form, then a task each for which a published run is there."""
    root, kept = book.root, book.published
    drawn = [(panels.schur_form(), "The Schur form: modes on the diagonal, above it the couplings RR, CR and CC.")]
    if "copy_task" in kept:
        mine = sector_rows(root, "copy_task", "copy", -1)
        drawn.append((panels.profile(f"Copy a sequence (n = {_most(mine)})", mine, FALLS), _words("Copy task, fall of replay accuracy", mine)))
    for chapter, (title, prefix) in TASKS.items():
        if chapter in kept:
            mine = sector_rows(root, chapter, prefix)
            drawn.append((panels.profile(f"{title} (n = {_most(mine)})", mine, COSTS), _words(f"{title}, rise of FVU", mine)))
    return drawn if len(drawn) > 1 else []


def picture(book: Book) -> str:
    """The figure as one file, for places that show no page: the README."""
    drawn = profiles(book)
    return panels.picture([content for content, _ in drawn], 3, " ".join(label for _, label in drawn))


def table(root: Path, chapter: str, name: str) -> list[dict]:
    """Rows of a published CSV file."""
    with (root / "book" / "data" / chapter / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sector_rows(root: Path, chapter: str, prefix: str, sign: int = 1) -> list[Row]:
    """What removal and main control of each sector cost: one number a network, the mean over the draws of the control.

    Networks in which a sector is empty are counted and have no cost; those in which it is nearly empty are marked.
    """
    controls = table(root, chapter, f"{prefix}-controls")
    weighed = controls if "removed_mass" in controls[0] else table(root, chapter, f"{prefix}-profile")
    masses = {(row["removed"], row["network"]): float(row["removed_mass"]) for row in weighed}
    found = []
    for sector in SECTORS:
        costs: dict[str, dict[str, list[float]]] = {"removal": {}, "block-upper": {}}
        for row in controls:
            if row["removed"] == sector and row["kind"] in costs and masses[sector, row["network"]] > 0:
                costs[row["kind"]].setdefault(row["network"], []).append(sign * float(row["delta"]))
        means = {kind: [_mean(draws) for draws in networks.values()] for kind, networks in costs.items()}
        nearly = [i for i, network in enumerate(costs["removal"]) if masses[sector, network] < NEARLY_EMPTY]
        empty = sum(name == sector and mass == 0 for (name, _), mass in masses.items())
        found.append(Row(sector, means["removal"], means["block-upper"], nearly, empty))
    return found


def _most(rows: list[Row]) -> int:
    return max(len(row.values) + row.empty for row in rows)


def _mean(values) -> float:
    return sum(values) / len(values)


def _words(what: str, rows: list[Row]) -> str:
    told = [f"without {row.name} {_mean(row.values):.2g}, under a random change of equal size {_mean(row.control):.2g}" for row in rows if row.values]
    told += [f"{row.name} is empty in {row.empty}, left out" for row in rows if row.empty]
    told += [f"{row.name} holds less than 1 % of the norm in {len(row.nearly)}" for row in rows if row.nearly]
    return f"{what}, mean over {_most(rows)} networks: {'; '.join(told)}."


# ---------------------------------------------------------------------------------------------------------------- sentences
def _copy(kept: dict) -> str:
    told = kept.get("copy_task", {}).get("records", {})
    needed = {f"{what}_{sector}" for what in ("accuracy", "answer") for sector in SECTORS}
    if not needed | {"accuracy_none", "n_converged"} <= set(told):
        return ""
    title = "{doc}`Replaying a sequence <../notebooks/copy_task>`"
    values = ", ".join(f"{told[f'accuracy_{sector}']:.3g} without {sector}" for sector in SECTORS)
    controls = ", ".join(f"{sector} {told[f'answer_{sector}']}".replace("-", "−") for sector in SECTORS)
    accuracy = f"accuracy {told['accuracy_none']:.3g} with the whole network, {values} (n = {told['n_converged']})"
    beside = f"Accuracy after the removal minus that after a random change of the couplings of equal size: {controls}."
    harsh = "That control is harsh here ({doc}`why <../notebooks/schur_coordinates>`): to do less harm is a weak test."
    inside = told.get("answer_CR_permuted")
    shuffled = f" Beside a change that shuffles the entries of CR in place, removing CR is {inside}.".replace("-", "−") if inside else ""
    return f"**{title}**: {accuracy}. {beside} {harsh}{shuffled}"


def _suite(kept: dict) -> str:
    told = kept.get("across_tasks", {}).get("records", {})
    if not {f"{task}_{sector}" for task in TASKS for sector in SECTORS} <= set(told):
        return ""
    costs = {task: ", ".join(f"{sector} {told[f'{task}_{sector}']:.2g}" for sector in SECTORS) for task in TASKS}
    words = "; ".join(f"{title.lower()} {costs[task]}" for task, (title, _) in TASKS.items())
    worst = min(max(told[f"{task}_{sector}"] for task in TASKS) for sector in SECTORS)
    title = "{doc}`Is any group safe in every task? <../notebooks/across_tasks>`"
    return f"**{title}** Each has a task in which its removal raises FVU by at least {worst:.2g} (mean rise of FVU: {words})."


def _addition(kept: dict) -> str:
    told = {test["id"]: test["value"] for test in kept.get("modular_addition", {}).get("claims", [])}
    if not all(told.get(id) is not None for id in ("M1", "M4", "M5")):
        return ""
    title = "{doc}`A network that adds modulo a prime <../notebooks/modular_addition>`"
    waves = f"waves of its key frequencies explain {100 * told['M1']:.0f} % of the variance of its outputs"
    return f"**{title}**: {waves}. Accuracy is {told['M4']:.2f} with one of them taken out and {told['M5']:.2f} with two left."


def _papers(book: Book) -> list[str]:
    """A line a paper: how many of its claims have which verdict, and those that did not hold in full."""
    known = book.claims
    told = [test for results in book.published.values() for test in strongest(results) if test["id"] in known]
    lines = []
    for source in dict.fromkeys(claim.source for claim in known.values()):
        mine = [test for test in told if known[test["id"]].source == source]
        counts = {word: [test for test in mine if word in verdicts(known[test["id"]], test).values()] for word in (*VERDICTS, OTHER)}
        if not mine:
            continue
        numbers = ", ".join(f"{len(tests)} {word}" for word, tests in counts.items() if tests)
        failed = [test for word in ("partly", "not reproduced") for test in counts[word]]
        lines.append(f"- **Claims of {{cite:t}}`{source}`**: {numbers} ({{doc}}`ledger`)." + (" Those that did not hold in full:" if failed else ""))
        for test in failed:
            claim = known[test["id"]]
            lines.append(f"  - {{ref}}`{claim.id} <claim-{claim.id.lower()}>` {marked(claim, test)}: {claim.statement}")
    return lines


def _scope(kept: dict) -> str:
    runs = [one["provenance"] for results in kept.values() for one in (results, *results.get("larger", []))]
    dates = sorted({run["date"] for run in runs})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(run["command"].split(" -p ")[0] for run in runs))
    return f"These numbers come from the published runs ({commands}, {when}); chapters show beside them what this copy computed: {{doc}}`status`."


def write_picture(book: Book) -> Path | None:
    """Draw the picture again from book/data, after something was published; None where there is nothing to draw."""
    if not profiles(book):
        return None
    (book.root / PICTURE).write_text(picture(book), encoding="utf-8")
    return book.root / PICTURE
