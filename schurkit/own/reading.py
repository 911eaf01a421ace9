"""A report in plain language: what can go and what cannot, in sentences whose numbers are those of the report.

The words are cautious on purpose. A removal is called small below `SMALL`, and it is compared with random changes of the same norm: only a change
that lies outside the middle 95 % of those is told apart from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ablation import LEAST_MASS, name_of
from .constraints import constraint_line

SMALL = 0.01
"""A change of FVU below this, one per cent of the variance of the targets, is called small."""
FEW_TRIALS = 32
HALF = 0.5


@dataclass(frozen=True)
class Finding:
    """What one removal came to, for one network.

    removed : "RR", "RR+CR", … kind : "empty", "unknown", "diverged", "helps", "small" or "costs" (the size of the change alone).
    beside : "less", "alike", "more" or "unknown": the change beside random changes of equal norm; "" where there is nothing to compare.
    verdict : the two together, in a few words. sentence : the verdict with its numbers; brief : the same in one line.
    """

    removed: str
    kind: str
    beside: str
    verdict: str
    sentence: str
    brief: str


_VERDICTS = {
    ("small", "less"): "can go on these trials, and not for being small: random changes of its size cost more",
    ("small", "alike"): "can go on these trials, but a random change of its size is not told apart from it",
    ("small", "more"): "costs little, yet more than random changes of its size",
    ("small", "unknown"): "can go on these trials; its controls are undefined",
    ("costs", "less"): "is used, though it costs less than random changes of its size",
    ("costs", "alike"): "is used, but is not told apart from random changes of its size",
    ("costs", "more"): "cannot go: it costs more than random changes of its size",
    ("costs", "unknown"): "is used; its controls are undefined",
}


def findings(network: dict) -> list[Finding]:
    """The findings of one network of a report, one for each removal but the empty one; none without trials."""
    return [_finding(network, entry) for entry in network.get("ablations", []) if entry["removed"]]


def _finding(network: dict, entry: dict) -> Finding:
    name = name_of(entry["removed"])
    if entry["removed_mass"] < LEAST_MASS:
        why = "holds no couplings" if entry["removed_mass"] == 0 else f"holds almost no couplings (removed mass {entry['removed_mass']:.0e})"
        told = f"{name} {why}: there is nothing to remove."
        return Finding(name, "empty", "", "nothing to remove", told, told)
    full = network["full"]["fvu"]
    if full is None:
        told = f"{name}: undefined, because the unablated network diverged."
        return Finding(name, "unknown", "", "undefined", told, told)
    if entry["fvu"] is None:
        told = f"{name} cannot go: without it the network diverges."
        return Finding(name, "diverged", "", "cannot go: without it the network diverges", told, told)
    delta, control = entry["delta_fvu"], primary(entry)
    beside = _beside(delta, control)
    kind = "helps" if delta <= -SMALL else "small" if delta < SMALL else "costs"
    verdict = "is better gone on these trials: the error falls without it" if kind == "helps" else _VERDICTS[kind, beside]
    lost = " That is no better than always giving the mean target." if entry["fvu"] >= 1 > full else ""
    text = f"Without {name} ({100 * entry['removed_mass']:.0f} % of the norm of W_rec) FVU goes from {_short(full)} to {_short(entry['fvu'])} "
    ends = "" if beside == "unknown" else f"; random {_band(control)}"
    brief = f"{name} {verdict} (FVU {_signed(delta)}{ends})."
    return Finding(name, kind, beside, verdict, f"{text}({_signed(delta)}).{lost} {_control(control)} So {name} {verdict}.", brief)


def primary(entry: dict) -> dict | None:
    """The control that a removal is compared with: block-upper if it was drawn, else the first one."""
    drawn = {control["kind"]: control for control in entry["controls"]}
    return drawn.get("block-upper") or next(iter(drawn.values()), None)


def _beside(delta: float, control: dict | None) -> str:
    if control is None or control["delta_fvu_low"] is None or control["delta_fvu_high"] is None:
        return "unknown"
    return "less" if delta < control["delta_fvu_low"] else "more" if delta > control["delta_fvu_high"] else "alike"


def _control(control: dict | None) -> str:
    if control is None:
        return "No control was drawn."
    if control["delta_fvu_low"] is None or control["delta_fvu_high"] is None:
        return f"Random changes of the same norm cannot be summed up: {control['undefined']['delta_fvu_high']}."
    return f"Random changes of the same norm: {_band(control)} (median and middle 95 % of {control['n']} draws)."


def _band(control: dict) -> str:
    low, middle, high = (_signed(control[f"delta_fvu_{end}"]) for end in ("low", "median", "high"))
    return f"{middle} [{low}, {high}]"


# ---- the whole -----------------------------------------------------------------------------------------------------------------------------------
def headline(report: dict, network: dict) -> list[str]:
    """The reading in a few sentences, warnings first: what to know before anything else."""
    if "ablations" not in network:
        return [_structure(network, report["threshold"]), "What the couplings are worth was not measured, because no trials were given."]
    told = [*warnings_of(report, network), _task(network)]
    by_name = {found.removed: found for found in findings(network)}
    told += [by_name[name].brief for name in ("RR", "CR", "CC")]
    if sum(by_name[name].kind not in ("empty", "unknown") for name in ("RR", "CR", "CC")) > 1:
        told.append("All three together: " + by_name["RR+CR+CC"].brief)
    return told


def _structure(network: dict, threshold: float) -> str:
    norms = network["norms"]
    share = 100 * (norms["N"] / norms["T"]) ** 2 if norms["T"] else 0.0
    return (
        f"R holds {network['n_leading']} of {network['hidden_size']} units (modulus at least {threshold:g} of the largest); "
        f"the couplings between blocks hold {share:.0f} % of the squared norm of W_rec."
    )


def _task(network: dict) -> str:
    full = network["full"]["fvu"]
    if full is None:
        return "The network diverges on these trials, so no removal can be measured."
    scale = "0: perfect; 1: no better than always giving the mean target"
    return f"On {network['n_trials']} trials the network as it is has FVU {_short(full)} ({scale})."


def warnings_of(report: dict, network: dict) -> list[str]:
    """What weakens everything below: a failed check, a network that does not do its task, few trials."""
    told, checked = [], report["checked"]
    if checked is not None and not checked["agrees"]:
        about = "What follows is about another network."
        told.append(f"Warning: these weights do not give the outputs that stand in the trials. {checked['hint']} {about}")
    full = network.get("full", {}).get("fvu")
    if full is not None and full > HALF:
        told.append(
            f"Warning: the network explains less than half of the variance of the targets (FVU {_short(full)}). "
            "What a network can lose that does not do its task says little."
        )
    if network.get("n_trials", FEW_TRIALS) < FEW_TRIALS:
        told.append(f"Warning: {network['n_trials']} trials are few. Changes of FVU move with the trials; use hundreds.")
    return told


def check_sentence(report: dict) -> str:
    """Whether the network is the reader's network."""
    checked = report["checked"]
    if checked is None:
        return (
            "Orientation unchecked: nobody compared these weights with outputs of the code that trained them. "
            "A transposed W_rec has the same eigenvalues and would pass for a network; add the outputs of your own code to the trials."
        )
    size = "unbounded" if checked["max_deviation"] is None else f"{checked['max_deviation']:.2g}"
    if checked["agrees"]:
        return f"Checked: the network gives the outputs that stand in the trials (largest deviation {size})."
    return f"CHECK FAILED: the network does not give the outputs that stand in the trials (largest deviation {size}). {checked['hint']}"


def kind_sentences(report: dict) -> list[str]:
    """What the order of the blocks means for this kind of network, and what had to be assumed."""
    activation, leak = report["activation"], report["leak"]
    one = f"(1 − {leak:g}) I + {leak:g} W_rec" if np.ndim(leak) == 0 else "(I − diag(leak)) + diag(leak) W_rec"
    step = "W_rec" if np.ndim(leak) == 0 and leak == 1 else f"the step matrix {one}, and R is cut per time constant"
    told = [f"The blocks are ordered by the modulus of the eigenvalues of {step}."]
    if activation == "relu":
        told.append(
            "For a relu network the modulus is an order, not a time scale: "
            "each state switches some units off, and what decays or grows depends on which."
        )
    else:
        told.append(
            "The modulus is a time scale near the origin only, where tanh is nearly linear. For a memory held in fixed points it is an order."
        )
    if report["form"] == "voltage":
        told.append("In the voltage form W_rec acts on rates φ(v): the state plotted and the state that couplings pass on differ by φ.")
    if report["assumed"]:
        names = " and ".join(f"{name} {report[name] if name != 'leak' else format(report[name], 'g')}" for name in report["assumed"])
        told.append(f"Assumed, because neither the file nor the command said it: {names}. If it is wrong, so is every removal below.")
    return told


def constraint_sentence(network: dict) -> str:
    """What constraints W_rec seems to obey, and what removing all couplings does to them."""
    line = constraint_line(network["constraints"]).strip()
    return f"{line[:1].upper()}{line[1:]}."


LIMITS = (
    "Nothing is refitted: a removal asks whether this network uses the couplings, not whether the information is still somewhere in its state.",
    "The interval beside each control is over random draws for one network. It says nothing about other seeds; for that, analyse a stack of them.",
    "A removal lowers the norm of W_rec, and a random change of equal norm tends to raise it: part of what a control costs may be that.",
    "CR as a whole is fixed by the leading subspace. RR, CC and single couplings depend on the order of blocks inside a sector.",
    "Where R ends is a choice (the threshold). Repeat with another one before building on a border case.",
)


def _short(value) -> str:
    return "–" if value is None else f"{value:.3g}"


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−")


def stack_sentence(networks: list[dict], name: str) -> str:
    """How one removal came out over a stack: how many networks are found in which way."""
    counts: dict[str, int] = {}
    for network in networks:
        verdict = next((found.verdict for found in findings(network) if found.removed == name), "not measured")
        counts[verdict] = counts.get(verdict, 0) + 1
    return "; ".join(f"{count} of {len(networks)}: {verdict}" for verdict, count in sorted(counts.items(), key=lambda item: -item[1]))


def deltas(networks: list[dict], sectors) -> np.ndarray:
    """Changes of FVU on one removal, one a network; NaN where undefined or where there is nothing to remove."""
    found = []
    for network in networks:
        entry = next(entry for entry in network["ablations"] if entry["removed"] == list(sectors))
        empty = entry["removed_mass"] < LEAST_MASS or entry["delta_fvu"] is None
        found.append(np.nan if empty else entry["delta_fvu"])
    return np.array(found, dtype=float)
