"""The paper's signs, task by task: what was measured, and whether it survives its controls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from schurkit.degeneracy.spread import contrast, interval_of, over
from schurkit.intervals import FEWEST, Interval

from .knobs import KNOBS, Ends, Knob, Results
from .samples import SCORES

SMALLEST = float(np.log(1.05))
"""The smallest change worth naming, as a log ratio: 5 %."""
AS_PAPER, OPPOSITE, OPEN, FEW = "as the paper", "opposite", "open", "too few networks"
UNDEFINED = "undefined, at the floor"


@dataclass(frozen=True, eq=False)
class Sign:
    """Which way one measure goes between the ends of a knob in one task.

    claim : id in book/claims.yml.
    level : "dynamics", "weights", "behaviour" or "feature learning".
    measure : a name of `schurkit.studies.SAMPLES`.
    paper : +1 or −1, the paper's.
    ours : log ratio between highest and lowest level; None where nothing could be measured.
    controls : name → log ratio of what is left when the control's own change is taken off.
    reached : networks that reached the threshold at the lowest and at the highest level; `trained`
        of them at each.
    null : the null of each of the two levels as a share of the distance between networks (DSA: one
        network on other trials; weights: untrained networks), None where there is none.
    cells : of the settings of DSA, how many have their whole interval on the paper's side, how many
        on the other, and how many there are; None beyond dynamics.
    at_floor : whether a distance is not above that of a network from itself at one of the levels.
    """

    claim: str
    knob: Knob
    level: str
    task: str
    ends: Ends
    measure: str
    paper: int
    ours: Interval | None
    controls: dict[str, Interval | None]
    reached: tuple[int, int]
    trained: int
    null: tuple[float, float] | None = None
    cells: tuple[int, int, int] | None = None
    at_floor: bool = False

    @property
    def side(self) -> str:
        """`AS_PAPER`, `OPPOSITE`, `OPEN` (the interval holds 0), `FEW`, or `UNDEFINED`."""
        return side(self.ours, self.paper)

    @property
    def survives(self) -> bool | None:
        """Whether a sign as the paper's is still that, by 5 % or more with its whole interval,
        beyond every control and, in dynamics, under every setting of DSA; None where it is not as
        the paper's, or has no control.
        """
        if self.side != AS_PAPER or not self.controls:
            return None
        beyond = [shown.low for shown in self.beyond.values()]
        sure = all(low is not None and low > 0 for low in beyond)
        return sure and (self.cells is None or self.cells[0] == self.cells[2])

    @property
    def beyond(self) -> dict[str, Interval]:
        """Each control's excess over the smallest change, in the paper's direction."""
        known = {name: one for name, one in self.controls.items() if one is not None}
        return {name: _excess(one, self.paper) for name, one in known.items()}


def side(interval: Interval | None, sign: int) -> str:
    """On which side of 0 a whole interval lies, as the paper's sign has it."""
    if interval is None or interval.low is None:
        known = interval is not None and np.isfinite(interval.value) and interval.n < FEWEST
        return FEW if known or interval is None else UNDEFINED
    if interval.low > 0 or interval.high < 0:
        return AS_PAPER if interval.low * sign > 0 else OPPOSITE
    return OPEN


def _excess(one: Interval, sign: int) -> Interval:
    value = sign * one.value - SMALLEST
    if one.low is None:
        return replace(one, value=value)
    low, high = sorted(sign * end - SMALLEST for end in one.ends)
    return replace(one, value=value, low=low, high=high)


def signs(results: Results) -> list[Sign]:
    """Every sign of the paper in every task of its knob, by knob, level and task."""
    return [sign for knob in KNOBS for sign in _of_knob(results, knob)]


def _asked(knob: Knob) -> Iterator[tuple[str, str, str, int, dict[str, str]]]:
    """Claim, level, measure, paper's sign, and controls by name: a measure whose own change the
    control leaves.
    """
    per_n2 = " per n2" if knob.per_n2 else ""
    yield knob.id, "dynamics", "dynamics", knob.dynamics, {}
    yield knob.id + "b", "weights", "weights" + per_n2, knob.weights, {"norms": "weights relative"}
    spread = {"per output": "behaviour per output"} if knob.id == "D1" else {}
    control = spread or {"mean loss": "behaviour cv"}
    yield knob.id + "c", "behaviour", "behaviour", knob.behaviour, control
    if knob.id == "D1":
        yield "D4", "feature learning", "change", 1, {"norm at the start": "change relative"}
        yield "D4b", "feature learning", "alignment", -1, {}
    if knob.id == "D5":
        yield "D5d", "behaviour", "loss over within", 1, {}


def _of_knob(results: Results, knob: Knob) -> Iterator[Sign]:
    for claim, level, measure, paper, named in _asked(knob):
        for ends in results.ends(knob.id):
            low, high = results.of(ends.low), results.of(ends.high)
            controls = {n: results.contrast(knob.id, m, ends.task) for n, m in named.items()}
            more = {}
            if level == "dynamics":
                controls, more = _of_dynamics(results, knob, ends)
            elif level == "weights":
                null = f"{measure} untrained"
                shares = [one.sample(null).value / one.sample(measure).value for one in (low, high)]
                more = {"null": tuple(shares)}
            yield Sign(
                claim=claim,
                knob=knob,
                level=level,
                task=ends.task,
                ends=ends,
                measure=measure,
                paper=paper,
                ours=results.contrast(knob.id, measure, ends.task),
                controls=controls,
                reached=(len(low.labels), len(high.labels)),
                trained=low.trained,
                **more,
            )


def _of_dynamics(results: Results, knob: Knob, ends: Ends):
    """Controls of DSA, and what else is said of it: shares of the null, settings, the floor."""
    low, high = results.of(ends.low), results.of(ends.high)
    controls = {"untrained": results.contrast(knob.id, _over_untrained, ends.task)}
    raw, copies = high.sample("dynamics raw"), high.sample("dynamics copies")
    if knob.id == "D1" and raw and copies:
        controls["independent copies"] = contrast([(raw, copies)])
    if knob.id == "D2":
        controls["the same trials"] = results.contrast(knob.id, "dynamics probe", ends.task)
    both = [(cell, score) for cell in low.dsa if cell in high.dsa for score in SCORES]
    reads = [lambda one, asked=asked: one.dsa_sample(*asked) for asked in both]
    cells = [side(results.contrast(knob.id, read, ends.task), knob.dynamics) for read in reads]
    shares, floors = [], []
    for one in (low, high):
        between, own = one.sample("dynamics raw"), one.sample("dynamics own")
        if between:
            shares.append(own.value / between.value)
            excess = interval_of(one.sample("dynamics"))
            floors.append(excess.value <= 0 if excess.low is None else excess.low <= 0)
    more = {"cells": (cells.count(AS_PAPER), cells.count(OPPOSITE), len(cells))}
    return controls, more | {"null": tuple(shares) or None, "at_floor": any(floors)}


def _over_untrained(levels):
    raw, null = levels.sample("dynamics"), levels.sample("dynamics untrained")
    return None if raw is None or null is None else over(raw, null)
