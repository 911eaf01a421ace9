"""What a reader's own network can lose: its Schur form and its ablations beside their controls, as plain data and as text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from .._checks import InputError, integer
from ..rnn import RNN, Trials
from .check import Check, check_against, check_fit
from .constraints import constraint_line, constraint_report, defined

SCHEMA = 1
DRAWS = 20
CONTROLS = ("block-upper",)
_QUANTILES = {"median": 0.5, "low": 0.025, "high": 0.975}


def analyze(
    rnn: RNN,
    trials: Trials | None = None,
    outputs=None,
    *,
    threshold: float = 0.9,
    seed: int = 0,
    controls: Sequence[str] = CONTROLS,
    draws: int = DRAWS,
    force_unchecked: bool = False,
    assumed: Sequence[str] = (),
    weights_sha256: str | None = None,
) -> dict:
    """The Schur profile of a network as plain data: everything that `schurkit analyze --json` writes.

    Parameters
    ----------
    rnn : a network or a stack; analysed in float64 whatever its dtype.
    trials : trials of its task; without them only the Schur form is described.
    outputs : what the reader's own code gave for the trials. They are compared first (`check_against`).
    threshold : of the sectors: R holds the blocks of modulus ≥ threshold × the largest.
    seed, controls, draws : of the random changes of equal norm beside each removal (`schurkit.ablation.control_changes`).
    force_unchecked : go on where the outputs disagree; the result says so.
    assumed : what the file did not say ("activation", …). weights_sha256 : of the file. Both are passed on.

    Returns
    -------
    dict of plain numbers, words, lists and None: a number that is undefined is None, and "undefined" beside it says why.

    Raises
    ------
    InputError : trials that do not fit, targets that do not vary (FVU is undefined), outputs that disagree, or a leak per unit.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN
    >>> report = analyze(RNN(np.ones((3, 1)), np.diag([0.9, 0.5, 0.2]), np.ones((1, 3))))
    >>> report["networks"][0]["n_leading"], report["checked"]
    (1, None)
    """
    from .. import __version__
    from .._checks import one_of
    from ..ablation import CONTROLS as KNOWN

    seed, draws = integer(seed, "seed", at_least=0), integer(draws, "draws", at_least=1)
    for kind in controls:
        one_of(kind, "control", KNOWN)
    if trials is None and outputs is not None:
        raise InputError("outputs can only be checked together with the trials they belong to.")
    rnn = rnn.astype("float64")
    checked = None
    if trials is not None:
        check_fit(rnn, trials)
        _check_targets(trials)
        if outputs is not None:
            checked = _checked(check_against(rnn, trials, outputs), force_unchecked)
    forms = [_form(W, threshold, rnn.leak) for W in rnn.W_rec]
    networks = [_structure(label, form) for label, form in zip(rnn.labels, forms)]
    for network, W, form in zip(networks, rnn.W_rec, forms):
        network["constraints"] = constraint_report(W, form)
    if trials is not None:
        _add_ablations(networks, rnn, trials, forms, tuple(dict.fromkeys(controls)), draws, seed)
    return {
        "schema": SCHEMA,
        "schurkit": __version__,
        "weights_sha256": weights_sha256,
        "threshold": float(threshold),
        "seed": seed,
        "activation": rnn.activation,
        "leak": rnn.leak if np.ndim(rnn.leak) == 0 else rnn.leak.tolist(),
        "form": rnn.form,
        "assumed": list(assumed),
        "checked": checked,
        "networks": networks,
    }


def _check_targets(trials: Trials) -> None:
    if not trials.total_variance > 0:
        raise InputError("the unmasked targets do not vary, so that FVU (the fraction of variance unexplained) is undefined: use other trials.")


def _checked(check: Check, force: bool) -> dict:
    finite = np.isfinite(check.max_deviation)
    if not check.ok and not force:
        size = f"{check.max_deviation:.3g}, where the largest output is {check.scale:.3g}" if finite else "beyond all bounds"
        raise InputError(
            f"the network as it was read does not give the outputs that stand in the trials: the largest deviation is {size}. {check.hint} "
            "To go on with a network that is not yours, pass --force-unchecked (force_unchecked=True)."
        )
    found = {"max_deviation": check.max_deviation if finite else None, "agrees": check.ok, "hint": check.hint}
    return found if finite else found | {"undefined": {"max_deviation": "the network diverged"}}


def _form(W_rec, threshold, leak):
    from ..schur import SchurOrderWarning, real_schur

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchurOrderWarning)  # the report carries what was refused
        return real_schur(W_rec, threshold, leak=leak)


def _structure(label, form) -> dict:
    return {
        "label": label if isinstance(label, (int, str)) else str(label),
        "hidden_size": form.hidden_size,
        "spectral_radius": form.spectral_radius,
        "n_leading": form.n_leading,
        "norms": form.norms(),
        "henrici": form.henrici,
        "blocks": [[block.start, block.size, block.modulus] for block in form.blocks],
        "refused": list(form.refused),
    }


def _add_ablations(networks, rnn, trials, forms, controls, draws, seed) -> None:
    from ..ablation import SUBSETS, ablation_profile, name_of

    rows = ablation_profile(rnn, trials, metric="fvu", forms=forms, controls=controls, draws=draws, seed=seed)
    for network, one in zip(networks, _runs(rows, len(networks))):
        removals = {row.removed: row for row in one if row.kind == "removal"}
        intact = removals[name_of(())].value
        network["metric"] = "fvu"
        network["n_trials"] = len(trials)
        network["full"] = defined({"fvu": intact}, {"fvu": "the network diverged"})
        network["ablations"] = []
        for sectors in SUBSETS:
            name = name_of(sectors)
            drawn = {kind: [row for row in one if row.removed == name and row.kind == kind] for kind in controls if sectors}
            entry = _removal(sectors, removals[name], intact)
            entry["controls"] = [_control(kind, [row.value for row in found], intact) for kind, found in drawn.items()]
            network["ablations"].append(entry)


def _runs(rows, networks: int):
    """The rows of each network; rows stand by network, and labels may repeat."""
    size = len(rows) // networks
    return [rows[i * size : (i + 1) * size] for i in range(networks)]


def _removal(sectors, row, intact: float) -> dict:
    diverged = "the unablated network diverged" if not np.isfinite(intact) else "the ablated network diverged"
    delta = row.value - intact if np.isfinite(intact) else np.nan
    sensitivity = row.sensitivity if row.sensitivity is not None and np.isfinite(delta) else np.nan
    entry = {"removed": list(sectors), "removed_mass": row.removed_mass, "fvu": row.value, "delta_fvu": delta, "sensitivity": sensitivity}
    why = {"fvu": "the ablated network diverged", "delta_fvu": diverged, "sensitivity": row.undefined or diverged}
    return defined(entry, why)


def _control(kind: str, values: list[float], intact: float) -> dict:
    entry = {"kind": kind, "n": len(values)}
    diverged = int((~np.isfinite(values)).sum())
    with np.errstate(invalid="ignore"):
        deltas = np.array(values) - intact if np.isfinite(intact) else np.full(len(values), np.nan)
        for name, level in _QUANTILES.items():
            entry[f"delta_fvu_{name}"] = float(np.quantile(deltas, level))
    why = "the unablated network diverged" if not np.isfinite(intact) else f"{diverged} of {len(values)} draws diverged"
    return defined(entry, {f"delta_fvu_{name}": why for name in _QUANTILES})


# ---- as text ---------------------------------------------------------------------------------------------------------------------------------------
def summary(report: dict, name: str = "", unused: Sequence[str] = ()) -> str:
    """The report as a short text: the assumptions first, then each network with its table of removals beside the controls."""
    networks = report["networks"]
    assumed = lambda key: " (assumed)" if key in report["assumed"] else ""  # noqa: E731
    leak = report["leak"] if np.ndim(report["leak"]) else f"{report['leak']:g}"
    lines = [
        f"{name or 'network'}: {len(networks)} network{'s' * (len(networks) != 1)} of {networks[0]['hidden_size']} units, "
        f"activation {report['activation']}{assumed('activation')}, leak {leak}{assumed('leak')}, form {report['form']}{assumed('form')}"
    ]
    if unused:
        from .files import shown

        lines.append(f"in the file, but not used: {shown(unused)}")
    lines.append(_checked_line(report["checked"]))
    for network in networks:
        lines += ["", *_network_lines(network, report["threshold"])]
    return "\n".join(lines)


def _checked_line(checked) -> str:
    if checked is None:
        return "orientation unchecked: nobody compared these weights with outputs of the code that trained them (add `outputs` to the trials)"
    size = "unbounded" if checked["max_deviation"] is None else f"{checked['max_deviation']:.2g}"
    if checked["agrees"]:
        return f"checked: gives the outputs that stand in the trials (largest deviation {size})"
    return f"CHECK FAILED: does not give the outputs that stand in the trials (largest deviation {size}). {checked['hint']}"


def _network_lines(network: dict, threshold: float) -> list[str]:
    norms = ", ".join(f"{part} {_short(value)}" for part, value in network["norms"].items())
    lines = [
        f"network {network['label']}: spectral radius {_short(network['spectral_radius'])}; "
        f"R holds {network['n_leading']} of {network['hidden_size']} units (modulus at least {threshold:g} of the largest)",
        f"  Frobenius norms: {norms}; departure from normality (Henrici) {_short(network['henrici'])}",
        *(f"  order not exact: {line}" for line in network["refused"]),
        constraint_line(network["constraints"]),
    ]
    if "ablations" not in network:
        return [*lines, "  no trials, so no removals were measured (--trials TRIALS.npz)"]
    lines.append(f"  FVU (fraction of variance unexplained, lower is better) {_short(network['full']['fvu'])} over {network['n_trials']} trials")
    kinds = [control["kind"] for control in network["ablations"][-1]["controls"]]
    n = network["ablations"][-1]["controls"][0]["n"] if kinds else 0
    head = ["removed", "mass", "FVU", "change", "sensitivity", *(f"{kind} control" for kind in kinds)]
    table = [head, *(_table_row(entry, kinds) for entry in network["ablations"])]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    lines += ["    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
    if kinds:
        lines.append(f"  controls: change of FVU for random changes of equal norm, median [2.5 %, 97.5 %] of {n} draws")
    return [*lines, *_reasons(network)]


def _table_row(entry: dict, kinds) -> list[str]:
    cells = [
        "+".join(entry["removed"]) or "none",
        f"{entry['removed_mass']:.3f}",
        *(_short(entry[key]) for key in ("fvu", "delta_fvu", "sensitivity")),
    ]
    drawn = {control["kind"]: control for control in entry["controls"]}
    for kind in kinds:
        values = [_short(drawn[kind][f"delta_fvu_{name}"]) for name in _QUANTILES] if kind in drawn else None
        cells.append(f"{values[0]} [{values[1]}, {values[2]}]" if values else "")
    return cells


def _reasons(network: dict) -> list[str]:
    """Why numbers are missing from the table, for those that are not missing by definition."""
    found: dict[str, list[str]] = {}
    for entry in network["ablations"]:
        for part in (entry, *entry["controls"]):
            for reason in part.get("undefined", {}).values():
                if entry["removed"]:
                    found.setdefault(reason, []).append("+".join(entry["removed"]))
    return [f"  undefined (–) for {', '.join(dict.fromkeys(names))}: {reason}" for reason, names in found.items()]


def _short(value) -> str:
    return "–" if value is None else f"{value:.3g}"
