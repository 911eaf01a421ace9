"""Makes nn4n.npz: a CTRNN of nn4n with Dale's law and missing connections, trained for a few steps,
with its own outputs.

Run with nn4n 1.1.1 and torch installed: python make_nn4n.py. The committed file was made so;
nothing in it is edited.
"""

from importlib.metadata import version

import numpy as np
import torch
from nn4n.model import CTRNN

HIDDEN, STEPS = 20, 40
rng = np.random.default_rng(0)
torch.manual_seed(0)
signs = np.where(np.arange(HIDDEN) < 16, 1.0, -1.0)
ei = np.repeat(signs[:, None], HIDDEN, axis=1)  # nn4n's masks stand as (from, to)
sparse = (rng.random((HIDDEN, HIDDEN)) < 0.4).astype(float)
model = CTRNN(
    dims=[2, HIDDEN, 1],
    activation="relu",
    dt=20,
    tau=100,
    biases="uniform",
    weights="normal",
    ei_masks=[None, ei, None],
    sparsity_masks=[None, sparse, None],
)
inputs = torch.from_numpy(rng.normal(size=(STEPS, 16, 2)).astype(np.float32))
targets = 0.2 * torch.cumsum(inputs[..., :1], dim=0).clamp(-3, 3)
optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=5e-3)
for _ in range(200):
    optimizer.zero_grad()
    loss = ((model(inputs)[0] - targets) ** 2).mean()
    loss.backward()
    optimizer.step()
model(inputs)  # in training mode, so that the masks hold after the last step as well
model.eval()
with torch.no_grad():
    outputs = model(inputs)[0]
state = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
np.savez_compressed(
    "nn4n.npz",
    **state,
    inputs=inputs.numpy(),
    targets=targets.numpy(),
    outputs=outputs.numpy(),
    dt=20.0,
    tau=100.0,
    made_by=f"nn4n {version('nn4n')}, torch {version('torch')}",
    loss=loss.item(),
)
print(loss.item(), float((targets**2).mean()))
