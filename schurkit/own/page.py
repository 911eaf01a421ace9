"""The tables and figures of the page that `schurkit analyze --html` writes: what stands there
beside the sentences of the report.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib import metadata

import numpy as np

from schurkit import random, views
from schurkit.ablation import SUBSETS, Profile, ablate, name_of
from schurkit.ablation.couplings import CouplingRow, coupling_map, exact_effects
from schurkit.engine import rollout
from schurkit.metrics import ACCURACY, FVU, METRICS, Metric
from schurkit.rnn import RNN, Trials
from schurkit.schur import SECTORS, SchurForm
from schurkit.schur.matrix import mean_step
from schurkit.views import View, base, plot, styled
from schurkit.views.profile import PLACES
from schurkit.words import short, span

from .analysis import Analysis
from .contents import shown
from .files import checked_path, sha256
from .report import leak_of, order_lines


# --------------------------------------------------------------------------- checks and the matrix
def instrument(analysis: Analysis, i: int) -> list[dict]:
    """The checks of the instrument, one a row."""
    rnn, form, check = analysis.rnn[i], analysis.forms[i], analysis.check
    W_rec, bound = rnn.W_rec[0], 1e-13 * form.hidden_size
    rebuilt = np.linalg.norm(form.W_rec - W_rec) / (np.linalg.norm(W_rec) or 1.0)
    turned = np.linalg.norm(form.Q.T @ form.Q - np.eye(form.hidden_size))
    whole = np.array_equal(ablate(rnn, form, [()]).W_rec, rnn.W_rec)
    most, outputs = f"bound {bound:.0e}", "orientation unchecked: no outputs in the trials"
    if check is not None:
        outputs = f"largest deviation {short(check.max_deviation, '.1e')}"
    same = "W_rec bit for bit" if whole else "another W_rec"
    rows = [
        ("Q T Qᵀ gives W_rec back", rebuilt <= bound, f"relative error {rebuilt:.1e}, {most}"),
        ("Q is orthogonal", turned <= bound, f"‖QᵀQ − I‖ = {turned:.1e}, {most}"),
        ("the blocks stand by modulus", not form.refused, "; ".join(form.refused) or "exact"),
        ("removing nothing changes nothing", whole, same),
        ("the outputs of your own code are reproduced", check and check.ok, outputs),
    ]
    holds = {None: "unchecked", True: "yes", False: "NO"}
    return [{"check": what, "holds": holds[ok], "found": found} for what, ok, found in rows]


@styled
def matrix(form: SchurForm) -> View:
    """|T| with the sectors named."""
    figure, ax = base.axes(1, 1, (3.5, 3.3))
    plot.schur_matrix(form, ax)
    norms = ", ".join(f"{name} {form.norms()[name]:.3g}" for name in ("B", *SECTORS))
    return View(figure, f"Heat map of |T|, upper triangular. Norms: {norms}.")


def spectrum(form: SchurForm) -> View:
    """The eigenvalues with the cut between R and C; of a leaky network per time constant, where
    they would all lie near 1 a step.
    """
    return views.spectrum(form, mean_step(form.leak, form.D))


def spectrum_words(form: SchurForm) -> str:
    """What that figure shows."""
    if mean_step(form.leak, form.D) == 1:
        return "Eigenvalues of T."
    return (
        "Eigenvalues λ of a step, per time constant: 1 + (λ − 1)/ā with the mean leak ā, so that 1 "
        "neither decays nor grows."
    )


@styled
def leading(form: SchurForm) -> View:
    """Units in R against the threshold."""
    figure, ax = base.axes(1, 1, (3.4, 2.4))
    levels = np.linspace(0.5, 1.0, 101)
    units = [form.with_threshold(level).n_leading for level in levels]
    ax.plot(levels, units, drawstyle="steps-mid", color=base.SECTOR_COLOURS["RR"])
    ax.plot(form.threshold, form.n_leading, "o", color="black", ms=5)
    ax.set(xlabel="threshold", ylabel="units in R", ylim=(0, None))
    rows = [{"threshold": level, "units in R": count} for level, count in zip(levels, units)]
    alt = f"Units in R fall from {max(units)} at a threshold of 0.5 to {min(units)} at 1."
    return View(figure, alt, rows)


def norm_rows(form: SchurForm) -> list[dict]:
    """The norm of each part of T, and its share."""
    words = {
        "B": "diagonal blocks",
        "RR": "couplings inside R",
        "CR": "couplings from C to R",
        "CC": "couplings inside C",
        "N": "all couplings",
        "T": "all of it",
    }
    norms = form.norms()
    shares = {name: 100 * (norms[name] / (norms["T"] or 1.0)) ** 2 for name in words}
    return [
        {"part": f"{name}: {word}", "norm": norms[name], "share (%)": shares[name]}
        for name, word in words.items()
    ]


# ------------------------------------------------------------------------------------ the removals
def costs(profile: Profile, spread: dict) -> View:
    """Every removal of one network with its spread over trials, beside every draw of its
    controls.
    """
    view = views.profile(profile)
    ax = view.figure.axes[0]
    for place, one in enumerate(profile):
        ends = profile.metric.worse * np.array(spread[one.name][1:])
        ax.vlines(place, *ends, color=base.colour_of(one.name), lw=1.4)
        for kind, drawn in one.controls.items():
            drawn = base.finite(drawn)
            marker = base.CONTROL_MARKERS[kind]
            across = [place + PLACES[kind]] * len(drawn)
            ax.plot(across, drawn, marker, ms=2, color=plot.CONTROL_COLOUR, alpha=0.35)
    if ax.get_yscale() == "symlog":
        plot.symlog(ax, 1e-3, ax.dataLim.y0)
    frame = profile.frame()
    removed = frame.removed.where(frame.kind == "removal")
    low, high = ({name: ends[k] for name, ends in spread.items()} for k in (1, 2))
    data = frame.assign(trials_low=removed.map(low), trials_high=removed.map(high))
    return replace(view, data=data)


def over_trials(
    rnn: RNN,
    form: SchurForm,
    trials: Trials,
    metric: Metric = FVU,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, tuple[float, float, float]]:
    """How far each removal's change of the metric moves when the trials are drawn again: paired
    bootstrap, Δ = (Σ nᵢ eᵢ(without) − Σ nᵢ eᵢ(intact)) / D, with the resample's own denominator D.

    Parameters
    ----------
    rnn : a stack of one.
    form : its Schur form.
    trials : shared.
    metric : FVU or an accuracy; of others the spread is undefined.
    resamples, seed : of the bootstrap.

    Returns
    -------
    By removal the change and its 2.5 and 97.5 % quantiles; not finite where the network diverged.
    """
    outputs = rollout(ablate(rnn, form, SUBSETS), trials).outputs
    draws = random.integers(seed, "over trials", 0, (resamples, len(trials)), len(trials))
    times = [np.ones(len(trials))]  # the trials as they are come first
    times = np.array([*times, *(np.bincount(draw, minlength=len(trials)) for draw in draws)])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sums, whole = _by_trial(outputs, trials, metric, times)
        changes = (sums[1:] - sums[:1]) @ times.T / np.where(whole > 0, whole, np.nan)
    ends = np.full((2, len(changes)), np.nan)
    if np.isfinite(changes).any():
        ends = np.nanquantile(changes[:, 1:], [0.025, 0.975], axis=1)
    names = map(name_of, SUBSETS[1:])
    return {name: tuple(row) for name, *row in zip(names, changes[:, 0], *ends)}


def _by_trial(outputs, trials: Trials, metric: Metric, times) -> tuple[np.ndarray, np.ndarray]:
    """What a metric sums over trials, (variants, trials), and what that is divided by in each
    resample.
    """
    cells = trials.counted_cells
    if metric is FVU:
        targets = trials.targets.astype(np.float64) * cells
        squares, count = (targets**2).sum(axis=(1, 2)), np.maximum(times @ cells.sum(axis=1), 1)
        whole = times @ squares - ((times @ targets.sum(axis=1)) ** 2 / count).sum(axis=1)
        return (((outputs - trials.targets) * cells) ** 2).sum(axis=(2, 3)), whole
    if metric not in METRICS.values():  # nobody knows what it sums
        return np.full((len(outputs), len(trials)), np.nan), times.sum(axis=1)
    steps = (trials.counted if metric is ACCURACY else cells).reshape(len(trials), -1).sum(axis=1)
    apart = Trials(*(array[:, None] for array in (trials.inputs, trials.targets, cells)))
    shares = np.nan_to_num([metric.measure(one[:, None], apart) for one in outputs])
    return shares * steps, times @ steps


def order_words(analysis: Analysis, i: int) -> list[str]:
    """Whether what the sectors cost hangs on an arbitrary order."""
    moved, steady = order_lines(analysis, i)
    return moved + steady or ["No order is arbitrary here: no two blocks of a sector nearly tie."]


def order_rows(analysis: Analysis, i: int) -> list[dict]:
    """The cost of RR and CC by modulus, and its range over random orders."""
    profile = analysis.profile_of(i)
    return [
        {
            "removed": name,
            "by modulus": profile[name].cost[0],
            "least": costs.min(),
            "most": costs.max(),
        }
        for name, costs in analysis.orders[i].items()
    ]


def stack_table(profile: Profile):
    """One row a removal, over all networks: its mean cost and the range of it, its controls, and
    how it reads in how many of them.
    """
    table = profile.table().drop(columns="mass")
    costs = [base.finite(one.cost[one.held]) for one in profile]
    table[f"cost ({profile.metric.name})"] += [
        f" ({span(values)})" if len(values) > 1 else "" for values in costs
    ]
    return table


def without(rnn: RNN, form: SchurForm, trials: Trials, count: int = 2) -> tuple[View, int]:
    """The first trials intact and without each sector, and which output that is: the one whose
    target varies most.
    """
    names, removals = (*SECTORS, "all three"), [(), *SUBSETS[1:4], SECTORS]
    channel = int(np.argmax(trials.targets[trials.counted].var(axis=0)))
    counted, h0 = trials.counted[:count], None if trials.h0 is None else trials.h0[:count]
    mask = counted | ~counted.any()
    first = Trials(trials.inputs[:count], trials.targets[:count], mask, h0)
    outputs = rollout(ablate(rnn, form, removals), first).outputs
    far = 1e3 * np.abs(trials.targets[trials.counted]).max()
    drawn = np.where(np.abs(outputs) <= far, outputs, np.nan)  # what runs far away ends there
    four = np.tile(np.arange(len(first)), 4)
    repeated = Trials(first.inputs[four], first.targets[four], first.mask[four])
    rows = [(name, trial + 1) for name in names for trial in range(len(first))]
    view = views.examples(
        repeated,
        np.concatenate(drawn[1:]),
        range(len(rows)),
        titles=[f"without {name}, trial {trial}" for name, trial in rows],
        beside={"intact": drawn[0, four][..., channel]},
        channel=channel,
    )
    inside = base.finite([first.targets[..., channel], drawn[0, ..., channel]])
    room = 0.5 * np.ptp(inside) or 1.0
    view.figure.axes[0].set_ylim(inside.min() - room, inside.max() + room)
    data = [dict(zip(("removed", "trial"), rows[row.pop("trial")])) | row for row in view.data]
    return replace(view, data=data), channel


# -------------------------------------------------------------------------------- single couplings
def single_couplings(
    rnn: RNN, form: SchurForm, trials: Trials, *, largest: int = 20, seed: int = 0
) -> tuple[list[CouplingRow], list[dict]]:
    """Every single coupling with its estimated effect, the largest first; and the largest as rows
    of a table, measured exactly by one rollout each. In the table blocks are counted from 1.
    """
    rows = coupling_map(rnn, trials, forms=[form], exact=False, seed=seed)
    rows.sort(key=lambda row: -abs(np.nan_to_num(row.estimate)))
    deltas = [form.coupling(row.driven, row.driver) for row in rows[:largest]]
    effects = exact_effects(rnn, form, trials, deltas) if deltas else []
    table = [
        {
            "driven": row.driven + 1,
            "driver": row.driver + 1,
            "sector": row.sector,
            "norm": row.norm,
            "estimate": row.estimate,
            "exact": float(effect),
        }
        for row, effect in zip(rows, effects)
    ]
    return rows, table


@styled
def estimates(rows: list[CouplingRow], form: SchurForm) -> View:
    """Estimated change of FVU for every single coupling, driver to the right, driven downwards."""
    grid = np.full((len(form.blocks),) * 2, np.nan)
    for row in rows:
        grid[row.driven, row.driver] = row.estimate
    figure, ax = base.axes(1, 1, (3.6, 3.3))
    plot.coupling_map(grid, form, ax, first=1).set_label("estimated change of FVU")
    most = np.abs(base.finite(grid)).max(initial=0.0)
    alt = f"Heat map of {len(grid)} by {len(grid)} blocks; the largest estimate is {most:.3g}."
    return View(figure, alt)


@styled
def exact(table: list[dict]) -> View:
    """The largest single couplings: estimated against exact."""
    figure, ax = base.axes(1, 1, (3.4, 3.3))
    for sector, marker in zip(SECTORS, "o^s"):
        pairs = [(row["estimate"], row["exact"]) for row in table if row["sector"] == sector]
        if pairs:
            style = {"ms": 5, "mfc": "none", "color": base.SECTOR_COLOURS[sector]}
            ax.plot(*zip(*pairs), marker, label=sector, **style)
    ax.axline((0, 0), slope=1, color="black", lw=0.8)
    ax.legend(fontsize=8)
    ax.ticklabel_format(scilimits=(-2, 3))
    ax.locator_params(nbins=4)
    ax.set(xlabel="estimated change of FVU", ylabel="exact change of FVU")
    alt = (
        f"Estimated against exact change for {len(table)} couplings; the first: estimated "
        f"{table[0]['estimate']:.3g}, exact {table[0]['exact']:.3g}."
    )
    return View(figure, alt, table)


# -------------------------------------------------------------------------------------- provenance
def provenance(analysis: Analysis, trials: str, parameters: dict, seconds: float) -> list[dict]:
    """What was read and what read it: digests, parameters, versions, time."""
    rnn, report = analysis.rnn, analysis.report
    rows = {"weights": shown(analysis.found.path)}
    rows |= {"sha256 of the weights": report["weights_sha256"]}
    if trials:
        path = checked_path(trials, (".npz",), "trials")
        rows |= {"trials": shown(trials), "sha256 of the trials": sha256(path)}
    rows |= {"threshold": f"{report['threshold']:g}", "seed": str(report["seed"])}
    rows |= {name: shown(str(value)) for name, value in parameters.items()}
    packages = [f"{name} {metadata.version(name)}" for name in ("numpy", "scipy", "matplotlib")]
    rows |= {
        "activation, leak, form": f"{rnn.activation}, {leak_of(rnn)}, {rnn.form}",
        "schurkit": report["schurkit"],
        "versions": " · ".join([f"Python {platform.python_version()}", *packages]),
        "seconds": f"{seconds:.1f}",
    }
    return [{"what": what, "value": value} for what, value in rows.items()]
