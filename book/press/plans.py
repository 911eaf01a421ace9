"""What a chapter will have to train: the networks, and what they cost.

A cell of the chapter, tagged `networks`, binds `studies`, a list of `schurkit.training.Study`, from
its parameters and imports alone, and the chapter trains these. It is run here, so that networks can
be counted, priced for `--dry-run` and trained ahead.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, islice
from pathlib import Path
from unittest import mock

from schurkit.checks import InputError
from schurkit.store import Store

from .chapters import Chapter
from .kernel import first_line
from .parameters import told


def costs_of(asked: Sequence[Sequence], store: Path) -> list:
    """What each of several lists of studies takes beside what that folder holds, and at last all of
    them together (`schurkit_press.price.Cost`): a network that two ask for is trained once.
    """
    from .price import Cost, plan_all

    groups = [*asked, merged(chain(*asked))]
    costs = iter(plan_all([*chain(*groups)], store=Store(store)))
    return [sum(islice(costs, len(studies)), Cost()) for studies in groups]


def studies_of(chapter: Chapter, values: dict) -> list:
    """The studies a chapter with these parameters asks for, none of them twice; empty for a chapter
    without a cell of networks.

    Raises
    ------
    InputError : a value that the task, the recipe or the number of networks cannot have; the
        message names the parameter. The cell does not bind `studies`, or fails otherwise.
    """
    if chapter.networks is None:
        return []
    defaults = chapter.defaults
    there = defaults | values
    try:
        return merged(_bound(chapter, there))
    except InputError as error:
        blamed = [n for n in values if _stands(chapter, there | {n: defaults[n]})] or list(values)
        if not blamed or str(error).startswith(f"{blamed[0]} "):
            raise
        given = told({name: values[name] for name in blamed})
        raise InputError(f"with {given}: {error}") from None


_compiled = cache(compile)


def _bound(chapter: Chapter, values: dict) -> list:
    """What the cell of networks binds to `studies`."""
    from schurkit.training import Study

    there, path = dict(values), [*sys.path, str(chapter.path.parent)]  # as the chapter sees it
    try:
        with mock.patch.object(sys, "path", path):
            exec(_compiled(chapter.networks, chapter.path.name, "exec"), there)
    except InputError:
        raise
    except Exception as error:  # whatever a chapter's author wrote
        raise InputError(
            f"{chapter.name}: its cell tagged 'networks' may use its parameters and imports alone; "
            f"it failed with {type(error).__name__}: {first_line(error)}"
        ) from None
    studies = there.get("studies")
    if not isinstance(studies, (list, tuple)) or not all(isinstance(s, Study) for s in studies):
        raise InputError(
            f"{chapter.name}: its cell tagged 'networks' must bind 'studies', a list of "
            f"schurkit.training.Study; got {type(studies).__name__}."
        )
    return list(studies)


def _stands(chapter: Chapter, values: dict) -> bool:
    try:
        _bound(chapter, values)
    except InputError:
        return False
    return True


def train_ahead(jobs: Iterable, folder) -> dict[str, dict]:
    """Train the networks of several chapters in one go, so that all processors are busy and shared
    networks are trained once.

    Parameters
    ----------
    jobs : the chapters with their parameters (`schurkit_press.run.Job`).
    folder : of the store.

    Returns
    -------
    dict : for each chapter with networks, how many and the core-seconds that training
        all of them took, now or earlier.
    """
    from schurkit.training import train_all

    wanted = {job.chapter.name: studies_of(job.chapter, job.values) for job in jobs}
    studies = merged(chain(*wanted.values()))
    if not studies:
        return {}
    seconds = {
        network: float(spent)
        for study, result in zip(studies, train_all(studies, store=Store(folder)))
        for network, spent in zip(_networks(study), result.seconds)
    }
    found = {}
    for name, mine in wanted.items():
        if each := [seconds[network] for study in mine for network in _networks(study)]:
            found[name] = {"networks": len(each), "core_seconds": round(sum(each), 1)}
    return found


def _networks(study) -> list[tuple]:
    """A name for each network of a study."""
    return [(study.task, study.recipe, seed) for seed in study.seeds]


def merged(studies: Iterable) -> list:
    """The studies with those of equal task and recipe put together: a network that two of them ask
    for is trained once.
    """
    groups: dict = {}
    for study in studies:
        groups.setdefault((study.task, study.recipe), []).append(study)
    return [
        replace(group[0], seeds=tuple(dict.fromkeys(chain(*(one.seeds for one in group)))))
        for group in groups.values()
    ]
