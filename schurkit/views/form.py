"""The ordered Schur form of a network: its spectrum and its matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schurkit.schur import SchurForm
from schurkit.words import plural, short, span

from . import plot
from .base import View, axes, rows, styled


@styled
def schur(
    forms: SchurForm | Sequence[SchurForm],
    *,
    labels: Sequence | None = None,
    roots: int = 0,
) -> View:
    """Spectrum and |T| of the first network, and how many units stand in R in all of them.

    Parameters
    ----------
    forms : of one network or of several.
    labels : of the networks.
    roots : spokes towards the roots of unity of that order, behind the spectrum.
    """
    forms = [forms] if isinstance(forms, SchurForm) else list(forms)
    form, labels = forms[0], range(len(forms)) if labels is None else labels
    several = len(forms) > 1
    ratios = [1, 1.15, 0.55][: 2 + several]
    figure, row = axes(1, 2 + several, (7.2 if several else 6.0, 3.0), width_ratios=ratios)
    for spoke in 1.12 * np.exp(2j * np.pi * np.arange(roots) / max(roots, 1)):
        row[0].plot([0, spoke.real], [0, spoke.imag], color="#D0D0D0", lw=0.8, zorder=0)
    _spectrum(form, row[0])
    plot.schur_matrix(form, row[1])
    counts = np.array([one.n_leading for one in forms])
    if several:
        plot.dots([counts], [f"n = {len(forms)}"], row[2], colour="#555555")
        row[2].set(title="units in R", xlim=(-0.6, 0.6), ylim=(0, max(counts) + 2))
    norms = form.norms()
    alt = (
        f"Eigenvalues in the complex plane, {form.n_leading} of "
        f"{plural(form.hidden_size, 'unit')} in R, radius {short(form.radius)}; "
        f"a map of |T| with Frobenius norms "
        + ", ".join(f"{part} {short(norms[part])}" for part in ("RR", "CR", "CC", "B"))
    )
    if several:
        alt += f"; units in R over {plural(len(forms), 'network')}: {span(counts)}"
    data = [
        {"network": label, "units in R": one.n_leading, "radius": one.radius, **one.norms()}
        for label, one in zip(labels, forms)
    ]
    return View(figure, f"{alt}.", data)


@styled
def spectrum(form: SchurForm, step: float = 1.0) -> View:
    """The eigenvalues of one network: R filled, C open, with the cut between them and the unit
    circle.

    Parameters
    ----------
    form : its Schur form.
    step : its mean leak ā where eigenvalues λ are to stand per time constant, at 1 + (λ − 1)/ā.
    """
    figure, ax = axes(1, 1, (3.4, 3.4))
    _spectrum(form, ax, step)
    values = plot.per_time_constant(form.eigenvalues, step)
    where = (
        f"{form.n_leading} of {plural(form.hidden_size, 'unit')} in R, radius "
        f"{short(form.radius)}, cut at {short(form.cut)}"
    )
    sector = np.where(np.arange(len(values)) < form.n_leading, "R", "C")
    data = rows({"real": values.real, "imaginary": values.imag, "sector": sector})
    return View(figure, f"Eigenvalues in the complex plane: {where}.", data)


def _spectrum(form, ax, step=1.0):
    plot.spectrum(form, ax, step)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2, fontsize=7)
