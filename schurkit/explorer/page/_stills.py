"""The still pictures: what an explorer shows where no script runs, on paper for example, with the
same in words.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

from schurkit import fourier
from schurkit.ablation import ablate, switched
from schurkit.engine import rollout
from schurkit.explorer.state import Explorer, Setting
from schurkit.metrics import fvu, replay_accuracy
from schurkit.schur import SECTORS
from schurkit.schur.nonnormality import powers

CUT = "#6A3D9A"  # what is cut, and no sector
LINK = "In a browser with script switched on, this is an explorer that can be used."


def ablation_still(
    names: Sequence[str], explorers: Sequence[Explorer], threshold: float
) -> tuple[str | None, str]:
    """The measure of the first network of each task without each sector, beside the control."""
    shown = [
        [explorer.view(Setting(0, threshold, (sector,))) for sector in SECTORS]
        for explorer in explorers
    ]

    def draw(figures):
        size = max(3.0, 2.4 * len(shown)), 2.6
        figure, panels = figures.base.axes(1, len(shown), size, squeeze=False)
        for ax, name, row in zip(panels[0], names, shown):
            for place, view in enumerate(row):
                drawn, grey = view.controls.get("block-upper", ()), figures.base.CONTROL_COLOUR
                figures.plot.column(ax, place + 0.15, drawn, grey, half=0, spread=0, ms=3)
                if np.isfinite(view.value):
                    ax.plot(place - 0.15, view.value, "D", ms=5, color=CUT)
            ax.axhline(row[0].full, color="#222222", lw=1)
            ax.set(title=name, ylabel=row[0].metric)
            ax.set_xticks(range(3), SECTORS)
        return figure

    told = "; ".join(
        f"{name} (network {row[0].label}, {row[0].metric} {row[0].full:.3g}): "
        + ", ".join(f"without {view.name} {view.value:.3g}" for view in row)
        for name, row in zip(names, shown)
    )
    text = (
        "Removing one sector of couplings (violet diamonds) beside block-upper changes of equal "
        f"norm (grey); black line: whole network. {told}."
    )
    return _png(draw), f"{text} {LINK}"


def schur_still(name: str, form) -> tuple[str | None, str]:
    """Growth of the first matrix beside what its eigenvalues say."""
    growth = powers(form.T, 40)
    bound = form.spectral_radius ** np.arange(41)

    def draw(figures):
        figure, ax = figures.base.axes(1, 1, (5.0, 2.8))
        ax.semilogy(growth, color=CUT, label="‖Tᵗ‖")
        ax.semilogy(bound, color="black", ls="--", label="ρᵗ, from the eigenvalues")
        ax.set(xlabel="time t (steps)", title=name)
        ax.legend()
        return figure

    peak = int(np.argmax(growth))
    text = (
        f"{name}: spectral radius {form.spectral_radius:.3g}; the largest growth of a state is "
        f"{growth[peak]:.3g}, at step {peak}."
    )
    return _png(draw), f"{text} {LINK}"


def frequency_still(one, table, keys, pair) -> tuple[str | None, str]:
    """Energy of each frequency in the input table, the waves of one pair, and what is left without
    keys and without all others.
    """
    energies, p = fourier.frequency_energies(table.X), table.p
    every, (a, b) = np.arange(1, len(energies) + 1), pair
    without = [
        fourier.accuracy(fourier.ablated_logits(one, removed))
        for removed in ([], keys, np.setdiff1d(every, keys))
    ]
    logits = table.logits[a, b] - table.logits[a, b].mean()

    def draw(figures):
        figure, (left, right) = figures.base.axes(1, 2, (7.0, 2.6))
        left.bar(every, energies, color=[CUT if k in keys else "#999999" for k in every])
        left.set(xlabel="frequency k", ylabel="share of the energy")
        right.plot(logits, color="#555555")
        right.axvline((a + b) % p, color="black", ls="--", lw=0.8)
        right.set(xlabel="class c", ylabel="logit", title=f"a = {a}, b = {b}")
        return figure

    found = (
        f"For {a} and {b} it says {int(logits.argmax())}; the sum is {(a + b) % p}. It is right on "
        f"{without[0]:.3f} of all pairs, on {without[1]:.3f} without its keys, and on "
        f"{without[2]:.3f} without all the others."
    )
    named = ", ".join(map(str, sorted(keys)))
    text = (
        f"Energy of each frequency in the input table of network {one.labels[0]}; its {len(keys)} "
        f"keys (violet) are {named}. Right: what it says of each class for one pair."
    )
    return _png(draw), f"{text} {found} {LINK}"


def wheel_still(rnn, form, trials) -> tuple[str | None, str]:
    """What is asked for and what is played, whole and without C → R, in one sequence."""
    variants = ablate(rnn, form, [(), ("CR",)])
    outputs = rollout(variants, trials).outputs
    right = replay_accuracy(outputs, trials)
    symbols = trials.inputs.shape[1]

    played = {"asked": trials.targets} | dict(zip(("whole", "without CR"), outputs))
    text = (
        f"A network that plays a sequence of {symbols} symbols from memory, again and again: asked "
        f"for, played by the whole network ({right[0]:.2f} of the signs right) and without C → R "
        f"({right[1]:.2f}): the wrong tune, in rhythm."
    )
    return _png(
        lambda figures: figures.raster(trials, played, steps=4 * symbols).figure
    ), f"{text} {LINK}"


def latches_still(rnn, form, trials, after) -> tuple[str | None, str]:
    """One trial with and without C → R, and the error by when it is off: after a pulse, or else."""
    gone = -form.weights(form.sector("CR"))
    never, always = np.zeros_like(after), np.ones_like(after)
    runs = {
        "whole": never,
        "without CR": always,
        "in the step after a pulse": after,
        "in all other steps": ~after,
    }
    outputs = {name: switched(rnn, gone, when, trials) for name, when in runs.items()}
    error = {name: fvu(found, trials)[0] for name, found in outputs.items()}
    shown = {name: outputs[name][0] for name in ("whole", "without CR")}
    text = (
        f"A flip-flop of {trials.targets.shape[2]} bits: asked for, said by the whole network "
        f"(error {error['whole']:.3f}; 1 is that of always saying the mean) and without C → R "
        f"({error['without CR']:.3f}). Off in the step after a pulse alone: "
        f"{error['in the step after a pulse']:.3f}; off in all other steps alone: "
        f"{error['in all other steps']:.3f}."
    )
    return _png(lambda figures: figures.trial(trials, shown).figure), f"{text} {LINK}"


def integral_still(rnn, form, trials) -> tuple[str | None, str]:
    """One trial with and without C → R, and the error without each sector."""
    names = {"whole": (), **{f"without {sector}": (sector,) for sector in SECTORS}}
    outputs = dict(
        zip(names, rollout(ablate(rnn, form, list(names.values())), trials).outputs[:, None])
    )
    told = ", ".join(f"{name} {fvu(found, trials)[0]:.3f}" for name, found in outputs.items())
    text = (
        "A network that adds up the one of two streams that a context names: asked for, and said "
        f"with and without C → R. Its error (1 is that of always saying the mean): {told}."
    )
    shown = {name: outputs[name][0] for name in ("whole", "without CR")}
    return _png(lambda figures: figures.trial(trials, shown).figure), f"{text} {LINK}"


def _png(draw):
    """The figure of `draw(schurkit.views)` in the book's look; None without matplotlib."""
    try:
        from schurkit import views
    except ImportError:
        return None
    drawn = io.BytesIO()
    with views.plot.style():
        draw(views).savefig(drawn, dpi=110, facecolor="white", metadata={"Software": None})
    return base64.b64encode(drawn.getvalue()).decode()
