"""Profiles whose sectors are cut at several thresholds."""

from __future__ import annotations

from collections.abc import Sequence

from ..metrics import Metric
from ..rnn import RNN, Trials
from ..schur import SchurForm, real_schur
from .profile import Profile, ablation_profile


def threshold_sweep(
    networks: RNN,
    trials: Trials,
    levels: Sequence[float],
    *,
    metric: str | Metric = "fvu",
    forms: Sequence[SchurForm] | None = None,
    subsets: Sequence[Sequence[str]] = (("RR",), ("CR",), ("CC",), ("RR", "CR", "CC")),
    engine: str = "auto",
) -> dict[float, Profile]:
    """Profiles without controls whose sectors are cut at several thresholds; a network is run once for each different number of units in R.

    Parameters
    ----------
    networks, trials, metric, subsets, engine : as in `ablation_profile`.
    levels : thresholds, each from 0 to 1.
    forms : Schur forms, one a network, whose order is kept; their own threshold is not used.

    Returns
    -------
    Profile by threshold.
    """
    forms = [real_schur(W, leak=networks.leak) for W in networks.W_rec] if forms is None else list(forms)
    known: dict[tuple, Profile] = {}

    def one(position, level):
        cut = forms[position].with_threshold(float(level))
        if (position, cut.n_leading) not in known:
            asked = {"metric": metric, "forms": [cut], "subsets": subsets, "controls": (), "engine": engine}
            known[position, cut.n_leading] = ablation_profile(networks[position], trials, **asked)
        return known[position, cut.n_leading]

    return {float(level): Profile.stack([one(position, level) for position in range(len(networks))]) for level in levels}
