"""Trials of NeuroGym tasks: recorded ones everywhere, and the library's own where it is
installed.
"""

import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from schurkit import InputError
from schurkit.own import from_neurogym

RECORDED = Path(__file__).parent / "artefacts" / "neurogym.npz"
TASKS = ("PerceptualDecisionMaking", "DelayComparison", "ReachingDelayResponse")


class Replayed:
    """Stands for an environment: gives the trials that neurogym gave when the file was made."""

    def __init__(self, name):
        with np.load(RECORDED) as recorded:
            self.recorded = {
                key.partition(".")[2]: recorded[key]
                for key in recorded.files
                if key.startswith(f"{name}.")
            }
        classes = int(self.recorded["classes"])
        self.action_space = SimpleNamespace(n=classes) if classes else SimpleNamespace()
        self.start_ind, self.end_ind, self.at, self.seeds = {}, {}, 0, []

    @property
    def unwrapped(self):
        return self

    def seed(self, seed):
        self.at = seed

    def new_trial(self):
        one = {
            key.partition(".")[2]: value
            for key, value in self.recorded.items()
            if key.startswith(f"{self.at % 4}.")
        }
        names = one["periods"].tolist()
        self.start_ind, self.end_ind = (
            dict(zip(names, one[end].tolist())) for end in ("start", "end")
        )
        self.ob, self.gt, self.at = one["ob"], one["gt"], self.at + 1


class Wrapper:
    """A wrapper that adds nothing to trials, as gymnasium's own do."""

    def __init__(self, env):
        self.env = env

    @property
    def unwrapped(self):
        return self.env.unwrapped


def written_out(env, trials, seed, periods):
    """The same trials, one time step at a time."""
    env = copy.deepcopy(env).unwrapped
    env.seed(seed)
    rows = []
    for _ in range(trials):
        env.new_trial()
        for t in range(len(env.ob)):
            inside = periods is None or any(
                env.start_ind[name] <= t < env.end_ind[name] for name in periods
            )
            rows.append((_, t, env.ob[t].tolist(), np.atleast_1d(env.gt[t]).tolist(), inside))
    return rows


def holds(found, rows, classes):
    seen = np.zeros(found.mask.shape, bool)
    for trial, t, observation, truth, inside in rows:
        seen[trial, t] = True
        target = [float(truth[0] == k) for k in range(classes)] if classes else truth
        assert found.inputs[trial, t].tolist() == observation and found.targets[
            trial, t
        ].tolist() == pytest.approx(target)
        assert found.mask[trial, t] == inside
    assert (
        not found.mask[~seen].any()
        and not found.inputs[~seen].any()
        and not found.targets[~seen].any()
    )


@pytest.mark.parametrize("wrap", [lambda env: env, Wrapper])
@pytest.mark.parametrize("name", TASKS)
def test_recorded_trials(name, wrap):
    env = wrap(Replayed(name))
    last = list(np.load(RECORDED)[f"{name}.0.periods"])[-1]
    for periods in (None, last, [last]):
        found = from_neurogym(env, 4, periods=periods)
        holds(
            found,
            written_out(env, 4, 0, None if periods is None else [last]),
            int(np.load(RECORDED)[f"{name}.classes"]),
        )
    assert env.unwrapped.at == 0  # a copy was asked


def test_trials_of_several_lengths_are_padded():
    found = from_neurogym(Replayed("DelayComparison"), 4)
    lengths = [len(np.load(RECORDED)[f"DelayComparison.{trial}.gt"]) for trial in range(4)]
    assert (
        len(set(lengths)) > 1
        and found.mask.sum(axis=1).tolist() == lengths
        and found.inputs.shape[1] == max(lengths)
    )


@pytest.mark.parametrize(
    ("change", "arguments", "told"),
    [
        (lambda env: "env", {}, "needs an environment of neurogym with trials; got str"),
        (
            lambda env: SimpleNamespace(unwrapped=SimpleNamespace()),
            {},
            "needs an environment of neurogym",
        ),
        (lambda env: env, {"periods": "choice"}, "has no period choice; it has fixation, stimulus"),
        (lambda env: env, {"periods": "delay"}, "no trial holds a time step of delay"),
        (lambda env: env, {"trials": 0}, "trials must be at least 1"),
        (lambda env: env, {"seed": -1}, "seed must be at least 0"),
    ],
)
def test_what_is_refused(change, arguments, told):
    with pytest.raises(InputError, match=told):
        from_neurogym(change(Replayed("PerceptualDecisionMaking")), **arguments)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"gt": None}, "Odd gives no ground truth"),
        ({"ob": np.zeros((5, 3, 3))}, r"of Odd must have axes \(time, observation\)"),
    ],
)
def test_tasks_without_ground_truth_or_with_images(changed, told):
    class Odd(Replayed):
        def new_trial(self):
            super().new_trial()
            vars(self).update(changed)

    with pytest.raises(InputError, match=told):
        from_neurogym(Odd("PerceptualDecisionMaking"))


# about how the library registers its tasks
@pytest.mark.filterwarnings("ignore::UserWarning:gymnasium")
@pytest.mark.parametrize("name", TASKS)
def test_the_library_itself(name):
    neurogym = pytest.importorskip(
        "neurogym", reason="neurogym is not installed: recorded trials were used above"
    )
    more = {"timing": {"delay": [300, 600, 1200]}} if name == "DelayComparison" else {}
    env = neurogym.make(f"{name}-v0", dt=100, **more)
    found = from_neurogym(env, 20, seed=5)
    holds(found, written_out(env, 20, 5, None), getattr(env.unwrapped.action_space, "n", 0))
    again = from_neurogym(env, 20, seed=5)
    assert np.array_equal(again.inputs, found.inputs) and not np.array_equal(
        from_neurogym(env, 20, seed=6).inputs, found.inputs
    )
