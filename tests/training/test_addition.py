"""The recipe of modular addition, and that its task trains by tables as by trials."""

from dataclasses import dataclass

import numpy as np
import pytest

from schurkit import InputError, fourier
from schurkit.tasks import ModularAddition
from schurkit.training import Phase, Store, addition_recipe, train


@pytest.mark.parametrize(
    ("steps", "checkpoints"), [(2000, 24), (20000, 48), (30, 5), (10, 24), (1, 1)]
)
def test_checkpoints_run_from_the_start_to_the_end(steps, checkpoints):
    recipe = addition_recipe(steps, checkpoints=checkpoints)
    kept = recipe.checkpoints
    assert kept[0] == 0 and kept[-1] == steps == recipe.steps and list(kept) == sorted(set(kept))
    assert len(kept) <= checkpoints + 1
    if steps > 1000:
        ratios = np.diff(np.log(kept[1:]))
        assert len(kept) == checkpoints + 1 and ratios.max() < 1.6 * ratios.min()


def test_the_recipe_is_what_it_says_and_can_be_changed():
    recipe = addition_recipe(100, 1.0, 64)
    assert (recipe.hidden_size, recipe.embedding_size, recipe.weight_decay, recipe.activation) == (
        64,
        64,
        1.0,
        "relu",
    )
    assert (recipe.batch_size, recipe.loss, recipe.biases, recipe.construction) == (
        None,
        "cross_entropy",
        False,
        "fan_in",
    )
    assert (
        recipe.phases == (Phase(100, 3e-3),)
        and recipe.betas == (0.9, 0.98)
        and recipe.clip_norm is None
    )
    assert addition_recipe(100, embedding_size=None, activation="tanh").embedding_size is None
    for wrong in ({"steps": 0}, {"checkpoints": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            addition_recipe(**wrong)


@dataclass(frozen=True)
class ByTrials(ModularAddition):
    """The same task without its table form."""

    def token_pairs(self, seed=0):
        return None


def test_tables_and_trials_train_the_same_network(tmp_path):
    recipe = addition_recipe(40, hidden_size=16, checkpoints=3)
    fields = {"p": 11, "train_fraction": 0.5}
    by_tables = train(ModularAddition(**fields), recipe, [3], store=Store(tmp_path / "a"))
    by_trials = train(ByTrials(**fields), recipe, [3], store=Store(tmp_path / "b"), engine="numpy")
    for name in ("W_in", "W_rec", "W_out"):
        assert np.abs(getattr(by_tables.rnn, name) - getattr(by_trials.rnn, name)).max() < 2e-3
    logits = fourier.logits_table(by_tables.rnn)
    assert by_tables.scores[0] == pytest.approx(
        fourier.accuracy(logits, by_tables.task.held_out_tuples), abs=1e-6
    )
    assert fourier.cross_entropy(logits, by_tables.task.train_tuples) < by_tables.losses[0][0]
