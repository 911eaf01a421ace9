"""Good and bad readings of ablation profiles, on published results: each panel beside what it does not say and what it does."""

from __future__ import annotations

from pathlib import Path

from schurkit.publish import panels
from schurkit.publish.book import Book
from schurkit.publish.front import COSTS, FALLS, TASKS, sector_rows, table
from schurkit.publish.panels import Row


def readings(book: Book) -> str:
    """The examples of the page on reading profiles, in MyST markdown; a task without a published run is left out.

    An example whose premise does not hold in the published numbers is left out too.
    """
    root = book.root
    there = [name for name in _READINGS if name in book.published]
    if not there:
        return ":::{note}\nThis copy holds no published runs.\n:::"
    lines = []
    for name in there:
        rows, axis, title = _profile(root, name)
        label = f"{title}: " + "; ".join(
            f"{row.name} {panels.fmean(row.values):.2g}, control {panels.fmean(row.control):.2g}" for row in rows if row.values
        )
        told = _READINGS[name](root, {row.name: row for row in rows})
        if told is None:
            continue
        question, bad, good = told
        drawn = panels.svg(panels.profile(f"{title} (n = {len(rows[0].values) + rows[0].empty})", rows, axis), label)
        lines += [f"## {question}", "", ":::::{div} schurkit-reading", "```{raw} html", drawn, "```", "::::{div}"]
        lines += [f"**Bad reading.** {bad}", "", f"**Good reading.** {good}", "::::", ":::::", ""]
    return "\n".join(lines)


def _profile(root: Path, name: str):
    prefix, title, axis, sign = ("copy", "Copy a sequence", FALLS, -1) if name == "copy_task" else (TASKS[name][1], TASKS[name][0], COSTS, 1)
    return sector_rows(root, name, prefix, sign), axis, title


def _sine(root: Path, rows: dict[str, Row]):
    cost, control = panels.fmean(rows["CC"].values), panels.fmean(rows["CC"].control)
    above = sum(mine > other for mine, other in zip(rows["CC"].values, rows["CC"].control))
    if cost < 2 * control or 2 * above < len(rows["CC"].values):
        return None
    return (
        "Is it these couplings, or any change of their size?",
        f"“Removing CC raises FVU by {cost:.2g}, so CC does the task.” A change of that size may break a network wherever it is made.",
        f"A random change of the couplings of the same norm raises it by {control:.2g}. In {above} of {len(rows['CC'].values)} networks the removal "
        "costs more than the control: the loss is in these couplings, over and above their size. Without the control the first number says little.",
    )


def _copy(root: Path, rows: dict[str, Row]):
    cost, control = panels.fmean(rows["CR"].values), panels.fmean(rows["CR"].control)
    if abs(cost - control) > 0.25 * cost:
        return None
    return (
        "How does a large cost compare with its control?",
        f"“Without CR the accuracy falls by {cost:.2g}, so CR carries the sequence.”",
        f"A random change as large as CR costs {control:.2g}. The network needs its couplings to stay near where they are at that size; "
        "that CR in particular is needed does not follow from this figure.",
    )


def _flip_flop(root: Path, rows: dict[str, Row]):
    mass = {"RR": [], "CR": []}
    for row in table(root, "flip_flop", "flip-flop-profile"):
        if row["removed"] in mass and float(row["removed_mass"]) > 0:
            mass[row["removed"]].append(float(row["removed_mass"]))
    if not all(mass.values()) or panels.fmean(mass["RR"]) > 0.02:
        return None
    share = f"RR holds {100 * panels.fmean(mass['RR']):.1f} % of the norm of T, CR {100 * panels.fmean(mass['CR']):.0f} %."
    return (
        "How much was there to remove?",
        f"“Removing RR costs {panels.fmean(rows['RR'].values):.1g}: the task does not need the couplings among slow modes.”",
        f"{share} There was hardly anything to take away, and the control of that size costs {panels.fmean(rows['RR'].control):.1g}. "
        "Where a removal takes next to no mass its cost is next to nothing, whatever the task. Read a cost together with the removed mass.",
    )


def _integration(root: Path, rows: dict[str, Row]):
    values = sorted(rows["CC"].values)
    past = sum(value > 1 for value in values)
    if values[0] <= 0 or values[-1] < 10 * values[0]:
        return None
    return (
        "Do the networks agree?",
        f"“Removing CC costs {panels.fmean(values):.2g}.”",
        f"The cost lies between {values[0]:.2g} and {values[-1]:.2g}: networks that solve the task equally well differ by a factor of "
        f"{values[-1] / values[0]:.0f}. Say so, and show the dots. Beyond the dashed line, which {past} of {len(values)} networks pass, the output "
        "is worse than a constant: how far beyond says how wild the output is, and not how much more of the task is lost.",
    )


_READINGS = {"sine": _sine, "copy_task": _copy, "flip_flop": _flip_flop, "context_integration": _integration}
