"""Makes lightning.ckpt and lightning.npz: a checkpoint that pytorch-lightning wrote, optimiser and
all, with the module's own outputs.

Run with pytorch-lightning 2.6.6 and torch installed: python make_lightning.py. Nothing in the files
is edited.
"""

import os
import tempfile
from importlib.metadata import version

import numpy as np
import pytorch_lightning as lightning
import torch


class Integrator(lightning.LightningModule):
    def __init__(self, hidden: int = 8, rate: float = 1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.rnn = torch.nn.RNN(2, hidden, batch_first=True, nonlinearity="relu")
        self.readout = torch.nn.Linear(hidden, 1)

    def forward(self, x):
        return self.readout(self.rnn(x)[0])

    def training_step(self, batch, _):
        return ((self(batch[0]) - batch[1]) ** 2).mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.rate)


torch.manual_seed(0)
inputs = torch.randn(32, 12, 2)
targets = 0.1 * inputs.cumsum(1)[..., :1]
model = Integrator()
trainer = lightning.Trainer(
    max_epochs=5,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    default_root_dir=tempfile.mkdtemp(),
)
trainer.fit(model, torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), 8))
trainer.save_checkpoint("lightning.ckpt")
model.eval()
with torch.no_grad():
    outputs = model(inputs).numpy()
made_by = f"pytorch-lightning {version('pytorch-lightning')}, torch {version('torch')}"
np.savez_compressed(
    "lightning.npz",
    inputs=inputs.numpy(),
    targets=targets.numpy(),
    outputs=outputs,
    made_by=made_by,
)
print(os.path.getsize("lightning.ckpt"))
