"""Makes psychrnn.npz and psychrnn_trials.npz: a PsychRNN network trained for a few steps, saved by
its own save(), with its own outputs.

Run with PsychRNN 1.0.0 and tensorflow 2.21 installed: python make_psychrnn.py. Nothing in the files
is edited.
"""

import sys
from importlib.metadata import version

import numpy as np
from psychrnn.backend.models.basic import Basic
from psychrnn.tasks.perceptual_discrimination import PerceptualDiscrimination

np.random.seed(0)  # noqa: NPY002  (PsychRNN draws from the global generator)
task = PerceptualDiscrimination(dt=20, tau=100, T=800, N_batch=32)
parameters = task.get_task_params() | {
    "name": "model",
    "N_rec": 16,
    "rec_noise": 0.0,
    "dale_ratio": 0.75,
}
model = Basic(parameters)
model.train(task, {"training_iters": 32 * 150, "learning_rate": 0.01, "verbosity": False})
inputs, targets, mask, _ = task.get_trial_batch()
outputs, _ = model.test(inputs)
model.save("psychrnn.npz")
np.savez_compressed(
    "psychrnn_trials.npz",
    inputs=inputs[:12].astype(np.float32),
    targets=targets[:12].astype(np.float32),
    mask=mask[:12],
    outputs=outputs[:12],
    dt=float(task.dt),
    tau=float(task.tau),
    made_by=f"PsychRNN {version('psychrnn')}, tensorflow {version('tensorflow')}",
)
print(((outputs - targets) ** 2 * mask).sum() / mask.sum(), file=sys.stderr)
