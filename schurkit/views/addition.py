"""Networks that add: one unit, all units by frequency, the course of training, and what is left
without frequencies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schurkit.fourier import Tables, frequencies_needed, pair_spectrum, unit_waves
from schurkit.words import listed, short, span

from . import plot
from .base import CONTROL_COLOUR, INK, View, axes, rows, styled

INDIGO, GOLD, PURPLE, *_ = plot.SERIES
ACTIVE = 1e-3
"""A unit is drawn if it carries at least this part of what the one that carries most does."""
WAVES = 0.8
"""From this explained share of its state on a unit is said to hear, hold and say waves."""


@styled
def unit(table: Tables, which: int | None = None) -> View:
    """The waves that one unit hears, what it makes of them and the wave that it says, all numbers
    in the order of its frequency.

    Parameters
    ----------
    table : of one network, from `schurkit.fourier.tables`.
    which : the unit; by default the one that carries most.
    """
    waves = unit_waves(table)
    which = int(waves.weight.argmax()) if which is None else which
    k = int(waves.frequency[which])
    turn = np.argsort(k * np.arange(table.p) % table.p)
    figure, (left, middle, right) = axes(1, 3, (7.6, 2.6))
    left.plot(table.A[turn, which], color=INDIGO, label="A, of a")
    left.plot(table.X[turn, which], color=PURPLE, label="X, of b")
    left.set(xlabel=f"{k} a, {k} b mod p", title="two waves in")
    left.legend()
    state = table.h2[np.ix_(turn, turn)][:, :, which]
    middle.imshow(state, cmap="cividis", origin="lower")
    middle.set(xlabel=f"{k} b mod p", ylabel=f"{k} a mod p", title="h₂, the state")
    right.plot(table.W_out[turn, which], color=GOLD)
    right.set(xlabel=f"{k} c mod p", title="a wave out: W_out")
    explained = waves.fve[which]
    told = (
        f"two waves of frequency {k} go in, a bump over both numbers is the state, one wave goes "
        "out"
        if explained >= WAVES
        else f"what it hears, holds and says, in the order of frequency {k}"
    )
    alt = f"Unit {which}: {told}. Nine products of the waves explain {short(explained)} of it."
    columns = {name: getattr(table, name)[:, which] for name in ("A", "X", "W_out")}
    return View(figure, alt, rows({"residue": range(table.p)} | columns))


@styled
def units(table: Tables, keys: Sequence[int]) -> View:
    """All active units sorted by frequency and phase: how much of each key frequency they hear and
    say, and the phase law.

    Parameters
    ----------
    table : of one network, from `schurkit.fourier.tables`.
    keys : its key frequencies.
    """
    waves, keys = unit_waves(table), np.sort(keys)
    order = np.lexsort((np.angle(waves.second), waves.frequency))
    order = order[waves.weight[order] > ACTIVE * waves.weight.max()]
    figure, grid = axes(2, 2, (7.6, 4.6))
    said = {"X, the second number": table.X, "A, the first number": table.A}
    for ax, (name, M) in zip(grid.flat, (said | {"W_out, the answer": table.W_out}).items()):
        size = np.abs(np.fft.fft(M, axis=0))[keys][:, order]
        ax.imshow(size / size.max(), aspect="auto", cmap="Greys", interpolation="nearest")
        ax.set(title=name, xlabel="units, sorted", ylabel="frequency")
        ax.set_yticks(range(len(keys)), keys)
    ax = grid[1, 1]
    phases = [np.angle(z[order]) / np.pi for z in (waves.first * waves.second, waves.readout)]
    for k, colour in zip(keys, plot.level_colours(len(keys))):
        mine = waves.frequency[order] == k
        ax.plot(*(x[mine] for x in phases), "o", ms=3, color=colour, label=str(k))
    ax.plot([-1, 1], [-1, 1], color=INK, lw=0.6, zorder=0)
    ax.set(xlabel="phase(A) + phase(X), in π", ylabel="phase(W_out), in π", title="the phase law")
    ax.legend(title="frequency", fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    alt = (
        f"{len(order)} units. Resultant of the phase law {short(waves.resultant, '.4f')}; the unit "
        f"furthest from it misses it by {short(np.abs(waves.gap[order]).max(), '.2f')} rad."
    )
    data = {"unit": order, "frequency": waves.frequency[order], "phase A + phase X": phases[0]}
    return View(figure, alt, rows(data | {"phase W_out": phases[1], "FVE": waves.fve[order]}))


@styled
def progress(courses: Sequence[Mapping], marks: Sequence[Mapping]) -> View:
    """Networks in training, a column each: accuracies, and below loss without the keys, Gini
    coefficient and norm; the steps of `marks` are dotted.

    Parameters
    ----------
    courses : of each network, from `schurkit.fourier.progress`.
    marks : of each, phase → step or None.
    """
    figure, grid = axes(2, len(courses), (2.6 + 1.8 * len(courses), 4.2), squeeze=False)
    looks = {
        "training": INDIGO,
        "unseen": GOLD,
        "keys alone": PURPLE,
        "random alone": CONTROL_COLOUR,
    }
    for (top, low), course, steps in zip(grid.T, courses, marks):
        for name, colour in looks.items():
            top.plot(course["step"], course[name], color=colour, label=name)
        for name, colour in (("excluded loss", INDIGO), ("Gini", PURPLE), ("norm", GOLD)):
            low.plot(course["step"], course[name] / np.max(course[name]), color=colour, label=name)
        for ax in (top, low):
            for step in filter(None, steps.values()):
                ax.axvline(step, color=INK, lw=0.7, ls=":")
            ax.set_xscale("symlog", linthresh=20)
            ticks = [t for t in (0, 100, 1000, 10000) if t <= max(course["step"])]
            ax.set(xlim=(0, None), ylim=(-0.02, 1.05), xticks=ticks)
        top.set_title(f"seed {course['seed'][0]}")
        low.set_xlabel("training step")
    for ax, name in zip(grid[:, 0], ("accuracy", "size, largest 1")):
        ax.set_ylabel(name)
        ax.legend(fontsize=7)
    each = (
        f"seed {course['seed'][0]}: "
        + listed([f"{phase} at step {step or '–'}" for phase, step in steps.items()])
        for course, steps in zip(courses, marks)
    )
    return View(figure, "; ".join(each) + ".", [row for one in courses for row in rows(one)])


@styled
def removals(found) -> View:
    """Accuracy without frequencies: of the first network by how many go, of all by how many keys
    are left, and without one key by how many a network has.

    Parameters
    ----------
    found : DataFrame of `schurkit.fourier.FrequencyRow`, with a column "keys", how many the network
        has.
    """
    figure, (left, middle, right) = axes(1, 3, (7.6, 2.8), sharey=True)
    first = found[found.network == found.network.iloc[0]]
    found = found.assign(left=found["keys"] - found.removed)
    for (kind, where), part in first[first.removed <= first["keys"]].groupby(["kind", "where"]):
        line = part.groupby("removed").accuracy.agg(["mean", "min", "max"])
        colour = {"input": INDIGO, "hidden": PURPLE}[where] if kind == "key" else CONTROL_COLOUR
        if kind == "key" or where == "input":
            look = {"marker": ".", "label": f"{kind}, {where}"}
            plot.band(left, line.index, *line.to_numpy().T, colour, 0.2, **look)
    keys = found[(found.kind == "key") & (found["where"] == "input")]
    by_left = keys.pivot_table(index="left", columns="network", values="accuracy")
    middle.plot(by_left.index, by_left, ".-", lw=0.9, ms=3, color=INDIGO, alpha=0.6)
    one = (
        keys[keys.removed == 1].groupby("network").agg({"accuracy": ["mean", "min"], "keys": "max"})
    )
    for how, mark, colour, name in (("mean", "o", INDIGO, "mean"), ("min", "v", GOLD, "worst key")):
        look = {"color": colour, "alpha": 0.6, "label": name}
        right.plot(one["keys", "max"], one["accuracy", how], mark, **look)
    right.set_xticks(np.arange(found["keys"].min() - 1, found["keys"].max() + 2))
    left.set(xlabel="frequencies removed", ylabel="accuracy", ylim=(-0.02, 1.05))
    middle.set(xlabel="key frequencies left", title="all networks, input")
    right.set(xlabel="key frequencies of a network", title="without one key, input")
    for ax in (left, right):
        ax.legend(fontsize=7)
    mean = by_left.mean(axis=1)
    alt = "Mean accuracy by keys left: " + ", ".join(f"{k} {short(x)}" for k, x in mean.items())
    groups = found.groupby(["network", "where", "kind", "keys", "removed"]).accuracy
    return View(figure, alt + ".", groups.agg(["mean", "min", "max", "count"]).reset_index())


@styled
def frequencies(spectra: Mapping, labels: Sequence, key_share: float) -> View:
    """Energy of each frequency, of the first network as bars and before it as dots, and cumulated
    from the strongest down, of all.

    Parameters
    ----------
    spectra : name → (networks, frequencies) shares, from `schurkit.fourier.frequency_energies`;
        the first as bars, the second as dots.
    labels : of the networks.
    key_share : from which a frequency is a key.
    """
    figure, (left, right) = axes(1, 2, (7.4, 2.8), width_ratios=[1.6, 1])
    (first, bars), (second, dots) = list(spectra.items())[:2]
    every = np.arange(1, bars.shape[1] + 1)
    left.bar(every, bars[0], color=INDIGO, label=first)
    left.plot(every, dots[0], ".", ms=4, color=CONTROL_COLOUR, label=second)
    left.axhline(key_share, color=INK, lw=0.8, ls=":", label="key frequency")
    left.set(xlabel="frequency k", ylabel="share of the energy")
    for (name, shares), colour in zip(spectra.items(), (INDIGO, CONTROL_COLOUR, GOLD)):
        held = np.cumsum(np.sort(shares)[:, ::-1], axis=1)
        right.plot(every, held.T, color=colour, lw=1, alpha=0.7)
        right.plot([], color=colour, label=name)
    right.set(xlabel="strongest frequencies", ylabel="cumulated", xscale="log", ylim=(0, 1.02))
    for ax in (left, right):
        ax.legend(fontsize=8)
    needed = (f"{name} {span(frequencies_needed(shares))}" for name, shares in spectra.items())
    data = []
    for name, shares in spectra.items():
        data += rows({"network": list(labels), "table": name} | dict(enumerate(shares.T, 1)))
    return View(figure, f"Frequencies that hold 95 %: {'; '.join(needed)}.", data)


@styled
def pairs(table: Tables, keys: Sequence[int]) -> View:
    """Energy of the logits by the frequency in a and in b, each pair's mean over classes taken
    away: a function of a + b lies on the diagonal.

    Parameters
    ----------
    table : of one network, from `schurkit.fourier.tables`.
    keys : its key frequencies.
    """
    logits = table.logits - table.logits.mean(axis=2, keepdims=True)
    shares, keys = pair_spectrum(logits), np.sort(keys)
    figure, ax = axes(1, 1, (3.8, 3.2))
    drawn = np.log10(np.maximum(shares, 1e-8))
    image = ax.imshow(drawn, cmap="viridis", origin="lower", interpolation="nearest")
    ax.set(xlabel="frequency in b", ylabel="frequency in a")
    figure.colorbar(image, ax=ax, label="log₁₀ share of the energy")
    alt = (
        f"Points on the diagonal at {listed([str(k) for k in keys])} hold "
        f"{short(shares[keys, keys].sum())} of the energy."
    )
    i, j = np.nonzero(shares > 1e-5)
    return View(figure, alt, rows({"in a": i, "in b": j, "share": shares[i, j]}))
