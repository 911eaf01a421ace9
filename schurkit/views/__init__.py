"""The figures of the book as functions of values: each returns a `View`, a figure that knows its
alternative text and its numbers.

``views.profile(profile)`` in a cell shows it; ``nb.show(views.profile(profile), "name", "What to
see.")`` puts it on a page with caption, alternative text and the CSV file behind it. A file a kind,
so that a chapter depends on the kinds that it shows.
"""

from .addition import frequencies, pairs, progress, removals, unit, units
from .base import CONTROL_MARKERS, SECTOR_COLOURS, View, styled
from .couplings import couplings
from .form import schur, spectrum
from .laws import laws
from .profile import profile
from .signs import signs
from .states import states
from .suite import suite
from .sweeps import cuts, doses, over_time, thresholds
from .training import training
from .trials import examples, raster, trial

__all__ = [
    "CONTROL_MARKERS",
    "SECTOR_COLOURS",
    "View",
    "couplings",
    "cuts",
    "doses",
    "examples",
    "frequencies",
    "laws",
    "over_time",
    "pairs",
    "profile",
    "progress",
    "raster",
    "removals",
    "schur",
    "signs",
    "spectrum",
    "states",
    "styled",
    "suite",
    "thresholds",
    "training",
    "trial",
    "unit",
    "units",
]
