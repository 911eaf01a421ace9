"""One setting of a knob, measured at every level at once: behaviour, dynamics, weights, profile,
feature learning, with the untrained null.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from schurkit.ablation import ablation_profile
from schurkit.analyses.features import kernel_alignment, weight_change
from schurkit.checks import InputError
from schurkit.degeneracy import (
    DSA,
    PIF,
    Profiles,
    dsa_distances,
    operators_of,
    pif_distances,
    profile_distances,
)
from schurkit.engine import rollout
from schurkit.rnn import RNN, Trials
from schurkit.training import Trained, initial

from .signs import Sample, pairs, spread


@dataclass(frozen=True)
class Dynamics:
    """How DSA compares: score, rank and delays of the operators, starts of the search, held-out
    trials that drive all networks.

    others : further (delays, rank) under which the distances are computed too, to see whether a
        sign hangs on them.
    """

    rank: int = 10
    delays: int = 5
    starts: int = 16
    trials: int = 48
    score: str = "distance"
    others: tuple[tuple[int, int], ...] = ()

    @property
    def grid(self) -> tuple[tuple[int, int], ...]:
        """All pairs (delays, rank), the main one first."""
        return tuple(dict.fromkeys(((self.delays, self.rank), *self.others)))


@dataclass(frozen=True, eq=False)
class Levels:
    """What was measured in one setting. Only networks that reached the training threshold are in
    it; the null has the same seeds, untrained.

    labels : seeds that count.
    trained : how many networks were trained.
    hidden_size : their units.
    losses, losses_within : (networks,) mean squared error on trials twice as long, and on held-out
        trials as trained.
    dsa, dsa_untrained : (delays, rank) → `DSA`, where the trajectories hold so many directions;
        `lacking` says why not.
    pif, pif_untrained : `PIF`.
    profile : `Profiles` of the ablations, on the signed log scale; None where not asked for.
    change, change_relative : (networks,) ‖W_rec,T − W_rec,0‖_F, of what is trained, and relative to
        ‖W_rec,0‖_F.
    alignment : (networks,) of kernels.
    steps : (networks,) of training.
    norm : (networks,) ‖W_rec‖_F.
    """

    labels: tuple[int, ...]
    trained: int
    hidden_size: int
    losses: np.ndarray
    losses_within: np.ndarray
    dsa: dict[tuple[int, int], DSA]
    dsa_untrained: dict[tuple[int, int], DSA]
    pif: PIF
    pif_untrained: PIF
    profile: Profiles | None
    change: np.ndarray
    change_relative: np.ndarray
    alignment: np.ndarray
    steps: np.ndarray
    norm: np.ndarray
    main: tuple[int, int]
    lacking: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of the trained networks that reached the threshold."""
        return len(self.labels) / self.trained

    def sample(self, measure: str) -> Sample | None:
        """A measure of this setting for `schurkit.studies.contrast`; None where it is undefined
        here. `MEASURES` names them.
        """
        if measure not in MEASURES:
            raise InputError(f"measure must be one of {', '.join(MEASURES)}; got {measure!r}.")
        return MEASURES[measure](self)

    def dsa_sample(
        self, cell: tuple[int, int], score: str, untrained: bool = False
    ) -> Sample | None:
        """Mean DSA over pairs at one (delays, rank), by "distance" or "angle"."""
        found = (self.dsa_untrained if untrained else self.dsa).get(cell)
        return None if found is None else pairs(getattr(found, score), self.labels)

    def row(self) -> dict:
        """Plain scalars of this setting, one a measure, for tables."""
        values = {
            name: sample.value for name in MEASURES if (sample := self.sample(name)) is not None
        }
        resolution = self.dsa[self.main].resolution if self.main in self.dsa else None
        counts = {
            "networks": len(self.labels),
            "trained": self.trained,
            "share": self.share,
            "units": self.hidden_size,
        }
        return {
            **counts,
            "steps": float(self.steps.mean()),
            "DSA resolution (rad)": resolution,
            **values,
        }


MEASURES = {
    "behaviour": lambda s: spread(s.losses, s.labels, "std"),
    "behaviour cv": lambda s: spread(s.losses, s.labels, "cv"),
    "behaviour robust": lambda s: spread(s.losses, s.labels, "robust"),
    "loss": lambda s: spread(s.losses, s.labels, "mean"),
    "loss within": lambda s: spread(s.losses_within, s.labels, "mean"),
    "dynamics": lambda s: s.dsa_sample(s.main, "distance"),
    "dynamics angle": lambda s: s.dsa_sample(s.main, "angle"),
    "dynamics untrained": lambda s: s.dsa_sample(s.main, "distance", untrained=True),
    "weights": lambda s: pairs(s.pif.raw, s.labels),
    "weights per n2": lambda s: pairs(s.pif.per_n2, s.labels),
    "weights relative": lambda s: pairs(s.pif.relative, s.labels),
    "weights untrained": lambda s: pairs(s.pif_untrained.raw, s.labels),
    "weights per n2 untrained": lambda s: pairs(s.pif_untrained.per_n2, s.labels),
    "weights relative untrained": lambda s: pairs(s.pif_untrained.relative, s.labels),
    "norm": lambda s: spread(s.norm, s.labels, "mean"),
    "profile": lambda s: None if s.profile is None else pairs(s.profile.values, s.labels),
    "profile size": lambda s: (
        None if s.profile is None else spread(_sizes(s.profile.effects), s.labels, "mean")
    ),
    "change": lambda s: spread(s.change, s.labels, "mean"),
    "change relative": lambda s: spread(s.change_relative, s.labels, "mean"),
    "alignment": lambda s: spread(s.alignment, s.labels, "mean"),
    "steps": lambda s: spread(s.steps, s.labels, "mean"),
}
"""Name → `Sample` of a `Levels`. "weights" is the paper's distance, "per n2" its scale across
widths; "relative" and all "untrained" are ours.
"""


def levels(
    trained: Trained,
    dynamics: Dynamics | None = None,
    *,
    pif_starts: int = 1,
    profile: bool = True,
    threshold: float = 0.9,
    probes: int = 48,
    test_trials: int = 128,
) -> Levels | None:
    """Measure the networks of one setting that reached the training threshold; None where fewer
    than three did.

    Parameters
    ----------
    trained : of a recipe with `until` (without it, the task's own threshold decides) and a task
        with `out_of_distribution()`.
    dynamics : how DSA compares.
    pif_starts : of the matching of units.
    profile : also measure ablation profiles, with sectors at `threshold`.
    probes : random signals for the kernels.
    test_trials : held-out trials for behaviour and profile.
    """
    dynamics = dynamics or Dynamics()
    reached = (trained.reached if trained.recipe.until else trained.converged) & (
        trained.stopped < 0
    )
    kept = np.flatnonzero(reached)
    if len(kept) < 3:
        return None
    rnn = trained.rnn[kept.tolist()]
    start = initial(trained.task, trained.recipe, rnn.labels)
    drive, few = trained.task.test_trials(dynamics.trials, 1), trained.task.test_trials(8, 2)
    dsa, lacking = _dsa(rnn, drive, dynamics)
    factors = trained.recipe.multipliers
    moved = weight_change(start, rnn, multipliers=factors)
    first = np.linalg.norm(start.W_rec.astype(np.float64), axis=(1, 2)) / factors.get("W_rec", 1.0)
    change = np.array([row.W_rec for row in moved])
    return Levels(
        labels=rnn.labels,
        trained=len(trained.rnn),
        hidden_size=rnn.hidden_size,
        losses=mean_squared_errors(
            rnn, trained.task.out_of_distribution().test_trials(test_trials)
        ),
        losses_within=mean_squared_errors(rnn, trained.task.test_trials(test_trials)),
        dsa=dsa,
        dsa_untrained=_dsa(start, drive, dynamics)[0],
        pif=pif_distances(rnn, starts=pif_starts),
        pif_untrained=_pif_of_starts(
            start.W_rec.tobytes(),
            start.W_rec.shape,
            start.W_rec.dtype.str,
            start.labels,
            pif_starts,
        ),
        profile=_profile(rnn, trained.task.test_trials(test_trials), threshold)
        if profile
        else None,
        change=change,
        change_relative=change / first,
        alignment=np.array(
            [
                row.alignment
                for row in kernel_alignment(start, rnn, few, probes=probes, multipliers=factors)
            ]
        ),
        steps=trained.steps[kept].astype(float),
        norm=np.linalg.norm(rnn.W_rec.astype(np.float64), axis=(1, 2)),
        main=(dynamics.delays, dynamics.rank),
        lacking=lacking,
    )


def mean_squared_errors(rnn: RNN, trials: Trials) -> np.ndarray:
    """(networks,) mean squared error over trials, unmasked steps and outputs."""
    outputs = rollout(rnn, trials).outputs
    kept = trials.counted
    return np.array(
        [float(((one.astype(np.float64) - trials.targets)[kept] ** 2).mean()) for one in outputs]
    )


def _dsa(rnn, drive, dynamics):
    found, lacking = {}, {}
    for delays, rank in dynamics.grid:
        try:
            operators = operators_of(rnn, drive, rank=rank, delays=delays)
        except (
            InputError
        ) as error:  # fewer directions than the rank: said in the chapter, not guessed
            lacking[delays, rank] = str(error)
            continue
        found[delays, rank] = dsa_distances(
            operators, score=dynamics.score, rank=rank, delays=delays, starts=dynamics.starts
        )
    return found, lacking


@lru_cache(maxsize=16)
def _pif_of_starts(content, shape, dtype, labels, starts):
    """Settings of one width start alike: their null is computed once."""
    return replace(
        pif_distances(np.frombuffer(content, dtype).reshape(shape), starts=starts), labels=labels
    )


def _sizes(effects):
    """Root mean square of each network's effects on the signed log scale, (networks,); empty
    sectors left out.
    """
    return np.sqrt(np.nanmean(np.log1p(np.abs(effects)) ** 2, axis=1))


def _profile(rnn, trials, threshold):
    return profile_distances(
        ablation_profile(rnn, trials, threshold=threshold, controls=()), transform="signed log"
    )
