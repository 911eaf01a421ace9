"""What a reader's own network can lose: its Schur form and its ablations beside their controls, as
plain data.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schurkit.ablation import (
    CONTROLS,
    DECIDING,
    LEAST_MASS,
    SUBSETS,
    Profile,
    Removal,
    ablation_profile,
    matched_share,
)
from schurkit.checks import InputError, integer, one_of
from schurkit.rnn import RNN, Trials
from schurkit.schur.form import SchurForm, SchurOrderWarning, real_schur

from .check import Check, check_against, check_fit
from .constraints import constraint_report, defined

SCHEMA = 2
DRAWS = 20
_OF_DRAWS = {"median": 0.5, "low": 0.025, "high": 0.975, "least": 0.0, "most": 1.0}
_EMPTY = "nothing to remove: the sector holds no coupling"


@dataclass(frozen=True, eq=False)
class Analysis:
    """A report, and what it was written from.

    Attributes
    ----------
    report : what `analyze` returns.
    forms : Schur forms, one a network.
    profiles : ablation profiles, one a network; none without trials.
    """

    report: dict
    forms: list[SchurForm]
    profiles: list[Profile]


def analyze(
    rnn: RNN,
    trials: Trials | None = None,
    outputs=None,
    *,
    threshold: float = 0.9,
    seed: int = 0,
    controls: Sequence[str] = DECIDING,
    draws: int = DRAWS,
    force_unchecked: bool = False,
    assumed: Sequence[str] = (),
    weights_sha256: str | None = None,
) -> dict:
    """The Schur profile of a network as plain data: everything that `schurkit analyze --json`
    writes.

    Parameters
    ----------
    rnn : a network or a stack; analysed in float64 whatever its dtype.
    trials : trials of its task; without them only the Schur form is described.
    outputs : what the reader's own code gave for the trials. They are compared first
        (`check_against`).
    threshold : of the sectors: R holds the blocks of modulus ≥ threshold × the largest, per time
        constant (`schurkit.real_schur`).
    seed, controls, draws : of the random changes of equal norm beside each removal
        (`schurkit.control_changes`). How a removal reads is decided by "permuted" and "matched"
        together.
    force_unchecked : go on where the outputs disagree; the result says so.
    assumed : what the file did not say ("activation", …).
    weights_sha256 : of the file. Both are passed on.

    Returns
    -------
    dict of plain numbers, words, lists and None: a number that is undefined is None, and
    "undefined" beside it says why. Each of a network's "ablations" holds its "reading" (one of
    `schurkit.ablation.READINGS`) and its "controls": the spread of their draws, and whether the
    removal costs more ("beyond") or less ("below") than every one. "cut" is the least modulus in R;
    "near_cut" lists blocks within 2 % a time constant.

    Raises
    ------
    InputError : trials that do not fit, targets that do not vary (FVU is undefined), or outputs
        that disagree.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN
    >>> report = analyze(RNN(np.ones((3, 1)), np.diag([0.9, 0.5, 0.2]), np.ones((1, 3))))
    >>> report["networks"][0]["n_leading"], report["checked"]
    (1, None)
    """
    options = {
        "threshold": threshold,
        "seed": seed,
        "controls": controls,
        "draws": draws,
        "force_unchecked": force_unchecked,
    }
    return examine(
        rnn, trials, outputs, **options, assumed=assumed, weights_sha256=weights_sha256
    ).report


def examine(
    rnn,
    trials=None,
    outputs=None,
    *,
    threshold=0.9,
    seed=0,
    controls=DECIDING,
    draws=DRAWS,
    force_unchecked=False,
    assumed=(),
    weights_sha256=None,
) -> Analysis:
    """As `analyze`, with the forms and the profiles behind the report."""
    from schurkit import __version__

    seed, draws = integer(seed, "seed", at_least=0), integer(draws, "draws", at_least=1)
    for kind in controls:
        one_of(kind, "control", CONTROLS)
    if trials is None and outputs is not None:
        raise InputError("outputs can only be checked together with the trials they belong to.")
    rnn = rnn.astype("float64")
    checked, profiles = None, []
    if trials is not None:
        check_fit(rnn, trials)
        _check_targets(trials)
        if outputs is not None:
            checked = _checked(check_against(rnn, trials, outputs), force_unchecked)
    forms = [_form(W, threshold, rnn.leak) for W in rnn.W_rec]
    of_each = zip(rnn.labels, rnn.W_rec, forms)
    networks = [
        _structure(label, form) | {"constraints": constraint_report(W, form)}
        for label, W, form in of_each
    ]
    if trials is not None:
        profiles = [
            ablation_profile(one, trials, forms=[form], controls=controls, draws=draws, seed=seed)
            for one, form in zip(rnn, forms)
        ]
        networks = [
            network | _measured(profile, form, len(trials))
            for network, form, profile in zip(networks, forms, profiles)
        ]
    report = {
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
    return Analysis(report, forms, profiles)


def _check_targets(trials: Trials) -> None:
    if not trials.total_variance > 0:
        raise InputError(
            "the unmasked targets do not vary, so that FVU (the fraction of variance unexplained) "
            "is undefined: use other trials."
        )


def _checked(check: Check, force: bool) -> dict:
    finite = np.isfinite(check.max_deviation)
    if not check.ok and not force:
        size = (
            f"{check.max_deviation:.3g}, where the largest output is {check.scale:.3g}"
            if finite
            else "beyond all bounds"
        )
        raise InputError(
            "the network as it was read does not give the outputs that stand in the trials: the "
            f"largest deviation is {size}. {check.hint} "
            "To go on with a network that is not yours, pass --force-unchecked "
            "(force_unchecked=True)."
        )
    found = {
        "max_deviation": check.max_deviation if finite else None,
        "agrees": check.ok,
        "hint": check.hint,
    }
    return found if finite else found | {"undefined": {"max_deviation": "the network diverged"}}


def _form(W_rec, threshold, leak):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchurOrderWarning)  # the report carries what was refused
        return real_schur(W_rec, threshold, leak=leak)


def _structure(label, form) -> dict:
    return {
        "label": label if isinstance(label, (int, str)) else str(label),
        "hidden_size": form.hidden_size,
        "spectral_radius": form.spectral_radius,
        "n_leading": form.n_leading,
        "cut": form.cut,
        "near_cut": list(form.near_cut),
        "norms": form.norms(),
        "henrici": form.henrici,
        "blocks": [[block.start, block.size, block.modulus] for block in form.blocks],
        "refused": list(form.refused),
    }


def _measured(profile: Profile, form: SchurForm, n_trials: int) -> dict:
    """What the trials add to a network: its error, and its eight removals, of which the first
    removes nothing.
    """
    intact = float(profile.intact[0])
    none = Removal(
        "none", np.array([0.0 if np.isfinite(intact) else np.nan]), {}, np.zeros(1), None
    )
    removals = [none, *profile]
    return {
        "metric": "fvu",
        "n_trials": n_trials,
        "full": defined({"fvu": intact}, {"fvu": "the network diverged"}),
        "ablations": [
            _removal(sectors, one, intact, form) for sectors, one in zip(SUBSETS, removals)
        ],
    }


def _removal(sectors, one: Removal, intact: float, form: SchurForm) -> dict:
    delta, mass = float(one.cost[0]), float(one.mass[0])
    diverged = f"the {'ablated' if np.isfinite(intact) else 'unablated'} network diverged"
    slight = _EMPTY if mass == 0 else f"next to nothing to remove (removed mass {mass:.0e})"
    entry = {
        "removed": list(sectors),
        "removed_mass": mass,
        "fvu": intact + delta,
        "delta_fvu": delta,
        "sensitivity": delta / mass if mass >= LEAST_MASS else np.nan,
        "reading": one.readings[0],
        "controls": [
            _control(
                kind,
                one,
                intact,
                matched_share(form, sectors) if kind == "matched" and mass else 1.0,
            )
            for kind in one.controls
        ],
    }
    return defined(
        entry,
        {
            "fvu": diverged,
            "delta_fvu": diverged,
            "sensitivity": diverged if mass >= LEAST_MASS else slight,
        },
    )


def _control(kind: str, one: Removal, intact: float, share: float) -> dict:
    drawn = one.controls[kind][0]
    entry = {"kind": kind, "n": len(drawn) if one.held[0] else 0}
    with np.errstate(invalid="ignore"):  # between draws that diverged
        entry |= {
            f"delta_fvu_{name}": float(np.quantile(drawn, level))
            for name, level in _OF_DRAWS.items()
        }
    entry |= {
        "beyond": bool(one.beyond(kind)[0]),
        "below": bool(one.below(kind)[0]),
        "norm_share": share,
    }
    lost = (
        f"{(~np.isfinite(drawn)).sum()} of {len(drawn)} draws diverged"
        if np.isfinite(intact)
        else "the unablated network diverged"
    )
    why = lost if one.held[0] else _EMPTY
    return defined(entry, {f"delta_fvu_{name}": why for name in _OF_DRAWS})
