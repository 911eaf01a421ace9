"""The words and tables of the page that `schurkit analyze --html` writes: captions, texts for readers who do not see, and rows."""

from __future__ import annotations

import platform
from importlib import metadata

import numpy as np

from .._checks import InputError
from ..ablation import LEAST_MASS, name_of
from ..intervals import over_networks
from ..rnn import RNN
from ..schur import SchurForm
from .files import checked_path, sha256, shown
from .reading import SMALL, Finding, deltas, findings, primary

WITHOUT_TRIALS = {
    "profile": "Not measured: no trials were given. With --trials TRIALS.npz (inputs and targets) all eight removals of RR, CR and CC are "
    "measured here, each beside random changes of equal norm.",
    "orders": "Not measured: no trials were given. With trials, the spread of RR and CC over random orders of nearly tied blocks stands here.",
    "outputs": "Not measured: no trials were given. With trials, outputs of the intact and of the ablated network stand here beside their targets.",
    "couplings": "Not measured: trials are needed on which the network stays finite. With them, the worth of every single coupling stands here.",
}


TOLD = ("RR", "CR", "CC", "RR+CR+CC")
"""The removals that are put into sentences; the table holds them all."""


def position(stack: RNN, label: str) -> int:
    """Where the network of that label stands in a stack; the first for an empty label.

    Raises
    ------
    InputError : no network, or several, of that label.
    """
    if label == "":
        return 0
    places = [place for place, own in enumerate(stack.labels) if str(own) == str(label)]
    if len(places) != 1:
        told = "no network" if not places else f"{len(places)} networks"
        raise InputError(f"there {'are' if len(places) > 1 else 'is'} {told} {shown([str(label)])}; the labels are {shown(map(str, stack.labels))}.")
    return places[0]


def facts(report: dict, network: dict, weights: str, unused=()) -> list[str]:
    """What was read: file, sizes, kind; which network of a stack the details are about."""
    assumed = lambda key: " (assumed)" if key in report["assumed"] else ""  # noqa: E731
    count = len(report["networks"])
    told = [
        f"{shown(weights)}: {count} network{'s' * (count != 1)} of {network['hidden_size']} units, "
        f"activation {report['activation']}{assumed('activation')}, leak {report['leak']:g}{assumed('leak')}, form {report['form']}{assumed('form')}."
    ]
    if count > 1:
        told.append(f"Details below are of network {shown([str(network['label'])])}; every network stands in the section on all of them.")
    if unused:
        told.append(f"In the file, but not used: {shown(unused)}.")
    return told


# ---- checks and the matrix -----------------------------------------------------------------------------------------------------------------------
def instrument(report: dict, network: dict, rnn: RNN, form: SchurForm) -> list[dict]:
    """The checks of the instrument, one a row."""
    W_rec = rnn.W_rec[0].astype(np.float64)
    scale = np.linalg.norm(W_rec) or 1.0
    rebuilt = np.linalg.norm(form.W_rec - W_rec) / scale
    turned = np.linalg.norm(form.Q.T @ form.Q - np.eye(form.hidden_size))
    bound = 1e-13 * form.hidden_size
    rows = [
        _check("Q T Qᵀ gives W_rec back", rebuilt <= bound, f"relative error {rebuilt:.1e}, bound {bound:.0e}"),
        _check("Q is orthogonal", turned <= bound, f"‖QᵀQ − I‖ = {turned:.1e}, bound {bound:.0e}"),
        _check("the blocks stand by modulus", not network["refused"], "exact" if not network["refused"] else "; ".join(network["refused"])),
    ]
    if "ablations" in network:
        change = network["ablations"][0]["delta_fvu"]
        found = "undefined: the network diverged" if change is None else f"change of FVU {change:g}"
        rows.append(_check("removing nothing changes nothing", change == 0, found))
    checked, what = report["checked"], "the outputs of your own code are reproduced"
    if checked is None:
        rows.append({"check": what, "holds": "unchecked", "found": "orientation unchecked: no outputs in the trials"})
    else:
        size = "unbounded" if checked["max_deviation"] is None else f"{checked['max_deviation']:.1e}"
        rows.append(_check(what, checked["agrees"], f"largest deviation {size}"))
    return rows


def _check(what: str, holds: bool, found: str) -> dict:
    return {"check": what, "holds": "yes" if holds else "NO", "found": found}


def spectrum_caption(report: dict, network: dict, form: SchurForm) -> str:
    matrix = "W_rec" if np.ndim(form.leak) == 0 and form.leak == 1 else "the step matrix"
    text = f"Eigenvalues of {matrix}. Filled: R, {form.n_leading} of {form.hidden_size} units; open: C."
    return f"{text} Dashed: {form.cut:.3g}, the least modulus in R, where the largest is {form.radius:.3g}. " + _relu(report)


def _relu(report: dict) -> str:
    return "In a relu network the modulus is an order, not a time scale." if report["activation"] == "relu" else ""


def spectrum_alt(form: SchurForm) -> str:
    pairs = sum(block.size == 2 for block in form.blocks)
    real = len(form.blocks) - pairs
    return f"Eigenvalues in the complex plane: {pairs} complex pairs and {real} real ones; largest modulus of W_rec {form.spectral_radius:.3g}."


def eigenvalue_rows(form: SchurForm) -> list[dict]:
    return [{"real": v.real, "imaginary": v.imag, "sector": "R" if k < form.n_leading else "C"} for k, v in enumerate(form.eigenvalues)]


def matrix_alt(network: dict) -> str:
    norms = network["norms"]
    return "Heat map of |T|, upper triangular. Norms: " + ", ".join(f"{name} {norms[name]:.3g}" for name in ("B", "RR", "CR", "CC")) + "."


def norm_rows(network: dict) -> list[dict]:
    words = {"B": "diagonal blocks", "RR": "couplings inside R", "CR": "couplings from C to R", "CC": "couplings inside C"}
    words |= {"N": "all couplings", "T": "all of it"}
    norms, total = network["norms"], network["norms"]["T"] ** 2 or 1.0
    return [{"part": f"{name}: {word}", "norm": norms[name], "share (%)": 100 * norms[name] ** 2 / total} for name, word in words.items()]


# ---- the profile ---------------------------------------------------------------------------------------------------------------------------------
def profile_caption(network: dict, spread) -> str:
    control = primary(network["ablations"][-1])
    drawn = f"grey squares and bands: {control['n']} random changes of equal norm, median and middle 95 %" if control else "no control was drawn"
    return (
        "Change of FVU after each removal. "
        f"Blue dots: this network, with the middle 95 % over resampled trials ({network['n_trials']} trials); {drawn}. "
        "Symmetric-log axis. A dot left of its band: the couplings matter less than their size; right of it, more; within it, not told apart."
    )


def profile_alt(network: dict) -> str:
    return "Change of FVU: " + "; ".join(_told(entry) for entry in network["ablations"] if entry["removed"]) + "."


def _told(entry: dict) -> str:
    if entry["removed_mass"] < LEAST_MASS:
        return f"{name_of(entry['removed'])} nothing to remove"
    control = primary(entry)
    middle = "" if control is None or control["delta_fvu_median"] is None else f" (random {control['delta_fvu_median']:+.3g})"
    return f"{name_of(entry['removed'])} " + ("diverges" if entry["delta_fvu"] is None else f"{entry['delta_fvu']:+.3g}") + middle


def profile_rows(network: dict, spread) -> list[dict]:
    by_name, rows = {row.removed: row for row in spread}, []
    for entry in network["ablations"][1:]:
        row = by_name[name_of(entry["removed"])]
        rows.append({"removed": row.removed, **{key: entry[key] for key in ("removed_mass", "fvu", "delta_fvu", "sensitivity")},
                     "trials_low": row.low, "trials_high": row.high})  # fmt: skip
        for control in entry["controls"]:
            kind = control["kind"].replace("-", "_")
            rows[-1] |= {f"{kind}_{end}": control[f"delta_fvu_{end}"] for end in ("median", "low", "high")}
    return rows


def profile_table(network: dict, spread) -> list[dict]:
    by_name, told = {row.removed: row for row in spread}, {finding.removed: finding for finding in findings(network)}
    rows = []
    for entry in network["ablations"]:
        name = name_of(entry["removed"])
        row = {"removed": name, "mass": f"{entry['removed_mass']:.3f}", "FVU": _short(entry["fvu"])}
        around = by_name.get(name)
        ends = f" [{_signed(around.low)}, {_signed(around.high)}]" if around is not None and np.isfinite([around.low, around.high]).all() else ""
        row["change [over trials]"] = _signed(entry["delta_fvu"]) + ends
        for kind in [control["kind"] for control in network["ablations"][-1]["controls"]]:
            control = next((c for c in entry["controls"] if c["kind"] == kind), None)
            row[f"{kind} control"] = "–" if control is None or control["delta_fvu_low"] is None else _band(control)
        row["beside it"] = told[name].beside or "–" if name in told else "–"
        row["sensitivity"] = _short(entry["sensitivity"])
        rows.append(row)
    return rows


def _band(control: dict) -> str:
    return f"{_signed(control['delta_fvu_median'])} [{_signed(control['delta_fvu_low'])}, {_signed(control['delta_fvu_high'])}]"


def profile_table_caption(report: dict, network: dict) -> str:
    n = network["ablations"][-1]["controls"][0]["n"] if network["ablations"][-1]["controls"] else 0
    return (
        "Mass: share of the norm of W_rec that is removed. Change: of FVU, with the middle 95 % over resampled trials. "
        f"Control: median and middle 95 % of {n} draws (seed {report['seed']}). Beside it: the change is less than, like, or more than the controls. "
        "Sensitivity: change per mass. –: undefined."
    )


def order_rows(network: dict, spread) -> list[dict]:
    entries = {name_of(entry["removed"]): entry for entry in network["ablations"]}
    return [
        {
            "removed": row.removed,
            "by modulus": _signed(entries[row.removed]["delta_fvu"]),
            "lowest": _signed(row.lowest),
            "highest": _signed(row.highest),
        }
        for row in spread
    ] or [{"removed": "–", "by modulus": "–", "lowest": "no orders", "highest": "no orders"}]


# ---- a stack -------------------------------------------------------------------------------------------------------------------------------------
def stack_structure(report: dict) -> list[dict]:
    return [
        {"network": network["label"], "units in R": network["n_leading"], "spectral radius": network["spectral_radius"], **network["norms"]}
        for network in report["networks"]
    ]


def stack_rows(report: dict) -> list[dict]:
    return [{"network": network["label"], **row} for network in report["networks"] for row in _plain_rows(network)]


def _plain_rows(network: dict):
    for entry in network["ablations"]:
        control = primary(entry) or {}
        yield {
            "removed": name_of(entry["removed"]), **{key: entry[key] for key in ("removed_mass", "fvu", "delta_fvu", "sensitivity")},
            **{f"control_{end}": control.get(f"delta_fvu_{end}") for end in ("median", "low", "high")},
        }  # fmt: skip


def stack_table(report: dict) -> list[dict]:
    networks, rows = report["networks"], []
    for entry in networks[0]["ablations"]:
        if not entry["removed"]:
            continue
        values = deltas(networks, entry["removed"])
        values = values[np.isfinite(values)]
        beside = [finding.beside for network in networks for finding in findings(network) if finding.removed == name_of(entry["removed"])]
        mean = over_networks(values) if len(values) else None
        ends = "" if mean is None or mean.low is None else f" [{_signed(mean.low)}, {_signed(mean.high)}]"
        rows.append({
            "removed": name_of(entry["removed"]), "networks": len(values), "mean change": "–" if mean is None else _signed(mean.mean) + ends,
            "lowest": _signed(values.min()) if len(values) else "–", "highest": _signed(values.max()) if len(values) else "–",
            "less": beside.count("less"), "alike": beside.count("alike"), "more": beside.count("more"),
        })  # fmt: skip
    return rows


def stack_table_caption(report: dict) -> str:
    n = len(report["networks"])
    ends = "with 95 % intervals over networks" if n >= 10 else "without an interval, which ten networks or more would give"
    return f"Changes of FVU over {n} networks, {ends}; and in how many networks the change is less than, like, or more than its controls."


def stack_caption(report: dict) -> str:
    n = len(report["networks"])
    return (
        f"Change of FVU after each removal for each of {n} networks (blue dots) and the medians of their controls (grey squares); "
        "bars: means. Symmetric-log axis."
    )


def stack_alt(report: dict) -> str:
    return "Mean changes of FVU: " + "; ".join(f"{row['removed']} {row['mean change']}" for row in stack_table(report)) + "."


# ---- outputs and single couplings ----------------------------------------------------------------------------------------------------------------
def outputs_caption(network: dict, trials, channel: int) -> str:
    which = f"Output {channel + 1} of {trials.targets.shape[2]} (the one whose target varies most)" if trials.targets.shape[2] > 1 else "The output"
    return (
        f"{which} in the first trials, which were not chosen. "
        "Grey: target where it counts; black: the intact network; dashed: without the couplings named. "
        "The axis ends half a range beyond targets and intact outputs; an ablated network may run out of it."
    )


def outputs_alt(rows) -> str:
    told = []
    for name in ("RR", "CR", "CC", "all three"):
        with np.errstate(over="ignore", invalid="ignore"):
            far = max((abs(row["ablated"] - row["intact"]) for row in rows if row["removed"] == name), default=0.0)
        told.append(f"without {name} the output moves by at most {far:.2g}" if np.isfinite(far) else f"without {name} the output diverges")
    return "Outputs over time. In the trials shown, " + "; ".join(told) + "."


def couplings_caption(singles) -> str:
    count = len(singles.estimates)
    return (
        f"Estimated change of FVU on removing each of {count * (count - 1) // 2} single couplings, from gradients "
        "(first order plus Gauss–Newton) without running the network again. "
        "Lines part R from C. Orange: the error rises without it; purple: it falls."
    )


def couplings_alt(singles) -> str:
    count, largest = len(singles.estimates), np.abs(singles.estimates).max(initial=0)
    return f"Heat map of {count} by {count} blocks; the largest estimate is {largest:.3g}."


def exact_caption(singles) -> str:
    return f"The {len(singles.largest)} couplings of largest estimate, measured exactly by one rollout each. On the line the estimate is exact."


def exact_alt(singles) -> str:
    top = singles.largest[0]
    return f"Estimated against exact change for {len(singles.largest)} couplings; the first: estimated {top.estimate:.3g}, exact {top.exact:.3g}."


def single_rows(singles) -> list[dict]:
    return [
        {
            "driven": s.driven,
            "driver": s.driver,
            "sector": s.sector,
            "norm": f"{s.norm:.3g}",
            "estimate": _signed(s.estimate),
            "exact": _signed(s.exact),
        }
        for s in singles.largest[:10]
    ]


# ---- the end -------------------------------------------------------------------------------------------------------------------------------------
def changes_of_mind(report: dict, network: dict) -> list[str]:
    """What would overturn the reading, for this report."""
    if "ablations" not in network:
        return ["Without trials nothing was measured that could be overturned: norms say how large couplings are, not what they are worth."]
    told = []
    near: list[Finding] = [found for found in findings(network) if found.beside == "alike"]
    if near:
        told.append(f"With more draws of the control, {', '.join(found.removed for found in near)} could still be told apart from it.")
    edge = [name_of(e["removed"]) for e in network["ablations"][1:] if e["delta_fvu"] is not None and SMALL / 3 < abs(e["delta_fvu"]) < 3 * SMALL]
    if edge:
        verb = "lie" if len(edge) > 1 else "lies"
        told.append(f"{', '.join(edge)} {verb} within a factor of three of {SMALL:g}, below which a change is called small here: a matter of words.")
    told.append("Other trials: if longer or noisier ones turn a small change into a large one, it was the trials that spared the couplings.")
    told.append("An untrained network of the same size and start: if its profile looks alike, training did not make it. Analyse it beside this one.")
    return told


def provenance(report: dict, weights: str, trials: str, found, parameters: dict, seconds: float) -> list[dict]:
    """What was read and what read it: digests, parameters, versions, time."""
    rows = [("weights", shown(weights)), ("sha256 of the weights", found.sha256)]
    if trials:
        rows += [("trials", shown(trials)), ("sha256 of the trials", sha256(checked_path(trials, (".npz",), "trials")))]
    rows += [
        ("threshold", f"{report['threshold']:g}"),
        ("seed", str(report["seed"])),
        *((key, shown(str(value))) for key, value in parameters.items()),
    ]
    rows += [("activation, leak, form", f"{report['activation']}, {report['leak']:g}, {report['form']}")]
    packages = " · ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "scipy", "matplotlib"))
    rows += [("schurkit", report["schurkit"]), ("versions", f"Python {platform.python_version()} · {packages}"), ("seconds", f"{seconds:.1f}")]
    return [{"what": what, "value": value} for what, value in rows]


def _short(value) -> str:
    return "–" if value is None else f"{value:.3g}".replace("-", "−")


def _signed(value) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:+.2g}".replace("-", "−")
