"""A live explorer for a notebook: pick couplings, remove them, and see what the network still does.

`state` computes, `figures` draws, `panel` asks. Explorers for a published page, which run without a
kernel, are in `schurkit.explorer.page`.
"""

from __future__ import annotations

from schurkit.checks import InputError
from schurkit.metrics import Metric
from schurkit.rnn import RNN, Trials

from .state import Explorer, Setting, View

__all__ = ["Explorer", "Setting", "View", "explore"]


def explore(
    rnn: RNN,
    trials: Trials,
    *,
    metric: str | Metric = "fvu",
    threshold: float = 0.9,
    draws: int = 20,
    seed: int = 0,
    listed: int = 24,
    engine: str = "auto",
):
    """Show a panel that removes couplings of a network while you watch: needs a notebook with a
    running kernel.

    W̃ = W_rec − Q ΔT Qᵀ, where ΔT holds the sectors and the single couplings that are ticked.
    Spectrum, |T|, a rollout and the measure follow, each beside permuted and matched changes of the
    same norm.

    Parameters
    ----------
    rnn : a stack of networks (any number), all of one shape.
    trials : held-out trials that all networks share; 64 keep every change well below a second.
    metric : "fvu", "replay_accuracy" or a `schurkit.metrics.Metric`.
    threshold : of the sectors at the start; R holds the blocks of modulus ≥ threshold × radius.
    draws, seed : of the controls; draws=0 leaves them out.
    listed : how many single couplings are offered, the largest by norm.
    engine : see `schurkit.engine.choose`.

    Returns
    -------
    Panel : a widget. `panel.view` holds the numbers of what it shows now, `panel.view.ablated` the
        network without the couplings.

    Raises
    ------
    InputError : ipywidgets or matplotlib is not installed; trials that do not suit the networks; an
        unknown metric.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN, Trials, explore, rollout
    >>> rnn = RNN(np.eye(4)[:, :1], np.diag([0.5] * 3, 1) + 0.5 * np.eye(4), np.ones((1, 4)))
    >>> inputs = np.random.default_rng(0).normal(size=(8, 5, 1))
    >>> panel = explore(rnn, Trials(inputs, rollout(rnn, inputs).outputs[0]))
    >>> panel.remove["RR"].value = True
    >>> panel.view.setting.sectors
    ('RR',)
    """
    explorer = Explorer(rnn, trials, metric=metric, draws=draws, seed=seed, engine=engine)
    try:
        from .panel import Panel
    except ImportError as error:
        raise InputError(
            f"explore needs ipywidgets and matplotlib ({error}). Install schurkit[notebook], or "
            "schurkit[book]."
        ) from None
    return Panel(explorer, Setting(threshold=threshold), listed=listed)
