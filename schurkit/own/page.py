"""The tables of the page that `schurkit analyze --html` writes, and its texts for readers who do
not see the figures.
"""

from __future__ import annotations

import platform
from importlib import metadata

import numpy as np

from schurkit.ablation import Profile, ablate
from schurkit.checks import InputError
from schurkit.rnn import RNN
from schurkit.schur.form import SchurForm
from schurkit.words import plural, short, span

from .files import checked_path, sha256, shown
from .reading import leak_of


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
        raise InputError(
            f"there {'are' if len(places) > 1 else 'is'} {told} {shown([str(label)])}; the labels "
            f"are {shown(map(str, stack.labels))}."
        )
    return places[0]


# --------------------------------------------------------------------------- checks and the matrix
def instrument(report: dict, network: dict, rnn: RNN, form: SchurForm) -> list[dict]:
    """The checks of the instrument, one a row."""
    W_rec = rnn.W_rec[0].astype(np.float64)
    scale = np.linalg.norm(W_rec) or 1.0
    rebuilt = np.linalg.norm(form.W_rec - W_rec) / scale
    turned = np.linalg.norm(form.Q.T @ form.Q - np.eye(form.hidden_size))
    bound = 1e-13 * form.hidden_size
    whole = np.array_equal(ablate(rnn, form, [()]).W_rec, rnn.W_rec)
    rows = [
        _check(
            "Q T Qᵀ gives W_rec back",
            rebuilt <= bound,
            f"relative error {rebuilt:.1e}, bound {bound:.0e}",
        ),
        _check("Q is orthogonal", turned <= bound, f"‖QᵀQ − I‖ = {turned:.1e}, bound {bound:.0e}"),
        _check(
            "the blocks stand by modulus",
            not network["refused"],
            "; ".join(network["refused"]) or "exact",
        ),
        _check(
            "removing nothing changes nothing",
            whole,
            "W_rec bit for bit" if whole else "another W_rec",
        ),
    ]
    checked, what = report["checked"], "the outputs of your own code are reproduced"
    if checked is None:
        return [
            *rows,
            {
                "check": what,
                "holds": "unchecked",
                "found": "orientation unchecked: no outputs in the trials",
            },
        ]
    return [
        *rows,
        _check(
            what, checked["agrees"], f"largest deviation {short(checked['max_deviation'], '.1e')}"
        ),
    ]


def _check(what: str, holds: bool, found: str) -> dict:
    return {"check": what, "holds": "yes" if holds else "NO", "found": found}


def eigenvalue_rows(form: SchurForm) -> list[dict]:
    return [
        {"real": v.real, "imaginary": v.imag, "sector": "R" if k < form.n_leading else "C"}
        for k, v in enumerate(form.eigenvalues)
    ]


def norm_rows(network: dict) -> list[dict]:
    words = {
        "B": "diagonal blocks",
        "RR": "couplings inside R",
        "CR": "couplings from C to R",
        "CC": "couplings inside C",
    }
    words |= {"N": "all couplings", "T": "all of it"}
    norms, whole = network["norms"], network["norms"]["T"] or 1.0
    return [
        {
            "part": f"{name}: {word}",
            "norm": norms[name],
            "share (%)": 100 * (norms[name] / whole) ** 2,
        }
        for name, word in words.items()
    ]


# ------------------------------------------------------------------------------------ the removals
def profile_alt(profile: Profile) -> str:
    """What each removal costs, beside what its controls cost, and how it reads."""
    costs = []
    for row in (one.row("FVU") for one in profile):
        beside = ", ".join(f"{kind} {row[kind]}" for kind in profile.controls)
        costs.append(f"{row['removed']} {row['cost (FVU)']} ({beside}), reads {row['reads']}")
    return f"Change of FVU over {plural(len(profile), 'network')}: {'; '.join(costs)}."


def profile_rows(profile: Profile, spread=()):
    """Everything that was drawn: removals, with their spread over trials, and every draw of their
    controls.
    """
    frame = profile.frame()
    removed = frame.removed.where(frame.kind == "removal")
    ends = {
        "trials_low": {row.removed: row.low for row in spread},
        "trials_high": {row.removed: row.high for row in spread},
    }
    return (
        frame.assign(**{name: removed.map(values) for name, values in ends.items()})
        if spread
        else frame
    )


def stack_table(profile: Profile):
    """One row a removal, over all networks: its mean cost and the range of it, its controls, and
    how it reads in how many of them.
    """
    table, costs = (
        profile.table().drop(columns="mass"),
        [one.cost[one.held & np.isfinite(one.cost)] for one in profile],
    )
    table["cost (FVU)"] += [f" ({span(values)})" if len(values) > 1 else "" for values in costs]
    return table


def orders_table(network: dict, orders: Profile) -> list[dict]:
    """Each sector's change of FVU by modulus and over other orders."""
    entries = {"+".join(entry["removed"]): entry for entry in network["ablations"]}
    ends = {one.name: (one.cost.min(), one.cost.max()) for one in orders}
    return [{"removed": name, "by modulus": short(entries[name]["delta_fvu"], "+.2g"),
             **{end: short(value, "+.2g") for end, value in zip(("lowest", "highest"), values)}} for name, values in ends.items()]  # fmt: skip


def outputs_alt(rows) -> str:
    told = []
    for name in ("RR", "CR", "CC", "all three"):
        with np.errstate(over="ignore", invalid="ignore"):
            far = max(
                (abs(row["ablated"] - row["intact"]) for row in rows if row["removed"] == name),
                default=0.0,
            )
        told.append(
            f"without {name} the output moves by at most {far:.2g}"
            if np.isfinite(far)
            else f"without {name} the output diverges"
        )
    return "Outputs over time. In the trials shown, " + "; ".join(told) + "."


def provenance(
    report: dict, weights: str, trials: str, found, parameters: dict, seconds: float
) -> list[dict]:
    """What was read and what read it: digests, parameters, versions, time."""
    rows = [("weights", shown(weights)), ("sha256 of the weights", found.sha256)]
    if trials:
        rows += [
            ("trials", shown(trials)),
            ("sha256 of the trials", sha256(checked_path(trials, (".npz",), "trials"))),
        ]
    rows += [
        ("threshold", f"{report['threshold']:g}"),
        ("seed", str(report["seed"])),
        *((key, shown(str(value))) for key, value in parameters.items()),
    ]
    rows += [
        ("activation, leak, form", f"{report['activation']}, {leak_of(report)}, {report['form']}")
    ]
    packages = " · ".join(
        f"{name} {metadata.version(name)}" for name in ("numpy", "scipy", "matplotlib")
    )
    rows += [
        ("schurkit", report["schurkit"]),
        ("versions", f"Python {platform.python_version()} · {packages}"),
        ("seconds", f"{seconds:.1f}"),
    ]
    return [{"what": what, "value": value} for what, value in rows]
