"""Dale's law and missing connections: whether a recurrent matrix keeps to them, and what each Schur
ablation does to them.

A Schur removal W̃ = W_rec − Q ΔT Qᵀ (of a leaky network, diag(leak)⁻¹ Q ΔT Qᵀ) knows nothing of
signs and zeros: ΔT is sparse in Schur coordinates, Q ΔT Qᵀ is dense in those of the units.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from schurkit.checks import real_array
from schurkit.schur import SchurForm, real_schur
from schurkit.schur.blocks import frobenius

# signs that must agree beyond chance before a matrix is said to follow Dale's law: random signs do
# so once in 2^10
_BITS = 10


def constraint_report(W_rec: ArrayLike, form: SchurForm | None = None) -> dict:
    """Whether W_rec looks constrained in sign (Dale's law) or in its zeros, and what each of the
    eight removals does to that.

    Column j of W_rec holds what unit j sends, so that Dale's law is one sign a column. For W̃ =
    W_rec − Q ΔT Qᵀ::

        sign violations:  entries of W̃ whose sign is not that of their column of W_rec
        filled zeros:     entries of W̃ that are exactly zero in W_rec and no longer in W̃

    Both beyond rounding, 8 hidden eps ‖W_rec‖_F. Their norm is ‖W̃ on these entries‖_F / ‖W_rec −
    W̃‖_F, in [0, 1]: how much of what the removal changed lies where the constraint allows nothing.
    A random dense change of any size would have √(share of zeros) of its norm on the zeros.

    Parameters
    ----------
    W_rec : (hidden, hidden), columns drive rows.
    form : its Schur form, of a leaky network that of its step matrix; with threshold 0.9 and
        without a leak when left out.

    Returns
    -------
    dict : zeros, zeros_on_diagonal (entries), zero_share (of all); excitatory, inhibitory, mixed,
        silent (columns); dale (no column is mixed, and that is no accident); dale_rows (the same
        for rows: with dale false a sign that W_rec is transposed); removals: a dict for each subset
        of {RR, CR, CC} with removed, sign_violations, sign_violation_share (of all entries),
        sign_violation_norm, filled_zeros, filled_zero_share (of the zeros), filled_zero_norm. What
        is undefined is None, and "undefined" beside it says why.

    Raises
    ------
    InputError : not a square matrix of finite real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> signs = np.where(np.arange(6) < 4, 1.0, -1.0)
    >>> W_rec = np.abs(np.random.default_rng(0).normal(size=(6, 6))) * signs
    >>> found = constraint_report(W_rec)
    >>> found["dale"], found["excitatory"], found["inhibitory"], found["zeros"]
    (True, 4, 2, 0)
    """
    from schurkit.ablation import SUBSETS

    W = real_array(W_rec, "W_rec", ("hidden", "hidden"), dtype=np.float64)
    form = real_schur(W) if form is None else form
    positive, negative = (W > 0).any(axis=0), (W < 0).any(axis=0)
    zeros = W == 0
    report = {
        "zeros": int(zeros.sum()),
        "zeros_on_diagonal": int(np.diag(zeros).sum()),
        "zero_share": float(zeros.mean()),
        "excitatory": int((positive & ~negative).sum()),
        "inhibitory": int((negative & ~positive).sum()),
        "mixed": int((positive & negative).sum()),
        "silent": int((~positive & ~negative).sum()),
        "dale": _one_sign_each(W),
        "dale_rows": _one_sign_each(W.T),
    }
    sign = np.where(positive, 1.0, 0.0) - np.where(negative, 1.0, 0.0) if report["dale"] else None
    report["removals"] = [defined(*_removal(W, form, sectors, sign, zeros)) for sectors in SUBSETS]
    return report


def _one_sign_each(W) -> bool:
    """Whether each column has one sign, with more agreement than random signs would show."""
    entries = np.count_nonzero(W, axis=0)
    mixed = (W > 0).any(axis=0) & (W < 0).any(axis=0)
    return bool(not mixed.any() and np.maximum(entries - 1, 0).sum() >= _BITS)


def _removal(W, form: SchurForm, sectors, sign, zeros) -> tuple[dict, dict]:
    """What a removal does to signs and zeros, and why what is not finite is undefined."""
    from schurkit.ablation import removal

    change = form.weights(removal(form, sectors))
    size = frobenius(change)
    changed = W - change if size else W
    rounding = 8 * len(W) * np.finfo(float).eps * frobenius(W)
    violated = None if sign is None else changed * sign < -rounding
    filled = zeros & (np.abs(changed) > rounding) if zeros.any() else None
    entry, why = {"removed": list(sectors)}, {}
    for name, among, whole, reason in (
        ("sign_violation", violated, W.size, "W_rec does not follow Dale's law"),
        ("filled_zero", filled, zeros.sum(), "W_rec has no zeros"),
    ):
        names = [f"{name}s", f"{name}_share", f"{name}_norm"]
        counts, why_norm = [np.nan] * 3, reason
        if among is not None:
            norm = frobenius(np.where(among, changed, 0.0)) / size if size else np.nan
            counts = [int(among.sum()), float(among.sum() / whole), norm]
            why_norm = "nothing was removed"
        entry |= zip(names, counts)
        why |= zip(names, [reason, reason, why_norm])
    return entry, why


def defined(entry: dict, why: dict[str, str]) -> dict:
    """The entry with None for every number that is not finite, and the reasons under "undefined" if
    there are any.
    """
    lost = [
        name for name, value in entry.items() if isinstance(value, float) and not np.isfinite(value)
    ]
    entry = {name: None if name in lost else value for name, value in entry.items()}
    return entry | ({"undefined": {name: why[name] for name in lost}} if lost else {})


def constraint_line(report: dict) -> str:
    """The report as one line."""
    if not report["dale"] and not report["zeros"]:
        rows = (
            " though every row of one: is W_rec transposed?"
            if report["dale_rows"]
            else ", no exact zeros"
        )
        return f"no constraint seen on the weights: columns of both signs{rows}"
    parts, effects = [], []
    if report["dale"]:
        signs = f"{report['excitatory']} excitatory, {report['inhibitory']} inhibitory columns"
        parts.append(f"Dale's law ({signs})")
        effects.append(_effect(report, "turns", "sign_violation", "signs"))
    elif report["dale_rows"]:
        parts.append("one sign in every row, not column (is W_rec transposed?)")
    if report["zeros"]:
        where = ", all on the diagonal" if report["zeros"] == report["zeros_on_diagonal"] else ""
        parts.append(f"{100 * report['zero_share']:.3g} % exact zeros{where}")
        effects.append(_effect(report, "fills", "filled_zero", "zeros"))
    effect = f"; removing all couplings {' and '.join(effects)}" if effects else ""
    return f"constraints: {', '.join(parts)}{effect}"


def _effect(report: dict, verb: str, name: str, what: str) -> str:
    last = report["removals"][-1]
    share, norm = last[f"{name}_share"], last[f"{name}_norm"]
    part = "" if norm is None else f" ({norm:.2g} of the removed norm)"
    return f"{verb} {100 * share:.3g} % of the {what}{part}"
