"""What a reader's own network can lose: its Schur form and its ablations beside their controls, and
the same as plain data.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

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
from schurkit.ablation.changes import forms_of
from schurkit.checks import InputError, integer, one_of
from schurkit.rnn import RNN, Trials
from schurkit.schur import SchurForm
from schurkit.schur.form import SchurOrderWarning

from .check import Check, check_against, check_fit
from .constraints import constraint_report, defined

SCHEMA = 2
DRAWS = 20
_OF_DRAWS = {"median": 0.5, "low": 0.025, "high": 0.975, "least": 0.0, "most": 1.0}
_EMPTY = "nothing to remove: the sector holds no coupling"
_UNABLATED = "the unablated network diverged"


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was measured of a stack of networks.

    Attributes
    ----------
    rnn : the stack, in float64.
    trials : of its task, or None.
    forms : Schur forms, one a network.
    profile : ablations beside their controls; None without trials.
    check : of the outputs that came with the trials, or None.
    threshold, seed : of sectors and controls.
    assumed : what nobody said of the network.
    weights_sha256 : of its file, or None.
    """

    rnn: RNN
    trials: Trials | None
    forms: list[SchurForm]
    profile: Profile | None
    check: Check | None
    threshold: float
    seed: int
    assumed: tuple[str, ...]
    weights_sha256: str | None

    def profile_of(self, i: int) -> Profile:
        """The profile of one network."""
        rows = ("networks", "intact", "effect", "removed_mass", "n_leading", "radius")
        own = {name: getattr(self.profile, name)[i : i + 1] for name in rows}
        controls = {kind: drawn[i : i + 1] for kind, drawn in self.profile.controls.items()}
        return replace(self.profile, controls=controls, **own)

    @cached_property
    def report(self) -> dict:
        """Everything as plain data; see `analyze`."""
        from schurkit import __version__

        return {
            "schema": SCHEMA,
            "schurkit": __version__,
            "weights_sha256": self.weights_sha256,
            "threshold": self.threshold,
            "seed": self.seed,
            "activation": self.rnn.activation,
            "leak": np.asarray(self.rnn.leak).tolist(),
            "form": self.rnn.form,
            "assumed": list(self.assumed),
            "checked": None if self.check is None else _checked(self.check),
            "networks": [self._network(i) for i in range(len(self.rnn))],
        }

    def _network(self, i: int) -> dict:
        form, label = self.forms[i], self.rnn.labels[i]
        network = {
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
            "constraints": constraint_report(self.rnn.W_rec[i], form),
        }
        if self.profile is None:
            return network
        profile = self.profile_of(i)
        return network | {
            "metric": "fvu",
            "n_trials": len(self.trials),
            "full": defined({"fvu": float(profile.intact[0])}, {"fvu": "the network diverged"}),
            "ablations": [
                _removal(sectors, one, float(profile.intact[0]), form)
                for sectors, one in zip(SUBSETS, removals_of(profile))
            ],
        }


def removals_of(profile: Profile) -> list[Removal]:
    """The removals of a profile of one network after that of nothing."""
    cost = np.where(np.isfinite(profile.intact), 0.0, np.nan)
    return [Removal("none", cost, {}, np.zeros(1), None), *profile]


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
    drawn = (threshold, seed, controls, draws)
    return examine(rnn, trials, outputs, *drawn, force_unchecked, assumed, weights_sha256).report


def examine(
    rnn, trials, outputs, threshold, seed, controls, draws, force_unchecked, assumed, weights_sha256
) -> Analysis:
    """As `analyze`, before it is plain data."""
    seed, draws = integer(seed, "seed", at_least=0), integer(draws, "draws", at_least=1)
    for kind in controls:
        one_of(kind, "control", CONTROLS)
    if trials is None and outputs is not None:
        raise InputError("outputs can only be checked together with the trials they belong to.")
    rnn, check, profile = rnn.astype("float64"), None, None
    if trials is not None:
        check_fit(rnn, trials)
        if not trials.total_variance > 0:
            raise InputError(
                "the unmasked targets do not vary, so that FVU (the fraction of variance "
                "unexplained) is undefined: use other trials."
            )
        if outputs is not None:
            check = check_against(rnn, trials, outputs)
            if not check.ok and not force_unchecked:
                raise InputError(_refusal(check))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchurOrderWarning)  # the report carries what was refused
        forms = forms_of(rnn, threshold=threshold)
    if trials is not None:
        drawn = {"controls": controls, "draws": draws, "seed": seed}
        profile = ablation_profile(rnn, trials, forms=forms, **drawn)
    about = (float(threshold), seed, tuple(assumed), weights_sha256)
    return Analysis(rnn, trials, forms, profile, check, *about)


def _refusal(check: Check) -> str:
    size = f"{check.max_deviation:.3g}, where the largest output is {check.scale:.3g}"
    size = size if np.isfinite(check.max_deviation) else "beyond all bounds"
    return (
        "the network as it was read does not give the outputs that stand in the trials: the "
        f"largest deviation is {size}. "
        f"{check.hint} To go on with a network that is not yours, pass --force-unchecked "
        "(force_unchecked=True)."
    )


# ----------------------------------------------------------------------------------- as plain data
def _checked(check: Check) -> dict:
    entry = {"max_deviation": check.max_deviation, "agrees": check.ok, "hint": check.hint}
    return defined(entry, {"max_deviation": "the network diverged"})


def _removal(sectors, one: Removal, intact: float, form: SchurForm) -> dict:
    """A removal of one network."""
    cost, mass = float(one.cost[0]), float(one.mass[0])
    diverged = "the ablated network diverged" if np.isfinite(intact) else _UNABLATED
    slight = f"next to nothing to remove (removed mass {mass:.0e})" if mass else _EMPTY
    share = matched_share(form, sectors) if mass and "matched" in one.controls else 1.0
    entry = {
        "removed": list(sectors),
        "removed_mass": mass,
        "fvu": intact + cost,
        "delta_fvu": cost,
        "sensitivity": cost / mass if mass >= LEAST_MASS else np.nan,
        "reading": one.readings[0],
        "controls": [
            _control(kind, one, intact, share if kind == "matched" else 1.0)
            for kind in one.controls
        ],
    }
    measured = dict.fromkeys(("fvu", "delta_fvu"), diverged)
    return defined(entry, measured | {"sensitivity": diverged if mass >= LEAST_MASS else slight})


def _control(kind: str, one: Removal, intact: float, share: float) -> dict:
    drawn, held = one.controls[kind][0], one.held[0]
    with np.errstate(invalid="ignore"):  # between draws that diverged
        ends = {
            f"delta_fvu_{name}": float(np.quantile(drawn, level))
            for name, level in _OF_DRAWS.items()
        }
    entry = {"kind": kind, "n": len(drawn) if held else 0, **ends}
    entry |= {"beyond": bool(one.beyond(kind)[0]), "below": bool(one.below(kind)[0])}
    lost = f"{(~np.isfinite(drawn)).sum()} of {len(drawn)} draws diverged"
    why = (lost if np.isfinite(intact) else _UNABLATED) if held else _EMPTY
    return defined(entry | {"norm_share": share}, dict.fromkeys(ends, why))
