"""Trials of NeuroGym tasks, as the library gave them when they were recorded."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from examined import refusals

from schurkit.own import from_neurogym

with np.load(Path(__file__).parent / "artefacts" / "neurogym.npz") as file:
    RECORDED = {tuple(key.split(".")): file[key] for key in file.files}
TASKS = ("PerceptualDecisionMaking", "DelayComparison", "ReachingDelayResponse")


def recorded(name, k):
    """Observations, truths, and where each period starts and ends, of a trial out of four."""
    keys = ("ob", "gt", "start", "end", "periods")
    ob, gt, *periods = (RECORDED[name, str(k % 4), key] for key in keys)
    return ob, gt, *(each.tolist() for each in periods)


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
        self.ob, self.gt, start, end, names = recorded(self.name, self.at)
        self.start_ind, self.end_ind = (dict(zip(names, ends)) for ends in (start, end))
        self.at += 1


def check(found, name, seed, periods):
    """The recorded trials, each from its own start on and nothing after its end."""
    classes = int(RECORDED[name, "classes"])
    for k, (inputs, targets, mask) in enumerate(zip(found.inputs, found.targets, found.mask)):
        ob, gt, start, end, names = recorded(name, seed + k)
        truth = np.arange(classes) == gt[:, None] if classes else gt.reshape(len(gt), -1)
        assert np.array_equal(inputs[: len(ob)], ob)
        assert targets[: len(ob)] == pytest.approx(truth.astype(float))
        for t, counted in enumerate(mask[: len(ob)]):
            inside = [s <= t < e for s, e, each in zip(start, end, names) if each in periods]
            assert counted == any(inside)
        assert not any(array[len(ob) :].any() for array in (inputs, targets, mask))
        yield len(ob)


@pytest.mark.parametrize("name", TASKS)
def test_recorded_trials(name):
    env = Replayed(name)
    wrapped = SimpleNamespace(env=env, unwrapped=env)  # adds nothing, as gymnasium's own
    *first, last = RECORDED[name, "0", "periods"].tolist()
    for given, asked, periods in (
        (env, None, [*first, last]),
        (env, last, [last]),
        (wrapped, [last], [last]),
    ):
        found = from_neurogym(given, 4, seed=1, periods=asked)
        lengths = [*check(found, name, 1, periods)]
        assert found.inputs.shape[1] == max(lengths)
    assert (len({*lengths}) > 1) == (name != TASKS[0]) and env.at == 0


def changed(**changes):
    class Odd(Replayed):
        def new_trial(self):
            super().new_trial()
            vars(self).update(changes)

    return Odd(TASKS[0])


test_what_is_refused = refusals(
    lambda env, arguments: from_neurogym(env, **arguments),
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
