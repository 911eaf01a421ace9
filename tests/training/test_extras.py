"""What the two other papers need of a recipe: losses, weight decay, starts, embeddings, whole
training sets, checkpoints; oracles in torch.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from helpers import HERE, apart, messages
from training.small import TASK, recipe

from schurkit.engine import choose
from schurkit.engine.base import Spec
from schurkit.rnn import Trials
from schurkit.tasks import ModularAddition
from schurkit.training import Phase, Store, TrainingWarning, train
from schurkit.training.constructions import construction
from schurkit.training.loop import fit


@dataclass(frozen=True)
class Sums(ModularAddition):
    """A training set a network; the table form right, wrong, or left unsaid."""

    p: int = 7
    train_fraction: float = 0.6
    table: str = "right"

    def _of(self, seed):
        return ModularAddition(self.p, train_fraction=self.train_fraction, split_seed=seed)

    def token_pairs(self, seed):
        a, b, c = self._of(seed).token_pairs()
        return {"right": (a, b, c), "wrong": (a, b, (c + 1) % self.p)}.get(self.table)

    def batch(self, seeds, step, trials):
        parts = [self._of(seed).batch([0], step, trials) for seed in seeds]
        return Trials(
            np.concatenate([part.inputs for part in parts]),
            np.concatenate([part.targets for part in parts]),
            parts[0].mask,
        )


# --------------------------------------------------------------------------------------------- loss


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_cross_entropy_of_a_broken_network_is_not_finite(engine, bad):
    one, zero = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    W_out, target = np.float32([[[1], [bad], [0]]]), np.float32([[[[0, 0, 1]]]])
    weights = {"W_in": one, "W_rec": zero, "W_out": W_out}
    with np.errstate(all="ignore"):
        worker = choose(engine).worker(Spec(), "cross_entropy")
        losses, _ = worker.gradients(weights, one[None], target, np.ones(1, bool))
    assert not np.isfinite(losses[0])


# ---------------------------------------------------------------------------- starts and embeddings
@pytest.mark.parametrize("embedding, fans", [(None, {"W_in": 40}), (20, {"E": 40, "W_x": 20})])
def test_the_fan_in_start(embedding, fans):
    kind = recipe(hidden_size=60, construction="fan_in", embedding_size=embedding)
    start = construction("fan_in", embedding).start(kind, 40, 30, list(range(8)))
    fans = {"W_rec": 60, "W_out": 60} | fans
    assert set(start) == set(fans)
    for name, fan in fans.items():
        assert start[name].std() == pytest.approx(fan**-0.5, rel=0.03)
        assert abs(start[name].mean()) < 0.02 * fan**-0.5


def adding(steps=25, **changes):
    fields = {"construction": "fan_in", "activation": "relu", "loss": "cross_entropy"}
    return recipe(steps, batch_size=None, **fields | changes)


# ------------------------------------------------------------------------------------------- tables
@pytest.mark.parametrize("kind", [{}, {"embedding_size": 9, "weight_decay": 1.0}])
def test_training_by_tables_is_training_by_rollouts(kind):
    fast, slow = (
        fit(Sums(table=table), adding(**kind), [0, 1], choose()) for table in ("right", "unsaid")
    )
    for a, b in zip(fast, slow):
        assert a.losses == pytest.approx(b.losses, rel=1e-4)
        ours = a.weights | a.factors
        for name, theirs in (b.weights | b.factors).items():
            assert apart(ours[name], theirs) < 2e-4, name


def test_training_by_tables_does_not_depend_on_company_or_threads(monkeypatch, tmp_path):
    found = []
    for threads, seeds in (("1", (0, 1, 2)), ("3", (0, 1, 2)), ("2", (2,))):
        monkeypatch.setenv("SCHURKIT_THREADS", threads)
        store = Store(tmp_path / threads)
        trained = train(Sums(), adding(embedding_size=8), seeds, store=store)
        found.append((trained.rnn.labelled(2).W_in, trained.losses[seeds.index(2)]))
    assert all(np.array_equal(a, b) for other in found[1:] for a, b in zip(other, found[0]))


# -------------------------------------------------------------------------------------- checkpoints
@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("embedding", [None, 3])
def test_checkpoints_are_the_weights_after_that_many_steps(engine, embedding):
    kind = recipe(30, checkpoints=(0, 7, 30), embedding_size=embedding)
    for _ in range(2):
        trained = train(TASK, kind, [0, 2], engine=engine)
        assert list(trained.checkpoints) == [0, 7, 30]
        for step, checkpoint in trained.checkpoints.items():
            alone = fit(TASK, recipe(step, embedding_size=embedding), [2], choose(engine))[0]
            assert set(checkpoint.factors) == set(alone.factors) and checkpoint.rnn.labels == (0, 2)
            for name, array in (alone.weights | alone.factors).items():
                held = checkpoint.factors.get(name, getattr(checkpoint.rnn, name, None))
                assert apart(held[1], array) < 1e-6, (step, name)
        assert set(trained.factors) == set(checkpoint.factors)
        for name, array in trained.factors.items():
            assert np.array_equal(array, checkpoint.factors[name])
    assert trained.stored.all()
    if embedding:
        product = trained.factors["W_x"] @ trained.factors["E"].mT
        assert apart(trained.rnn.W_in, product) < 1e-6


def test_a_network_that_stopped_has_its_last_weights_at_later_checkpoints():
    phases = (Phase(3, 1e-3), Phase(57, 1e38))
    kind = recipe(phases=phases, activation="relu", clip_norm=None, checkpoints=(0, 60))
    message = r"seed 0 stopped at step \d+: its loss was no longer finite"
    with pytest.warns(TrainingWarning, match=message), np.errstate(all="ignore"):
        trained = train(TASK, kind, [0])
    start, end = (trained.checkpoints[step].rnn.W_rec for step in (0, 60))
    assert trained.stopped[0] > 0 and np.array_equal(end, trained.rnn.W_rec)
    assert not trained.converged[0]
    assert not np.array_equal(start, end)


test_messages = messages(
    (
        lambda: recipe(weight_decay=1.0, construction="cayley"),
        "weight_decay is not defined for construction='cayley'",
    ),
    (lambda: recipe(bias_start="uniform"), "bias_start='uniform' needs biases=True"),
    (lambda: recipe(checkpoints=(51,)), "checkpoints must be between 0 and 50"),
    (
        lambda: fit(TASK, recipe(2, batch_size=None), [0], choose()),
        "batch_size=None needs a task with a fixed training set, which 'copy'",
    ),
    (
        lambda: fit(TASK, recipe(2, loss="cross_entropy"), [0], choose()),
        "loss='cross_entropy' needs targets that are probabilities",
    ),
    (
        lambda: fit(Sums(table="wrong"), adding(2), [0], choose()),
        r"token_pairs of task .* are not the training set",
    ),
)
