"""A report in words. The sentences stand in sentences.txt; here they are chosen, and their numbers
filled in.

How a removal reads is decided by the permuted and the matched control together
(`schurkit.ablation.READINGS`), never by one of them alone.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from schurkit.ablation import DECIDING, HARMLESS, MEANING, name_of
from schurkit.words import listed, plural, short, span

from .constraints import constraint_line
from .files import shown

FEW_TRIALS = 32
HALF = 0.5
TOLD = ("RR", "CR", "CC", "RR+CR+CC")
"""The removals that are put into sentences; the tables hold them all."""
_LINES = Path(__file__).with_name("sentences.txt").read_text(encoding="utf-8").splitlines()
_SENTENCES = dict(line.split(": ", 1) for line in _LINES if not line.startswith("#"))


def tell(name: str, /, **fields) -> str:
    """The sentence of that name in sentences.txt with its fields filled in."""
    return _SENTENCES[name].format(**fields).rstrip()


def leak_of(report: dict) -> str:
    """The leak in words: a number, or a range where every unit has its own."""
    return span(np.atleast_1d(report["leak"])) + (", one a unit" if np.ndim(report["leak"]) else "")


# ------------------------------------------------------------------------------------- the network
def facts(report: dict, weights: str = "", unused=(), details: dict | None = None) -> list[str]:
    """What was read: file, sizes, kind, what had to be assumed, what was not used; and which
    network of a stack the details are of.
    """
    said = {"activation": report["activation"], "leak": leak_of(report), "form": report["form"]}
    words = {
        name: word + (" (assumed)" if name in report["assumed"] else "")
        for name, word in said.items()
    }
    sizes = {
        "networks": plural(len(report["networks"]), "network"),
        "hidden_size": report["networks"][0]["hidden_size"],
    }
    lines = [tell("facts", weights=shown(weights) or "network", **sizes, **words)]
    if report["assumed"]:
        lines.append(
            tell("assumed", names=listed([f"{name} {said[name]}" for name in report["assumed"]]))
        )
    if details is not None and len(report["networks"]) > 1:
        lines.append(tell("details", label=shown([str(details["label"])])))
    return lines + ([tell("unused", names=shown(unused))] if unused else [])


def check_sentence(report: dict) -> str:
    """Whether the network is the reader's network."""
    checked = report["checked"]
    if checked is None:
        return tell("unchecked")
    return tell(
        "checked" if checked["agrees"] else "check failed",
        size=short(checked["max_deviation"], ".2g"),
        hint=checked["hint"],
    )


def structure(report: dict, network: dict) -> str:
    """Where R ends, and how much of the matrix are couplings."""
    norms, whole = network["norms"], np.ndim(report["leak"]) == 0 and report["leak"] == 1
    share = (norms["N"] / norms["T"]) ** 2 if norms["T"] else 0.0
    words = {
        "matrix": "W_rec" if whole else "the step matrix",
        "cut": short(network["cut"]),
        "threshold": short(report["threshold"]),
    }
    return tell(
        "structure",
        **words,
        n_leading=network["n_leading"],
        hidden_size=network["hidden_size"],
        share=short(100 * share, ".0f"),
    )


def warnings_of(report: dict, network: dict) -> list[str]:
    """What weakens everything below: a failed check, a network that does not do its task, few
    trials, a block near the cut.
    """
    lines, checked, near = (
        [],
        report["checked"],
        [network["blocks"][i][2] for i in network["near_cut"]],
    )
    if checked is not None and not checked["agrees"]:
        lines.append(tell("other network", hint=checked["hint"]))
    full = network.get("full", {}).get("fvu")
    if full is not None and full > HALF:
        lines.append(tell("poor", fvu=short(full)))
    if network.get("n_trials", FEW_TRIALS) < FEW_TRIALS:
        lines.append(tell("few trials", trials=plural(network["n_trials"], "trial")))
    if near:
        lies = "lies" if len(near) == 1 else "lie"
        lines.append(
            tell(
                "near the cut",
                blocks=plural(len(near), "block"),
                moduli=f"{span(near)} {lies}",
                cut=short(network["cut"]),
            )
        )
    return lines


def headline(report: dict, network: dict) -> list[str]:
    """The reading in a few sentences, warnings first: what to know before anything else."""
    lines = [*warnings_of(report, network), structure(report, network)]
    if "ablations" not in network:
        return [*lines, tell("no trials")]
    if network["full"]["fvu"] is None:
        return [*lines, tell("diverges")]
    lines.append(
        tell("task", trials=plural(network["n_trials"], "trial"), fvu=short(network["full"]["fvu"]))
    )
    return [*lines, *sentences(network), *over_networks(report)]


# ------------------------------------------------------------------------------------ the removals
def sentences(network: dict) -> list[str]:
    """How each sector reads, and all three together where more than one holds something."""
    entries = {name_of(entry["removed"]): entry for entry in network["ablations"]}
    alone = sum(entries[name]["removed_mass"] > 0 for name in TOLD[:3]) < 2
    return [
        _sentence(name, entries[name], network["full"]["fvu"])
        for name in (TOLD[:3] if alone else TOLD)
    ]


def _sentence(name: str, entry: dict, full: float | None) -> str:
    reading, delta = entry["reading"], entry["delta_fvu"]
    if reading == "∅":
        return tell("empty", name=name)
    if reading == "–" or full is None:
        why = (
            "the unablated network diverged"
            if full is None
            else f"{listed(DECIDING)} controls were not both drawn"
        )
        return tell("unread", name=name, why=why)
    change = "it diverges" if delta is None else f"FVU {short(delta, '+.2g')}"
    drawn = [f"{control['kind']} {_drawn(control)}" for control in entry["controls"]]
    sentence = tell(
        "read",
        name=name,
        reading=reading,
        meaning=MEANING[reading],
        numbers="; ".join([change, *drawn]),
    )
    lost = entry["fvu"] is not None and entry["fvu"] >= 1 > full
    better = delta is not None and delta <= -HARMLESS * abs(1 - full)
    return (
        sentence + (f" {tell('lost')}" if lost else "") + (f" {tell('better')}" if better else "")
    )


def _drawn(control: dict) -> str:
    """Median [lowest, highest] of the draws of a control, or why there is none."""
    if control["n"] == 0:
        return "–"
    lost = control.get("undefined", {}).get("delta_fvu_most")
    middle, *ends = (
        short(control[f"delta_fvu_{name}"], "+.2g") for name in ("median", "least", "most")
    )
    return lost or f"{middle} [{', '.join(ends)}]"


def table(network: dict, spread=()) -> list[dict]:
    """The removals of one network as rows of words; `spread` holds their rows of
    `measures.over_trials`.
    """
    ends = {
        row.removed: f" [{short(row.low, '+.2g')}, {short(row.high, '+.2g')}]"
        for row in spread
        if np.isfinite([row.low, row.high]).all()
    }
    kinds, rows = [control["kind"] for control in network["ablations"][-1]["controls"]], []
    for entry in network["ablations"]:
        controls = entry["controls"] if network["full"]["fvu"] is not None else []
        name, drawn = (
            name_of(entry["removed"]),
            {control["kind"]: _drawn(control) for control in controls},
        )
        row = {
            "removed": name,
            "mass": short(entry["removed_mass"], ".3f"),
            "FVU": short(entry["fvu"]),
        }
        row["change"] = short(entry["delta_fvu"], "+.2g") + ends.get(name, "")
        row |= {kind: drawn.get(kind, "–") for kind in kinds}
        rows.append(
            row
            | {
                "reads": entry["reading"] if entry["removed"] else "–",
                "sensitivity": short(entry["sensitivity"]),
            }
        )
    return rows


def over_networks(report: dict) -> list[str]:
    """How the removals read over a stack, in one sentence; nothing for a single network."""
    networks = report["networks"]
    if len(networks) == 1 or "ablations" not in networks[0]:
        return []
    counts = []
    for k, entry in enumerate(networks[0]["ablations"]):
        if (name := name_of(entry["removed"])) in TOLD:
            read = Counter(network["ablations"][k]["reading"] for network in networks)
            counts.append(
                f"{name} {', '.join(f'{word} in {count}' for word, count in read.most_common())}"
            )
    return [
        tell("over networks", networks=plural(len(networks), "network"), counts="; ".join(counts))
    ]


def about_controls(network: dict) -> list[str]:
    """What the controls are, and where a matched one could not hold all of its removal."""
    controls = [
        (name_of(entry["removed"]), control)
        for entry in network["ablations"]
        for control in entry["controls"]
        if control["n"]
    ]
    if not controls:
        return []
    n = controls[0][1]["n"]
    parts = [
        (name, share) for name, control in controls if (share := control["norm_share"]) < 0.9995
    ]
    shares = listed([f"{name} {short(100 * share)} %" for name, share in parts])
    return [
        tell("beside", draws=plural(n, "random change"), odds=n + 1),
        *([tell("part", shares=shares)] if parts else []),
    ]


def borders(network: dict) -> list[str]:
    """Removals whose cost lies about where a removal begins to be more than harmless."""
    entries = [entry for entry in network.get("ablations", []) if entry["delta_fvu"] is not None]
    bound = HARMLESS * (1 - network["full"]["fvu"]) if entries else 0.0
    near = [
        name_of(entry["removed"]) for entry in entries if bound / 3 < entry["delta_fvu"] < 3 * bound
    ]
    return [tell("edge", names=listed(near))] if near else []


def constraint_sentence(network: dict) -> str:
    """What constraints W_rec seems to obey, and what removing all couplings does to them."""
    line = constraint_line(network["constraints"]).strip()
    return f"{line[:1].upper()}{line[1:]}."


# ----------------------------------------------------------------------------------------- as text
def summary(report: dict, name: str = "", unused=()) -> str:
    """The report as a short text: what was read first, then each network with its table of removals
    beside the controls.
    """
    lines = [*facts(report, name, unused), check_sentence(report)]
    for network in report["networks"]:
        lines += ["", *_network_lines(report, network)]
    return "\n".join([*lines, *([""] if over_networks(report) else []), *over_networks(report)])


def _network_lines(report: dict, network: dict) -> list[str]:
    norms = ", ".join(f"{part} {short(value)}" for part, value in network["norms"].items())
    lines = [
        f"network {network['label']}: spectral radius {short(network['spectral_radius'])}; "
        f"{structure(report, network)}",
        f"  Frobenius norms: {norms}; departure from normality (Henrici) "
        f"{short(network['henrici'])}",
        *(f"  order not exact: {line}" for line in network["refused"]),
        constraint_line(network["constraints"]),
        *(f"  {line}" for line in warnings_of(report, network)),
    ]
    if "ablations" not in network:
        return [*lines, f"  {tell('no trials')}"]
    rows = table(network)
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    full = network["full"]["fvu"]
    task = (
        tell("diverges")
        if full is None
        else tell("task", trials=plural(network["n_trials"], "trial"), fvu=short(full))
    )
    read = {entry["reading"] for entry in network["ablations"]}
    return [
        *lines, f"  {task}",
        *("    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells),
        *(f"  {word}: {meaning}" for word, meaning in MEANING.items() if word in read),
        *(f"  {line}" for line in (*about_controls(network), *_reasons(network))),
    ]  # fmt: skip


def _reasons(network: dict) -> list[str]:
    """Why numbers are missing from the table, for those that are not missing by definition."""
    found: dict[str, list[str]] = {}
    for entry in network["ablations"][1:]:
        for part in (entry, *entry["controls"]):
            for reason in part.get("undefined", {}).values():
                found.setdefault(reason, []).append(name_of(entry["removed"]))
    return [
        f"undefined (–) for {', '.join(dict.fromkeys(names))}: {reason}"
        for reason, names in found.items()
    ]
