"""Tasks and recipes that train in a moment."""

from dataclasses import replace

from schurkit.tasks import Copy
from schurkit.training import Phase, Recipe

TASK = Copy(symbols=2, channels=2, replay=6)


class Overridden(Copy):
    """A batch of its own beside the `compiled_batch` of another."""

    def batch(self, seeds, step, trials):
        return super().batch([seed + 1 for seed in seeds], step, trials)


class Poisoned(Copy):
    """Seed 1 gets targets that no loss survives, from step 5 on."""

    def batch(self, seeds, step, trials):
        batch = super().batch(seeds, step, trials)
        targets = batch.targets.copy()
        if step >= 5:
            targets[[seed == 1 for seed in seeds]] = 1e30
        return replace(batch, targets=targets)


def recipe(steps=50, rate=1e-3, **changes):
    fields = {"hidden_size": 12, "phases": (Phase(steps, rate),), "batch_size": 16}
    return Recipe(**fields | {"clip_norm": 1.0} | changes)
