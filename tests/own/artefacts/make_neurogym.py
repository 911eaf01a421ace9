"""Makes neurogym.npz: trials of three NeuroGym tasks as the library gives them, for tests where
neurogym is not installed.

Run with neurogym 1.0.8 installed: python make_neurogym.py. Nothing in the file is edited.
"""

from importlib.metadata import version

import neurogym
import numpy as np

TASKS = {
    "PerceptualDecisionMaking-v0": {"dt": 100},  # classes
    # trials of several lengths
    "DelayComparison-v0": {
        "dt": 100,
        "timing": {"delay": [300, 600, 1200]},
    },
    "ReachingDelayResponse-v0": {"dt": 100},  # numbers, not classes
}
found = {}
for name, given in TASKS.items():
    env = neurogym.make(name, **given)
    task = env.unwrapped
    task.seed(3)
    for trial in range(4):
        task.new_trial()
        key = f"{name.partition('-')[0]}.{trial}"
        found[f"{key}.ob"], found[f"{key}.gt"] = task.ob.copy(), task.gt.copy()
        found[f"{key}.periods"] = np.array(list(task.start_ind))
        found[f"{key}.start"], found[f"{key}.end"] = (
            np.array(list(task.start_ind.values())),
            np.array(list(task.end_ind.values())),
        )
    found[f"{name.partition('-')[0]}.classes"] = np.array(getattr(task.action_space, "n", 0))
np.savez_compressed("neurogym.npz", **found, made_by=np.array(f"neurogym {version('neurogym')}"))
