"""One setting of a knob, measured at every level at once: behaviour, dynamics, weights, profile,
feature learning, each beside its nulls. What was measured is put beside the trained networks, so
that a study of hours goes on where it was stopped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache

import numpy as np

from schurkit.ablation import ablation_profile
from schurkit.analyses.features import kernel_alignment, weight_change
from schurkit.checks import InputError, one_of
from schurkit.degeneracy import (
    DSA,
    PIF,
    Profiles,
    Shapes,
    dsa_distances,
    hidden_trajectories,
    operators_of,
    pif_distances,
    profile_distances,
    shape_distances,
)
from schurkit.degeneracy.nulls import side_by_side
from schurkit.degeneracy.spread import Sample, above, pairs, spread
from schurkit.engine import rollout
from schurkit.rnn import ARRAYS, RNN, Trials
from schurkit.store import MEASURES, TRAINING, checksum, installed, key_of
from schurkit.tasks.versions import task_version
from schurkit.training import Store, Trained, initial

from .packing import plain, restored
from .samples import SAMPLES, SCORES


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
    trials: int = 400
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
    losses, losses_within : (networks, outputs) mean squared error on trials twice as long, and on
        held-out trials as trained, of the outputs that all levels of the task have
        (`shared_outputs`).
    dsa : (delays, rank) → `DSA`, where the trajectories hold so many directions; `lacking` says why
        not.
    own : (delays, rank) → (2, networks) distance and angle of each network from itself on as many
        other trials: the floor below which a distance says nothing.
    dsa_untrained, dsa_probe, dsa_copies : `DSA` at the main (delays, rank) of the same seeds
        untrained; on trials of `probe`, its own without; of independent copies, None without.
    shapes : `Shapes` of the trajectories on the first `SHAPED` trials.
    pif, pif_untrained : `PIF`.
    profile : `Profiles` of the ablations, on the signed log scale.
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
    own: dict[tuple[int, int], np.ndarray]
    dsa_untrained: DSA | None
    dsa_probe: DSA | None
    dsa_copies: DSA | None
    shapes: Shapes
    pif: PIF
    pif_untrained: PIF
    profile: Profiles
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

    def dsa_sample(self, cell: tuple[int, int], score: str, excess: bool = True) -> Sample | None:
        """Mean DSA over pairs at one (delays, rank), by "distance" or "angle"; `excess`: less the
        mean distance of a network from itself on other trials.
        """
        if cell not in self.dsa:
            return None
        found = pairs(getattr(self.dsa[cell], score), self.labels)
        own = spread(self.own[cell][SCORES.index(score)], self.labels, "mean")
        return above(found, own) if excess else found

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


SHAPED = 100
"""Trials whose trajectories are compared as shapes."""


def levels(
    trained: Trained,
    dynamics: Dynamics | None = None,
    *,
    pif_starts: int = 1,
    threshold: float = 0.9,
    kernel_trials: int = 8,
    test_trials: int = 128,
    probe=None,
    copied: RNN | None = None,
) -> Levels | None:
    """Measure the networks of one setting that reached the training threshold; None where fewer
    than three did.

    Parameters
    ----------
    trained : of a recipe with `until` (without it, the task's own threshold decides) and a task
        with `out_of_distribution()`.
    dynamics : how DSA compares.
    pif_starts : of the matching of units.
    threshold : of the sectors of the ablation profiles.
    kernel_trials : trials of the tangent kernels, which are exact.
    test_trials : held-out trials for behaviour and profile.
    probe : a task whose trials drive all levels alike, for DSA once more.
    copied : networks of one channel of the task, as many of which as it has stand side by side for
        the null of independent copies.
    """
    dynamics = dynamics or Dynamics()
    task, recipe = trained.task, trained.recipe
    rnn, which = reached(trained)
    if rnn is None:
        return None
    start = initial(task, recipe, rnn.labels)
    drive, test = task.test_trials(dynamics.trials, 1), task.test_trials(test_trials)
    dsa, own, lacking = _dsa(rnn, drive, task.test_trials(dynamics.trials, 3), dynamics)
    factors = recipe.multipliers
    change = weight_change(start, rnn, multipliers=factors)["W_rec"]
    effects = ablation_profile(rnn, test, threshold=threshold, controls=())
    kernels = kernel_alignment(start, rnn, task.test_trials(kernel_trials, 2), multipliers=factors)
    W, shared = start.W_rec, getattr(task, "shared_outputs", task.output_size)
    probing = None if probe in (None, task) else probe.test_trials(dynamics.trials, 1)
    copies = None if copied is None else side_by_side(copied, rnn.output_size)
    return Levels(
        labels=rnn.labels,
        trained=len(trained.rnn),
        hidden_size=rnn.hidden_size,
        losses=squared_errors(rnn, task.out_of_distribution().test_trials(test_trials))[:, :shared],
        losses_within=squared_errors(rnn, test)[:, :shared],
        dsa=dsa,
        own=own,
        dsa_untrained=_main(start, drive, dynamics),
        dsa_probe=_main(rnn, probing, dynamics) if probing else dsa.get(dynamics.grid[0]),
        dsa_copies=_main(copies, drive, dynamics),
        shapes=shape_distances(hidden_trajectories(rnn, task.test_trials(SHAPED, 1)), rnn.labels),
        pif=pif_distances(rnn, starts=pif_starts),
        pif_untrained=_pif_of_starts(W.tobytes(), W.shape, W.dtype.str, start.labels, pif_starts),
        profile=profile_distances(effects, transform="signed log"),
        change=change,
        change_relative=change / (_norms(W) / factors.get("W_rec", 1.0)),
        alignment=kernels,
        steps=trained.steps[which].astype(float),
        norm=_norms(rnn.W_rec),
        main=dynamics.grid[0],
        lacking=lacking,
    )


def reached(trained: Trained) -> tuple[RNN | None, np.ndarray]:
    """The networks that reached the threshold, None where fewer than three did, and which."""
    there = trained.reached if trained.recipe.until else trained.converged
    which = np.flatnonzero(there & (trained.stopped < 0))
    return (trained.rnn[which.tolist()] if len(which) >= 3 else None), which


def _norms(W):
    return np.linalg.norm(W.astype(np.float64), axis=(1, 2))


def squared_errors(rnn: RNN, trials: Trials) -> np.ndarray:
    """(networks, outputs) mean squared error over trials and unmasked steps."""
    errors = (y.astype(np.float64) - trials.targets for y in rollout(rnn, trials).outputs)
    return np.array([(error[trials.counted] ** 2).mean(axis=0) for error in errors])


def _dsa(rnn, drive, again, dynamics):
    """DSA of all pairs in all cells, of each network with itself on other trials, and why not."""
    found, own, lacking = {}, {}, {}
    for delays, rank in dynamics.grid:
        try:
            two = [operators_of(rnn, one, rank=rank, delays=delays) for one in (drive, again)]
        except InputError as error:  # fewer directions than the rank: said in the chapter
            lacking[delays, rank] = str(error)
            continue
        how = {"score": dynamics.score, "rank": rank, "delays": delays, "starts": dynamics.starts}
        found[delays, rank] = dsa_distances(two[0], **how)
        each = [dsa_distances(np.stack(pair), **how) for pair in zip(*(o.values for o in two))]
        own[delays, rank] = np.array([[d.distance[0, 1], d.angle[0, 1]] for d in each]).T
    return found, own, lacking


def _main(rnn, drive, dynamics) -> DSA | None:
    """DSA at the main (delays, rank); None without networks, or with too few directions."""
    if rnn is None:
        return None
    (delays, rank), starts = dynamics.grid[0], dynamics.starts
    try:
        operators = operators_of(rnn, drive, rank=rank, delays=delays)
    except InputError:
        return None
    return dsa_distances(operators, score=dynamics.score, rank=rank, delays=delays, starts=starts)


@lru_cache(maxsize=16)
def _pif_of_starts(content, shape, dtype, labels, starts):
    """Settings of one width start alike: their null is computed once."""
    return replace(
        pif_distances(np.frombuffer(content, dtype).reshape(shape), starts=starts), labels=labels
    )


# ---------------------------------------------------------------------------------------- the store
SCHEMA = 4
KINDS = {kind.__name__: kind for kind in (Levels, DSA, PIF, Profiles, Shapes)}


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
    task, options = trained.task, dict(options)
    if (copied := options.pop("copied", None)) is not None:
        options["copied"] = [checksum(getattr(copied, n).tobytes()) for n in ("W_rec", "W_in")]
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
