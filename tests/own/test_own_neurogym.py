"""Trials of NeuroGym tasks, as the library gave them when they were recorded."""

import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from examined import refused

from schurkit.own import from_neurogym

with np.load(Path(__file__).parent / "artefacts" / "neurogym.npz") as file:
    RECORDED = {tuple(key.split(".")): file[key] for key in file.files}
TASKS = ("PerceptualDecisionMaking", "DelayComparison", "ReachingDelayResponse")


class Replayed:
    """Stands for an environment: gives the trials that neurogym gave when the file was made."""

    def __init__(self, name):
        self.name, self.at, self.start_ind = name, 0, {}
        classes = int(RECORDED[name, "classes"])
        self.action_space = SimpleNamespace(n=classes) if classes else SimpleNamespace()

    @property
    def unwrapped(self):
        return self

    def seed(self, seed):
        self.at = seed

    def new_trial(self):
        one = {
            key: RECORDED[self.name, str(self.at % 4), key] for key in ("ob", "gt", "start", "end")
        }
        names = RECORDED[self.name, str(self.at % 4), "periods"].tolist()
        self.ob, self.gt, self.at = one["ob"], one["gt"], self.at + 1
        self.start_ind, self.end_ind = (dict(zip(names, one[k].tolist())) for k in ("start", "end"))


class Wrapper:
    """A wrapper that adds nothing to trials, as gymnasium's own do."""

    def __init__(self, env):
        self.env = env

    @property
    def unwrapped(self):
        return self.env.unwrapped


def check(found, env, trials, seed, periods, classes):
    """The same trials, one time step at a time."""
    env = copy.deepcopy(env).unwrapped
    env.seed(seed)
    seen = np.zeros(found.mask.shape, bool)
    for trial in range(trials):
        env.new_trial()
        for t, (observation, truth) in enumerate(zip(env.ob, env.gt)):
            seen[trial, t] = True
            target = np.arange(classes) == truth if classes else truth
            assert np.array_equal(found.inputs[trial, t], observation)
            assert found.targets[trial, t] == pytest.approx(np.ravel(target).astype(float))
            spans = [(env.start_ind[name], env.end_ind[name]) for name in periods or ()]
            inside = periods is None or any(start <= t < end for start, end in spans)
            assert found.mask[trial, t] == inside
    for array in (found.mask, found.inputs, found.targets):
        assert not array[~seen].any()
    return seen.sum(axis=1)


@pytest.mark.parametrize("wrap", [lambda env: env, Wrapper])
@pytest.mark.parametrize("name", TASKS)
def test_recorded_trials(name, wrap):
    env = wrap(Replayed(name))
    last = str(RECORDED[name, "0", "periods"][-1])
    for asked, periods in ((None, None), (last, [last]), ([last], [last])):
        found = from_neurogym(env, 4, seed=1, periods=asked)
        lengths = check(found, env, 4, 1, periods, int(RECORDED[name, "classes"]))
        assert found.inputs.shape[1] == max(lengths)
    assert (len({*lengths}) > 1) == (name != TASKS[0]) and env.unwrapped.at == 0


def changed(**changes):
    class Odd(Replayed):
        def new_trial(self):
            super().new_trial()
            vars(self).update(changes)

    return Odd(TASKS[0])


@pytest.mark.parametrize(
    "env, arguments, text",
    [
        ("env", {}, "needs an environment of neurogym with trials; got str"),
        (SimpleNamespace(unwrapped=SimpleNamespace()), {}, "needs an environment of neurogym"),
        (changed(), {"periods": "choice"}, "has no period choice; it has fixation, stimulus"),
        (changed(), {"periods": "delay"}, "no trial holds a time step of delay"),
        (changed(), {"trials": 0}, "trials must be at least 1"),
        (changed(), {"seed": -1}, "seed must be at least 0"),
        (changed(gt=None), {}, "Odd gives no ground truth"),
        (changed(ob=np.zeros((5, 3, 3))), {}, "of Odd must have axes (time, observation)"),
    ],
)
def test_what_is_refused(env, arguments, text):
    refused(lambda: from_neurogym(env, **arguments), text)
