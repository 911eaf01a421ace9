"""One setting of a knob, measured at every level at once: behaviour, dynamics, weights, profile,
feature learning, with the untrained null. What was measured is put beside the trained networks, so
that a study of hours goes on where it was stopped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from operator import attrgetter

import numpy as np

from schurkit.ablation import ablation_profile
from schurkit.analyses.features import kernel_alignment, weight_change
from schurkit.checks import InputError, one_of
from schurkit.degeneracy import (
    DSA,
    PIF,
    Profiles,
    dsa_distances,
    operators_of,
    pif_distances,
    profile_distances,
)
from schurkit.degeneracy.spread import Sample, pairs, spread
from schurkit.engine import rollout
from schurkit.rnn import ARRAYS, RNN, Trials
from schurkit.store import MEASURES, TRAINING, checksum, installed, key_of
from schurkit.tasks.versions import task_version
from schurkit.training import Store, Trained, initial

from .packing import plain, restored


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
        """A measure of this setting, by its name in `SAMPLES`, for `schurkit.studies.contrast`;
        None where it is undefined here.
        """
        return SAMPLES[one_of(measure, "measure", SAMPLES)](self)

    def dsa_sample(
        self, cell: tuple[int, int], score: str, untrained: bool = False
    ) -> Sample | None:
        """Mean DSA over pairs at one (delays, rank), by "distance" or "angle"."""
        dsa = (self.dsa_untrained if untrained else self.dsa).get(cell)
        return None if dsa is None else pairs(getattr(dsa, score), self.labels)

    def row(self) -> dict:
        """Plain scalars of this setting, one a measure, for tables."""
        samples = {name: self.sample(name) for name in SAMPLES}
        dsa = self.dsa.get(self.main)
        return {
            "networks": len(self.labels),
            "trained": self.trained,
            "share": self.share,
            "units": self.hidden_size,
            "steps": float(self.steps.mean()),
            "DSA resolution (rad)": dsa and dsa.resolution,
            **{name: sample.value for name, sample in samples.items() if sample is not None},
        }


def _over_networks(array: str, statistic: str = "mean"):
    read = attrgetter(array)
    return lambda levels: spread(read(levels), levels.labels, statistic)


def _over_pairs(distances: str):
    read = attrgetter(distances)
    return lambda levels: pairs(read(levels), levels.labels)


def _main_dsa(score: str, untrained: bool = False):
    return lambda levels: levels.dsa_sample(levels.main, score, untrained)


def _profile_size(levels):
    """Mean of each network's root mean square effect on the signed log scale, without empty
    sectors.
    """
    sizes = np.sqrt(np.nanmean(np.log1p(np.abs(levels.profile.effects)) ** 2, axis=1))
    return spread(sizes, levels.labels, "mean")


def _of_profile(measure):
    return lambda levels: None if levels.profile is None else measure(levels)


SAMPLES = {
    "behaviour": _over_networks("losses", "std"),
    "behaviour cv": _over_networks("losses", "cv"),
    "behaviour robust": _over_networks("losses", "robust"),
    "loss": _over_networks("losses"),
    "loss within": _over_networks("losses_within"),
    "dynamics": _main_dsa("distance"),
    "dynamics angle": _main_dsa("angle"),
    "dynamics untrained": _main_dsa("distance", untrained=True),
    "weights": _over_pairs("pif.raw"),
    "weights per n2": _over_pairs("pif.per_n2"),
    "weights relative": _over_pairs("pif.relative"),
    "weights untrained": _over_pairs("pif_untrained.raw"),
    "weights per n2 untrained": _over_pairs("pif_untrained.per_n2"),
    "weights relative untrained": _over_pairs("pif_untrained.relative"),
    "norm": _over_networks("norm"),
    "profile": _of_profile(_over_pairs("profile.values")),
    "profile size": _of_profile(_profile_size),
    "change": _over_networks("change"),
    "change relative": _over_networks("change_relative"),
    "alignment": _over_networks("alignment"),
    "steps": _over_networks("steps"),
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
    task, recipe = trained.task, trained.recipe
    reached = trained.reached if recipe.until else trained.converged
    which = np.flatnonzero(reached & (trained.stopped < 0))
    if len(which) < 3:
        return None
    rnn = trained.rnn[which.tolist()]
    start = initial(task, recipe, rnn.labels)
    drive, few, test = (
        task.test_trials(*draw) for draw in ((dynamics.trials, 1), (8, 2), (test_trials,))
    )
    dsa, lacking = _dsa(rnn, drive, dynamics)
    factors = recipe.multipliers
    change = np.array([row.W_rec for row in weight_change(start, rnn, multipliers=factors)])
    aligned = kernel_alignment(start, rnn, few, probes=probes, multipliers=factors)
    effects = ablation_profile(rnn, test, threshold=threshold, controls=()) if profile else None
    W = start.W_rec
    null = _pif_of_starts(W.tobytes(), W.shape, W.dtype.str, start.labels, pif_starts)
    return Levels(
        labels=rnn.labels,
        trained=len(trained.rnn),
        hidden_size=rnn.hidden_size,
        losses=mean_squared_errors(rnn, task.out_of_distribution().test_trials(test_trials)),
        losses_within=mean_squared_errors(rnn, test),
        dsa=dsa,
        dsa_untrained=_dsa(start, drive, dynamics)[0],
        pif=pif_distances(rnn, starts=pif_starts),
        pif_untrained=null,
        profile=profile_distances(effects, transform="signed log") if profile else None,
        change=change,
        change_relative=change / (_norms(W) / factors.get("W_rec", 1.0)),
        alignment=np.array([row.alignment for row in aligned]),
        steps=trained.steps[which].astype(float),
        norm=_norms(rnn.W_rec),
        main=(dynamics.delays, dynamics.rank),
        lacking=lacking,
    )


def _norms(W):
    return np.linalg.norm(W.astype(np.float64), axis=(1, 2))


def mean_squared_errors(rnn: RNN, trials: Trials) -> np.ndarray:
    """(networks,) mean squared error over trials, unmasked steps and outputs."""
    errors = (y.astype(np.float64) - trials.targets for y in rollout(rnn, trials).outputs)
    return np.array([float((error[trials.counted] ** 2).mean()) for error in errors])


def _dsa(rnn, drive, dynamics):
    found, lacking = {}, {}
    for delays, rank in dynamics.grid:
        try:
            operators = operators_of(rnn, drive, rank=rank, delays=delays)
        except InputError as error:  # fewer directions than the rank: said in the chapter
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


# ---------------------------------------------------------------------------------------- the store
SCHEMA = 3
KINDS = {kind.__name__: kind for kind in (Levels, DSA, PIF, Profiles)}


class Measures(Store):
    """What was measured, beside the trained networks, by all that it depends on."""

    again = "measured"

    def name(self, record: dict) -> str:
        return key_of(record)[:32]


def levels_in_store(
    trained: Trained, dynamics: Dynamics | None = None, *, store: Store | None = None, **options
) -> Levels | None:
    """`levels`, from the store if the same was measured before, and put there if not.

    The key holds the weights, the task, the recipe, `dynamics`, all options, the state of our code
    (`schurkit.store.MEASURES`) and the versions of what it computes with. A damaged file is set
    aside with a `StoreWarning` and the setting is measured again.

    Parameters
    ----------
    trained, dynamics, options : of `levels`.
    store : as for training.
    """
    dynamics = dynamics or Dynamics()
    kept, record = (
        Measures((store or Store()).folder / "measured"),
        _record(trained, dynamics, options),
    )
    if there := kept.read(record):
        arrays, found = there
        return restored(found, arrays, KINDS)
    measured, arrays = levels(trained, dynamics, **options), {}
    if measured is not None:
        found = plain(measured, arrays)
        kept.write(record, arrays, found)
    return measured


def _record(trained: Trained, dynamics: Dynamics, options: dict) -> dict:
    arrays = [getattr(trained.rnn, name) for name in ARRAYS]
    arrays += [trained.scores, trained.stopped, trained.steps, trained.reached]
    weights = [f"{array.dtype.str} {array.shape} {checksum(array.tobytes())}" for array in arrays]
    task = trained.task
    record = {
        "schema": SCHEMA,
        "task": {"name": task.name, "class": type(task).__qualname__, **asdict(task)},
        "recipe": trained.recipe.record(),
        "labels": trained.rnn.labels,
        "weights": weights,
        "dynamics": asdict(dynamics),
        "options": options,
        "code": {
            "measures": MEASURES,
            "training": TRAINING["training"],  # the untrained null is started anew
            "task": task_version(task),
        },
        "versions": installed(("numpy", "scipy", "numba")),
    }
    return json.loads(json.dumps(record, default=str))
