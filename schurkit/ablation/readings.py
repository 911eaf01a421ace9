"""How the removal of one group of couplings reads, network by network, beside the controls that
decide it.

    harmless     the cost is under 1 % of what there is to lose (from intact to chance)
    specific     costs more than every permuted and every matched draw: the entries matter
    located      more than every matched draw, not more than every permuted one: any change in
                 that place costs as much
    unspecific   not more than every matched draw: any change of that size and shape costs as much
    milder       less than every draw of both, though it costs
    ∅            the sector holds no coupling: no effect, which is another thing than an effect of
                 zero
    nearly ∅     it holds less than 1 % of ‖T‖: too little to be called anything
    undefined    a cost that cannot be measured, a control that was not drawn, or nothing to lose
                 and no change, of the removal or of any draw

The readings are ours; each needs both deciding controls, and no text reads one of them alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from schurkit.checks import one_of
from schurkit.intervals import Interval, over_networks, share
from schurkit.words import short, with_interval

from .changes import DECIDING

READINGS = ("harmless", "specific", "located", "unspecific", "milder", "nearly ∅", "∅", "undefined")
MEANING = {
    "harmless": "it costs under 1 % of what there is to lose",
    "specific": "it costs more than every change of equal size, in its place or elsewhere, so its "
    "entries matter",
    "located": "it costs more than changes of equal size elsewhere, and no more than others in "
    "its place",
    "unspecific": "changes of equal size and shape elsewhere cost as much",
    "milder": "it costs less than every change of equal size",
    "nearly ∅": "there is too little in it to be called anything",
}
"""What each reading says, after the name of a removal."""
HARMLESS = 0.01
"""Share of what there is to lose below which a removal is harmless."""
NEARLY_EMPTY = 0.01
"""Removed mass below which a sector is nearly empty."""


@dataclass(frozen=True, eq=False)
class Removal:
    """One removal of a `Profile`.

    Attributes
    ----------
    name : "RR", "RR+CR", …
    cost : (networks,) change of the metric in the direction of worse.
    controls : by kind, (networks, draws) the same for random changes of equal norm.
    mass : (networks,) removed mass.
    to_lose : (networks,) what there is to lose, from intact to chance; None where chance is
        unknown.
    """

    name: str
    cost: np.ndarray
    controls: dict[str, np.ndarray]
    mass: np.ndarray
    to_lose: np.ndarray | None

    @property
    def held(self) -> np.ndarray:
        """(networks,) whether there was anything to remove."""
        return self.mass > 0

    @property
    def full(self) -> np.ndarray:
        """(networks,) whether the removal takes at least 1 % of ‖T‖, so that it can be read."""
        return self.mass >= NEARLY_EMPTY

    @property
    def mean(self) -> Interval | None:
        """Mean cost over the networks in which there was something to remove and that can be
        measured; None without any.
        """
        kept = self.cost[self.held & np.isfinite(self.cost)]
        return over_networks(kept) if len(kept) else None

    def excess(self, kind: str) -> Interval | None:
        """The cost minus the mean cost of its control, over the same networks: above 0, the removal
        is worse than a change of its size must be.
        """
        drawn = self.controls[one_of(kind, "control", self.controls)].mean(axis=1)
        kept = self.held & np.isfinite(self.cost) & np.isfinite(drawn)
        return over_networks((self.cost - drawn)[kept]) if kept.any() else None

    def beyond(self, kind: str) -> np.ndarray:
        """(networks,) whether the removal costs more than every draw of that control: by chance 1
        time in draws + 1.
        """
        return self._against(kind, np.greater)

    def below(self, kind: str) -> np.ndarray:
        """(networks,) whether the removal costs less than every draw of that control."""
        return self._against(kind, np.less)

    def _against(self, kind, comes):
        """A draw that equals the removal to rounding, as one of few entries may, is on no side."""
        cost, drawn = self.cost[:, None], self.controls[one_of(kind, "control", self.controls)]
        apart = ~np.isclose(cost, drawn, rtol=1e-5, atol=1e-7)
        return self.held & (comes(cost, drawn) & apart).all(axis=1)

    def share_beyond(self, kind: str) -> Interval | None:
        """The share of networks in which the removal is beyond that control, of those in which
        there was something to remove.
        """
        return share(self.beyond(kind)[self.held]) if self.held.any() else None

    @property
    def readings(self) -> tuple[str, ...]:
        """How the removal reads in each network, one of `READINGS` (the module says what they
        mean).
        """
        known = all(kind in self.controls for kind in DECIDING)
        beyond, below = (
            np.array([against(kind) for kind in DECIDING]) if known else None
            for against in (self.beyond, self.below)
        )
        return tuple(self._reading(i, beyond, below) for i in range(len(self.cost)))

    def _reading(self, i, beyond, below):
        if not self.held[i]:
            return "∅"
        if self.mass[i] < NEARLY_EMPTY:
            return "nearly ∅"
        if np.isnan(self.cost[i]):
            return "undefined"
        to_lose = 0 if self.to_lose is None else self.to_lose[i]
        if to_lose > 0 and self.cost[i] < HARMLESS * to_lose:
            return "harmless"
        if beyond is None or not (self.cost[i] or any(c[i].any() for c in self.controls.values())):
            return "undefined"  # nothing was drawn, or nothing drawn changes what is measured
        if beyond[1, i]:
            return "specific" if beyond[0, i] else "located"
        return "milder" if below[:, i].all() else "unspecific"

    @property
    def counts(self) -> dict[str, int]:
        """Networks by reading, the most frequent first."""
        return dict(Counter(self.readings).most_common())

    def row(self, metric: str) -> dict:
        """The removal as a row of words, for tables."""
        counts, n, row = self.counts, int(self.held.sum()), {}
        for kind, costs in self.controls.items():
            drawn = costs[self.held & np.isfinite(costs).all(axis=1)]
            row[kind] = short(float(np.mean(drawn))) if len(drawn) else "–"
        for kind in DECIDING:
            if kind in self.controls:
                row[f"beyond {kind}"] = f"{int(self.beyond(kind).sum())}/{n}"
        several = ", ".join(f"{word} {count}" for word, count in counts.items())
        return {
            "removed": self.name,
            "n": n,
            "mass": short(self.mass.mean(), ".3f"),
            f"cost ({metric})": with_interval(self.mean),
            **row,
            "reads": several if len(counts) > 1 else self.readings[0],
        }
