"""The report of an analysis: what `schurkit analyze` prints, and the tables, figures and sentences
of the page that it writes.

The sentences stand in sentences.txt; here they are chosen, and their numbers filled in. How a
removal reads is decided by the permuted and the matched control together
(`schurkit.ablation.READINGS`), never by one of them alone.
"""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np

from schurkit import nb
from schurkit.ablation import (
    DECIDING,
    HARMLESS,
    LEAST_MASS,
    MEANING,
    Profile,
    Removal,
    matched_share,
    name_of,
)
from schurkit.metrics import FVU, METRICS
from schurkit.rnn import RNN
from schurkit.schur import SECTORS, SchurForm
from schurkit.words import listed, plural, short, span

from .analysis import Analysis, removals_of
from .constraints import constraint_line
from .contents import shown

FEW_TRIALS = 32
HALF = 0.5
TOLD = (*SECTORS, name_of(SECTORS))
"""The removals that are put into sentences; the tables hold them all."""
_LINES = Path(__file__).with_name("sentences.txt").read_text(encoding="utf-8").splitlines()
_SENTENCES = dict(line.split(": ", 1) for line in _LINES if not line.startswith("#"))


def tell(name: str, /, **fields) -> str:
    """The sentence of that name in sentences.txt with its fields filled in."""
    return _SENTENCES[name].format(**fields).rstrip()


def _change(value, spec: str = "+.2g") -> str:
    """A number in words; "–" where a network diverged."""
    return short(value if np.isfinite(value) else None, spec)


# ------------------------------------------------------------------------------------- the network
def leak_of(rnn: RNN) -> str:
    """The leak in words: a number, or a range where every unit has its own."""
    return span(np.atleast_1d(rnn.leak)) + (", one a unit" if np.ndim(rnn.leak) else "")


def facts(analysis: Analysis, details: int | None = None) -> list[str]:
    """What was read: file, sizes, kind, what had to be assumed, what the file says besides, what
    was not used; and which network of a stack the details are of.
    """
    rnn, assumed, found = analysis.rnn, analysis.assumed, analysis.found
    kind = {"activation": rnn.activation, "leak": leak_of(rnn), "form": rnn.form}
    words = {name: f"{kind[name]} (assumed)" for name in assumed}
    sizes = {"networks": plural(len(rnn), "network"), "hidden_size": rnn.hidden_size}
    weights = shown(found.path) if found else "network"
    lines = [tell("facts", weights=weights, **sizes, **kind | words)]
    started = analysis.trials is not None and analysis.trials.h0 is not None
    more = {
        f"the readout of {'v' if rnn.psi == 'identity' else f'{rnn.psi}(v)'}": rnn.psi,
        "a bias inside the activation, φ(v + c)": rnn.c is not None,
        "a diagonal D of its own": rnn.D is not None,
        "a start for each trial": started,
    }
    if parts := [words for words, there in more.items() if there]:
        lines.append(tell("with", parts=listed(parts)))
    if assumed:
        lines.append(tell("assumed", names=listed([f"{name} {kind[name]}" for name in assumed])))
    if details is not None and len(rnn) > 1:
        lines.append(tell("details", label=shown([str(rnn.labels[details])])))
    if found is None:
        return lines
    lines += [tell("read as", convention=found.convention)] if found.readings else []
    lines += [f"{note[:1].upper()}{note[1:]}." for note in found.notes]
    return lines + ([tell("unused", names=shown(found.unused))] if found.unused else [])


def check_sentence(analysis: Analysis) -> str:
    """Whether the network is the reader's network, and what the outputs decided."""
    check = analysis.check
    if check is None:
        return tell("unchecked")
    told = tell("settled", words=analysis.settled) + " " if analysis.settled else ""
    name = "checked" if check.ok else "check failed"
    return told + tell(name, size=_change(check.max_deviation, ".2g"), hint=check.hint)


def structure(analysis: Analysis, i: int) -> str:
    """Where R ends, and how much of the matrix are couplings."""
    form = analysis.forms[i]
    return tell(
        "structure",
        matrix="W_rec" if np.all(np.equal(form.leak, 1)) else "the step matrix",
        cut=short(form.cut),
        threshold=short(analysis.threshold),
        n_leading=form.n_leading,
        hidden_size=form.hidden_size,
        share=short(100 * (form.norm_N / (form.norm_T or 1.0)) ** 2, ".0f"),
    )


def warnings_of(analysis: Analysis, i: int) -> list[str]:
    """What weakens everything below: a failed check, a network that does not do its task, few
    trials, a block near the cut, an order that matters.
    """
    lines, check, form, profile = [], analysis.check, analysis.forms[i], analysis.profile
    if check is not None and not check.ok:
        lines.append(tell("other network", hint=check.hint))
    if profile is not None:
        metric, value = profile.metric, profile.intact[i]
        perfect = 0.0 if metric is FVU else 1.0  # of accuracies
        known = metric in METRICS.values() and np.isfinite(value)
        if known and abs(perfect - value) > HALF * abs(perfect - profile.chance):
            lines.append(tell("poor" if metric is FVU else "poor score", **_measured(profile, i)))
        if len(analysis.trials) < FEW_TRIALS:
            lines.append(tell("few trials", trials=plural(len(analysis.trials), "trial")))
    if form.near_cut:
        near = [form.blocks[k].modulus for k in form.near_cut]
        moduli = f"{span(near)} {'lies' if len(near) == 1 else 'lie'}"
        words = {"blocks": plural(len(near), "block"), "cut": short(form.cut)}
        lines.append(tell("near the cut", moduli=moduli, **words) + _other_sides(analysis, i))
    return lines + order_lines(analysis, i)[0]


def _other_sides(analysis: Analysis, i: int) -> str:
    """What the removals cost with the blocks near the cut on its other side."""
    if analysis.profile is None or not analysis.sides[i]:
        return ""
    own = analysis.profile_of(i)
    every = {own.n_leading[0]: [own[name].cost[0] for name in SECTORS]} | analysis.sides[i]
    words = [
        f"{plural(int(count), 'unit')} in R: "
        + ", ".join(f"{name} {_change(cost)}" for name, cost in zip(SECTORS, costs))
        for count, costs in every.items()
    ]
    return " " + tell("other side", cost=own.metric.cost, counts="; ".join(words))


def order_lines(analysis: Analysis, i: int) -> tuple[list[str], list[str]]:
    """What is said of sectors whose cost moves with an arbitrary order, and of those whose cost
    does not: no sentence, or one.
    """
    if analysis.profile is None:
        return [], []
    profile, words = analysis.profile_of(i), {"order matters": [], "order": []}
    for name, costs in analysis.orders[i].items():
        one, ends = profile[name], [*costs, profile[name].cost[0]]
        if np.isfinite(ends).all() and one.full[0]:
            least = 0.0 if one.to_lose is None else HARMLESS * abs(one.to_lose[0])
            moved = np.ptp(ends) > max(HALF * abs(ends[-1]), least)
            own = [_change(end) for end in (ends[-1], min(ends), max(ends))]
            words["order matters" if moved else "order"].append("{} {} [{}, {}]".format(name, *own))
    count = plural(max(map(len, analysis.orders[i].values()), default=0), "random order")
    fields = {"cost": profile.metric.cost, "orders": count}
    return tuple(
        [tell(name, costs=listed(every), **fields)] if every else []
        for name, every in words.items()
    )


def _measured(profile: Profile, i: int) -> dict:
    """The metric, its value intact, and what that value means, as fields of a sentence."""
    metric, chance = profile.metric, short(profile.chance)
    name = "scale" if profile.chance is None else "scale fvu" if metric is FVU else "scale chance"
    scale = tell(name, chance=chance, better=metric.better)
    return {"metric": metric.name, "value": short(profile.intact[i]), "scale": scale}


def task(analysis: Analysis, i: int) -> str:
    """What the network does on the trials as it is."""
    if analysis.profile is None:
        return tell("no trials")
    if not np.isfinite(analysis.profile.intact[i]):
        return tell("diverges")
    trials = plural(len(analysis.trials), "trial")
    return tell("task", trials=trials, **_measured(analysis.profile, i))


def headline(analysis: Analysis, i: int) -> list[str]:
    """The reading in a few sentences, warnings first: what to know before anything else."""
    lines = [*warnings_of(analysis, i), structure(analysis, i), task(analysis, i)]
    if analysis.profile is None or not np.isfinite(analysis.profile.intact[i]):
        return lines
    lines += [*sentences(analysis.profile_of(i)), *order_lines(analysis, i)[1]]
    return [*lines, *over_networks(analysis.profile)]


def constraint_sentence(analysis: Analysis, i: int) -> str:
    """What constraints W_rec seems to obey, and what removing all couplings does to them."""
    line = constraint_line(analysis.report["networks"][i]["constraints"])
    return f"{line[:1].upper()}{line[1:]}."


# ------------------------------------------------------------------------------------ the removals
def sentences(profile: Profile) -> list[str]:
    """How each sector of one network reads, and all three together where more than one holds
    something.
    """
    several = sum(profile[name].held[0] for name in SECTORS) > 1
    return [sentence(profile[name], profile) for name in (TOLD if several else SECTORS)]


def sentence(one: Removal, profile: Profile) -> str:
    """How a removal of one network reads, with the numbers behind it."""
    reading, cost, name, metric = one.readings[0], one.cost[0], one.name, profile.metric
    if reading == "∅":
        return tell("empty", name=name)
    if reading == "undefined":
        why = "the unablated network diverged"
        if np.isfinite(profile.intact[0]):
            drawn = all(kind in one.controls for kind in DECIDING)
            undrawn = f"{listed(DECIDING)} controls were not both drawn"
            why = f"no draw changes its {metric.name} either" if drawn else undrawn
        return tell("unread", name=name, why=why)
    change = f"{metric.name} {_change(metric.worse * cost)}" if np.isfinite(cost) else "it diverges"
    drawn = [f"{kind} {_drawn(metric.worse * values[0])}" for kind, values in one.controls.items()]
    fields = {
        "reading": reading,
        "meaning": MEANING[reading],
        "numbers": "; ".join([change, *drawn]),
    }
    said = [tell("read", name=name, **fields)]
    lose = np.nan if one.to_lose is None else one.to_lose[0]
    if 0 < lose <= cost < np.inf:
        said.append(tell("lost" if metric is FVU else "lost to chance"))
    if cost <= -HARMLESS * abs(lose):
        said.append(
            tell("better", what=f"{metric.name} {'falls' if metric.worse > 0 else 'rises'}")
        )
    return " ".join(said)


def _drawn(values) -> str:
    """Median [lowest, highest] of the draws of a control, or why there is none."""
    if np.isnan(values).any():
        return "–"
    if lost := int(np.isinf(values).sum()):
        return f"{lost} of {len(values)} draws diverged"
    middle, low, high = (short(end, "+.2g") for end in np.quantile(values, (0.5, 0, 1)))
    return f"{middle} [{low}, {high}]"


def table(profile: Profile, spread: dict | None = None) -> list[dict]:
    """The removals of one network as rows of words; `spread` is that of `over_trials`."""
    intact, worse, rows = profile.intact[0], profile.metric.worse, []
    for one in removals_of(profile):
        change, mass = worse * one.cost[0], one.mass[0]
        ends = (spread or {}).get(one.name, (np.nan,))
        moved = f" [{', '.join(short(end, '+.2g') for end in ends[1:])}]"
        drawn = {kind: worse * values[0] for kind, values in one.controls.items()}
        rows.append(
            {
                "removed": one.name,
                "mass": short(mass, ".3f"),
                profile.metric.name: _change(intact + change, ".3g"),
                "change": _change(change) + (moved if np.isfinite(ends).all() else ""),
                **{kind: _drawn(drawn.get(kind, [np.nan])) for kind in profile.controls},
                "reads": "–" if one.name == "none" else one.readings[0],
                "sensitivity": _change(change / mass if mass >= LEAST_MASS else np.nan, ".3g"),
            }
        )
    return rows


def over_networks(profile: Profile) -> list[str]:
    """How the removals read over a stack, in one sentence; nothing for a single network."""
    if len(profile) == 1:
        return []
    counts = [
        f"{name} {', '.join(f'{word} in {n}' for word, n in profile[name].counts.items())}"
        for name in TOLD
    ]
    words = {"networks": plural(len(profile), "network"), "counts": "; ".join(counts)}
    return [tell("over networks", **words)]


def about_controls(profile: Profile, form: SchurForm) -> list[str]:
    """What the controls of one network are, and where a matched one could not hold all of its
    removal.
    """
    held = [one.name for one in profile if one.held[0]]
    draws = [values.shape[2] for values in profile.controls.values()]
    if not held or not draws:
        return []
    fields = {"metric": profile.metric.name, "draws": plural(draws[0], "random change")}
    lines = [tell("beside", odds=draws[0] + 1, **fields)]
    shares = {name: matched_share(form, name.split("+")) for name in held}
    part = [f"{name} {short(100 * share)} %" for name, share in shares.items() if share < 0.9995]
    if part and "matched" in profile.controls:
        lines.append(tell("part", shares=listed(part)))
    return lines


def borders(profile: Profile) -> list[str]:
    """Removals of one network whose cost lies about where a removal begins to be more than
    harmless.
    """
    bounds = [(one, HARMLESS * one.to_lose[0]) for one in profile if one.to_lose is not None]
    near = [one.name for one, bound in bounds if bound / 3 < one.cost[0] < 3 * bound]
    return [tell("edge", names=listed(near))] if near else []


# ----------------------------------------------------------------------------------------- as text
def summary(analysis: Analysis) -> str:
    """The report as a short text: what was read first, then each network with its table of removals
    beside the controls.
    """
    lines = [*facts(analysis), check_sentence(analysis)]
    for i in range(len(analysis.rnn)):
        lines += ["", *_network_lines(analysis, i)]
    if analysis.profile is not None and (counts := over_networks(analysis.profile)):
        lines += ["", *counts]
    return "\n".join(lines)


def _network_lines(analysis: Analysis, i: int) -> list[str]:
    form, network = analysis.forms[i], analysis.report["networks"][i]
    norms = ", ".join(f"{part} {short(value)}" for part, value in form.norms().items())
    below = [
        f"Frobenius norms: {norms}; departure from normality (Henrici) {short(form.henrici)}",
        *(f"order not exact: {line}" for line in form.refused),
        constraint_line(network["constraints"]),
        *warnings_of(analysis, i),
        task(analysis, i),
    ]
    if analysis.profile is not None:
        profile = analysis.profile_of(i)
        rows = table(profile)
        cells = [list(rows[0]), *(list(row.values()) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        read = {row["reads"] for row in rows}
        below += [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in cells
        ]
        below += order_lines(analysis, i)[1]
        below += [f"{word}: {meaning}" for word, meaning in MEANING.items() if word in read]
        below += [*about_controls(profile, form), *_reasons(network)]
    radius = f"spectral radius {short(form.spectral_radius)}; {structure(analysis, i)}"
    return [f"network {network['label']}: {radius}", *(f"  {line}" for line in below)]


def _reasons(network: dict) -> list[str]:
    """Why numbers are missing from the table, for those that are not missing by definition."""
    names: dict[str, dict] = {}
    for entry in network["ablations"][1:]:
        for part in (entry, *entry["controls"]):
            for reason in part.get("undefined", {}).values():
                names.setdefault(reason, {})[name_of(entry["removed"])] = True
    return [f"undefined (–) for {', '.join(one)}: {reason}" for reason, one in names.items()]


# -------------------------------------------------------------- what the page says in its notebook
def say(lines, kind: str = "plain") -> None:
    """Show sentences as a list (`kind` "box": set apart), with everything in them escaped; outside
    IPython print them.
    """
    lines = [lines] if isinstance(lines, str) else list(lines)
    items = [html.escape(line) for line in lines]
    body = f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"
    if len(items) == 1:
        body = f"<p>{items[0]}</p>"
    data = {"text/html": f'<div class="said {kind}">{body}</div>', "text/plain": "\n".join(lines)}
    nb._publish(data, kind="said", lines=lines)


def keep(analysis: Analysis) -> None:
    """Put report and summary into the notebook, unseen, so that `report_in` finds them there."""
    told = {"report": analysis.report, "summary": summary(analysis)}
    nb._publish({"text/plain": ""}, kind="report", **told)


def report_in(notebook: dict) -> tuple[dict, str]:
    """The report that an executed notebook holds, and its summary."""
    (told,) = nb._told(notebook, "report")
    return told["report"], told["summary"]
