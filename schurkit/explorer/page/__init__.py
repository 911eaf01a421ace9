"""Explorers that run in a published page: plain HTML and script, no kernel, no library, no request,
so they also work from a file.

`ablation` removes couplings of trained networks, `schur` builds small matrices, `frequency` takes
waves out of networks that add; `wheel`, `latches` and `integral` cut a network while it runs. Each
returns a `Page`; `schurkit.nb.explorer` shows it in a chapter, `Page.document` makes one HTML file
of it. The networks run in the page itself, in float64, from the numbers that stand in it: what a
reader sees is computed there, and the tests hold it against `schurkit.rollout` of the same numbers.

For a live session with a kernel see `schurkit.explore`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schurkit import fourier
from schurkit.checks import InputError, integer, number, one_of, real_array
from schurkit.engine.base import TRAINABLE, Spec
from schurkit.explorer.state import Explorer
from schurkit.metrics import Metric
from schurkit.metrics import metric as metric_named
from schurkit.rnn import RNN, Trials
from schurkit.schur import SchurForm, real_schur
from schurkit.schur.blocks import tie_tolerance

from . import _stills
from ._html import Page, pack, page, small
from .stages import integral, latches, wheel

__all__ = ["Case", "Page", "ablation", "frequency", "integral", "latches", "schur", "wheel"]

METRICS = {"FVU": "fvu", "replay accuracy": "replay_accuracy"}
"""The measures that the page can compute, and their names in its script."""
MOST_RESIDUES = 127
LARGEST_MODULUS = 1.1
LARGEST_COUPLING = 5.0


@dataclass(frozen=True, eq=False)
class Case:
    """Networks of one task for `ablation`.

    name : of the task.
    rnn : a stack of networks, each offered by its label.
    trials : held-out trials that they share.
    metric : "fvu" or "replay_accuracy", by name or as the `schurkit.metrics.Metric` of a task.
    """

    name: str
    rnn: RNN
    trials: Trials
    metric: str | Metric = "fvu"


def ablation(
    cases: Sequence[Case], *, threshold: float = 0.9, draws: int = 20, seed: int = 0
) -> Page:
    """Remove couplings in Schur coordinates, W̃ = W_rec − Q ΔT Qᵀ, and watch spectrum, |T|, a
    rollout and the measure, beside its control.

    Parameters
    ----------
    cases : the tasks with their trained networks. Of one network with 64 units and 24 trials, about
        150 kB stand in the page.
    threshold : of the sectors at the start.
    draws, seed : of the one control of the page, random strictly block-upper changes of equal norm,
        the numbers of `schurkit.control_changes`. A live session (`schurkit.explore`) has the two
        that decide, permuted and matched.

    Returns
    -------
    Page

    Raises
    ------
    InputError : no case, a measure that the page cannot compute, a leak per unit, networks too
        large for a page.

    Examples
    --------
    >>> import numpy as np
    >>> from schurkit import RNN, Trials, rollout
    >>> rnn = RNN(np.eye(4)[:, :1], np.diag([0.5] * 3, 1) + 0.5 * np.eye(4), np.ones((1, 4)))
    >>> inputs = np.random.default_rng(0).normal(size=(8, 5, 1))
    >>> ablation([Case("a chain", rnn, Trials(inputs, rollout(rnn, inputs).outputs[0]))]).kind
    'ablation'
    """
    cases = list(cases)
    if not cases or not all(isinstance(case, Case) for case in cases):
        raise InputError("ablation needs at least one Case(name, rnn, trials, metric).")
    threshold = number(threshold, "threshold", at_least=0, at_most=1)
    draws, seed = (
        integer(draws, "draws", at_least=0),
        integer(seed, "seed", at_least=0, at_most=2**53),
    )
    explorers = [_explorer(case, draws, seed) for case in cases]
    data = {
        "threshold": threshold,
        "draws": draws,
        "seed": seed,
        "tasks": [_trials(case, explorer) for case, explorer in zip(cases, explorers)],
        "cases": [
            _network(explorer, position, task)
            for task, explorer in enumerate(explorers)
            for position in range(len(explorer.rnn))
        ],
    }
    still = _stills.ablation_still([case.name for case in cases], explorers, threshold)
    return page("ablation", ("random",), data, *still)


def schur(matrices: Mapping[str, SchurForm | np.ndarray] | None = None) -> Page:
    """Choose eigenvalues and couplings of a matrix of 2 to 6 units; see its growth ‖Tᵗ‖ beside ρᵗ,
    its paths and its pseudospectra.

    Parameters
    ----------
    matrices : to start from, by name, as Schur forms or as matrices; moduli up to 1.1, entries of
        couplings up to 5. Three plain ones are added.

    Raises
    ------
    InputError : another size, a larger eigenvalue or coupling.
    """
    plain = {
        "Two slow modes, one coupling": [[0.95, 1.0], [0.0, 0.9]],
        "A chain of four equal modes": 0.8 * np.eye(4) + 0.5 * np.eye(4, k=1),
        "No couplings: a normal matrix": [[0.8, 0.5, 0.0], [-0.5, 0.8, 0.0], [0.0, 0.0, 0.7]],
    }
    forms = {
        name: given if isinstance(given, SchurForm) else real_schur(given)
        for name, given in {**(matrices or {}), **plain}.items()
    }
    data = {"presets": [_preset(name, form) for name, form in forms.items()]}
    return page("schur", (), data, *_stills.schur_still(*next(iter(forms.items()))))


def frequency(
    rnn: RNN, *, unseen=None, key_share: float = fourier.KEY_SHARE, draws: int = 5, seed: int = 0
) -> Page:
    """Choose two numbers and see the waves of a network that adds modulo p meet at their sum; take
    frequencies out of its input table, and see which of all p² pairs it still gets right.

    Parameters
    ----------
    rnn : a stack of two-step networks as for `schurkit.fourier.tables`; of each with 128 units and
        p = 113 about 350 kB stand in the page.
    unseen : (pairs, 2) pairs that training did not see; all pairs when left out.
    key_share : a key frequency holds at least this share of the energy of the input table.
    draws, seed : random sets of as many frequencies, the control.

    Raises
    ------
    InputError : another kind of network, too many units or residues for a page.
    """
    tables = [fourier.tables(one) for one in rnn]
    small(rnn)
    p = integer(rnn.input_size, "the number of inputs p", at_least=5, at_most=MOST_RESIDUES)
    mask = np.ones((p, p))
    if unseen is not None:
        mask[:] = 0
        mask[tuple(np.asarray(unseen).T)] = 1
    keys = [fourier.key_frequencies(table.X, key_share) for table in tables]
    if not all(map(len, keys)):
        raise InputError("frequency needs networks with a key frequency; take a smaller key_share.")
    # a pair that the unit shown first is loud for: what hears most of the strongest key
    unit = np.abs(np.fft.fft(tables[0].X, axis=0))[keys[0][0]].argmax()
    pair = np.unravel_index(tables[0].h2[:, :, unit].argmax(), (p, p))
    data = {
        "p": p,
        "unseen": pack(mask),
        "draws": integer(draws, "draws", at_least=0),
        "seed": integer(seed, "seed", at_least=0, at_most=2**53),
        "a": int(pair[0]),
        "b": int(pair[1]),
        "networks": [_adder(one, table, found) for one, table, found in zip(rnn, tables, keys)],
    }
    still = _stills.frequency_still(rnn[0], tables[0], keys[0], pair)
    return page("frequency", ("random",), data, *still)


# -------------------------------------------------------------------------------------------- data
def _explorer(case, draws, seed):
    """The same checks as in a live session."""
    one_of(metric_named(case.metric).name, "the measure of an explorer in a page", METRICS)
    known = not isinstance(case.rnn, RNN) or Spec.of(case.rnn).classic(case.rnn.arrays)
    starts = isinstance(case.trials, Trials) and case.trials.h0 is not None
    if not known or starts or (isinstance(case.rnn, RNN) and np.ndim(case.rnn.leak)):
        raise InputError(
            "an explorer in a page needs tanh or relu, one leak for all units, no D, c or psi, and "
            "trials without h0; sk.explore(rnn, trials) takes them."
        )
    explorer = Explorer(
        case.rnn, case.trials, metric=case.metric, controls=("block-upper",), draws=draws, seed=seed
    )
    small(case.rnn)
    return explorer


def _trials(case, explorer):
    inputs, targets = case.trials.inputs, case.trials.targets
    return {
        "name": case.name,
        "title": explorer.metric.name,
        "metric": METRICS[explorer.metric.name],
        "better": explorer.metric.better,
        "count": len(targets),
        "steps": targets.shape[1],
        "heard": inputs.shape[1],
        "channels": inputs.shape[2],
        "outputs": targets.shape[2],
        "inputs": pack(inputs),
        "targets": pack(targets),
        "mask": pack(case.trials.counted),
    }


def _network(explorer, position, task):
    rnn, form = explorer.rnn, explorer.form(position, 0.9)
    arrays = {name: pack(array) for name, array in rnn[position].arrays.items()}
    return {
        "task": task,
        "label": str(rnn.labels[position]),
        **arrays,
        "Q": pack(form.Q),
        "T": pack(form.T),
        "starts": [block.start for block in form.blocks],
        "moduli": [block.modulus for block in form.blocks],
        # so that the page cuts where SchurForm cuts
        "tie": tie_tolerance(form.norm_T, form.radius),
        "eigenvalues": [[value.real, value.imag] for value in form.eigenvalues.tolist()],
        "activation": rnn.activation,
        "leak": float(rnn.leak),
        "form": rnn.form,
    }


def _preset(name, form):
    """Modes and couplings of a small form, as the page's controls have them."""
    integer(form.hidden_size, f"the number of units of {name!r}", at_least=2, at_most=6)
    T, modes = form.T, []
    for start, size, _ in form.blocks:
        if size == 1:
            modes.append({"value": float(T[start, start])})
            continue
        a, b, c = T[start, start], T[start, start + 1], T[start + 1, start]
        turn = np.sqrt(-b * c)
        polar = np.hypot(a, turn), np.arctan2(turn, a), b / turn
        modes.append(dict(zip(("value", "angle", "stretch"), map(float, polar))))
    # what is rounding noise of the decomposition should not stand in the page's table
    rounded = form.N.round(9)
    couplings = [[int(i), int(j), float(rounded[i, j])] for i, j in np.argwhere(rounded)]
    largest = max(abs(mode["value"]) for mode in modes)
    number(largest, f"the largest modulus of {name!r}", at_most=LARGEST_MODULUS)
    largest = float(np.abs(form.N).max())
    number(largest, f"the largest coupling of {name!r}", at_most=LARGEST_COUPLING)
    about = {"name": name, "modes": modes, "couplings": couplings}
    return about | {"scale": 1, "pulse": len(modes) - 1}


def _adder(one, table, keys):
    one_of(one.activation, "the activation of an explorer in a page", TRAINABLE)
    first = one.W_rec[0].astype(np.float64) @ one.h0[0].astype(np.float64)
    arrays = {name: pack(array) for name, array in one.arrays.items() if name != "h0"}
    energies = fourier.frequency_energies(real_array(table.X, "X"))
    waves, keys = fourier.unit_waves(table), sorted(int(k) for k in keys)
    heard = np.abs(np.fft.fft(table.X, axis=0))
    return {
        "label": str(one.labels[0]),
        "n": one.hidden_size,
        "activation": one.activation,
        **arrays,
        "first": pack(first),
        "units": pack(waves.frequency),
        "loudest": [int(heard[k].argmax()) for k in keys],
        "keys": keys,
        "strongest": int(energies.argmax()) + 1,
        "energies": [float(share) for share in energies],
    }
