"""What a design found: every setting measured once, and which way each measure goes over the levels
of a knob.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schurkit.intervals import Interval
from schurkit.training import Store, train_all

from .kept import kept_levels
from .knobs import Design, Knob, Setting
from .measured import MEASURES, Dynamics, Levels
from .signs import Sample, contrast

LEAST_SHARE = 0.5
"""A level at which fewer of the networks reach the training threshold is not a knob's highest one.
"""


@dataclass(frozen=True)
class Ends:
    """The lowest and the highest level of a knob in one task that enter the comparison."""

    task: str
    low: Setting
    high: Setting


@dataclass(frozen=True, eq=False)
class Results:
    """A design with what was measured: study (task, recipe) → `Levels`, None where fewer than three
    networks reached the threshold.
    """

    design: Design
    found: dict[tuple, Levels | None]
    seconds: float

    def of(self, setting: Setting) -> Levels | None:
        """What was measured in a setting."""
        return self.found[setting.study.task, setting.study.recipe]

    def settings(self, knob: str) -> list[Setting]:
        """The settings of a knob, by task and level."""
        return [setting for setting in self.design.settings if setting.knob == knob]

    def ends(self, knob: str) -> list[Ends]:
        """For each task, the lowest level and the highest one at which at least half of the
        networks reached the threshold.

        A task with one such level only is left out.
        """
        found = []
        for task in dict.fromkeys(setting.task for setting in self.settings(knob)):
            good = [
                s
                for s in self.settings(knob)
                if s.task == task and self.of(s) is not None and self.of(s).share >= LEAST_SHARE
            ]
            lowest = min(s.level for s in self.settings(knob) if s.task == task)
            good.sort(key=lambda s: s.level)
            if len(good) > 1 and good[0].level == lowest:
                found.append(Ends(task, good[0], good[-1]))
        return found

    def contrast(
        self, knob: str, measure: str | Callable[[Levels], Sample | None], task: str | None = None
    ) -> Interval | None:
        """Mean over tasks of the log ratio of a measure between the ends of a knob; None where
        nothing can be compared.

        measure : one of `schurkit.studies.MEASURES`, or a function from `Levels` to a sample.
        task : this one alone.
        """
        read = MEASURES[measure] if isinstance(measure, str) else measure
        terms = []
        for ends in self.ends(knob):
            high, low = read(self.of(ends.high)), read(self.of(ends.low))
            if task in (None, ends.task) and high is not None and low is not None:
                terms.append((high, low))
        return contrast(terms) if terms else None

    def rows(self) -> list[dict]:
        """Plain scalars of every setting, for tables; settings with too few networks say so."""
        rows = []
        for s in self.design.settings:
            here, measured = {"knob": s.knob, "task": s.task, "level": s.level}, self.of(s)
            rows.append(
                here | ({"networks": None, "share": None} if measured is None else measured.row())
            )
        return rows


def paper_measures(knob: Knob) -> dict[str, tuple[str, int]]:
    """Level of degeneracy → the paper's own measure of it (a name of `MEASURES`) and the paper's
    sign.
    """
    weights = "weights per n2" if knob.per_n2 else "weights"
    return {
        "dynamics": ("dynamics", knob.dynamics),
        "weights": (weights, knob.weights),
        "behaviour": ("behaviour", knob.behaviour),
    }


def run(
    design: Design, dynamics: Dynamics | None = None, *, store: Store | None = None, **options
) -> Results:
    """Train every study of a design and measure it once, or fetch from the store what was trained
    or measured before; options go to `levels`.
    """
    from time import perf_counter

    dynamics = dynamics or Dynamics()
    trained = train_all(list(design.studies), store=store)
    begun = perf_counter()
    found = {
        (one.task, one.recipe): kept_levels(one, dynamics, store=store, **options)
        for one in trained
    }
    return Results(design, found, perf_counter() - begun)
