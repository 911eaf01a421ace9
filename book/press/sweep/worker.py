"""What a sweep runs, a chapter or a function of a module; and one piece of its work, done wherever
it was sent: in this process, a spawned one, a dask worker or a SLURM job.

Work and results are plain values. A worker first holds its own code and packages against those of
the sender, so that a table never mixes two versions; it then runs, and keeps the record itself
where it sees the sweep's folder, so that a sender that is gone loses nothing.
"""

import contextlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from schurkit import nb
from schurkit.checks import InputError
from schurkit.claims import plain
from schurkit.store import Store
from schurkit_press.chapters import Chapter, book_root, chapter_named
from schurkit_press.kernel import first_line, in_environment
from schurkit_press.parameters import Parameter, kind_of
from schurkit_press.run import THREAD_SETTINGS, cells_of, code_of, fingerprint, job_for, run_job

MOVED = {"schurkit.training.profiles": "schurkit.studies.profiles"}
_SPEC = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Target(NamedTuple):
    """What is swept.

    name : of the chapter, or "module:function".
    place : the book's folder, or the one that holds the module: with the name, a worker finds it
        again.
    parameters : by name.
    stacks : whether it takes a list of seeds, `seeds`, instead of `seed`.
    """

    name: str
    place: str
    parameters: dict[str, Parameter]
    chapter: Chapter | None = None
    required: Sequence[str] = ()
    stacks: Sequence[str] = ()


def target_of(what: str | Callable, book: str | Path | None = None) -> Target:
    """The target that a chapter's name, "module:function", or a function of a module stands for.

    Importing a module runs it: name only modules whose code you would run yourself.

    Raises
    ------
    InputError : there is no such chapter, module or function, or the function cannot be found again
        by its name.
    """
    if callable(what):
        return _function_target(_name_of(what))
    if not isinstance(what, str):
        raise InputError(
            "sweep takes a chapter's name, 'module:function' or a function; got "
            f"{type(what).__name__}."
        )
    if ":" in what:
        return _function_target(what)
    root = book_root(book)
    chapter = chapter_named(root, what)
    return Target(what, str(root), {one.name: one for one in chapter.parameters}, chapter)


def fingerprint_of(name: str, place: str) -> dict[str, str]:
    """`schurkit_press.run.fingerprint` of a target: its source is the cells of the chapter, or the
    file of the function, as another one there may be called by it.
    """
    if ":" not in name:
        chapter = chapter_named(Path(place), name)
        return fingerprint(cells_of(chapter), code_of(chapter))
    found = find_function(name)
    module, function = name.split(":")
    try:
        source = Path(inspect.getsourcefile(found)).read_text(encoding="utf-8")
    except (OSError, TypeError):
        raise InputError(
            f"the source of {function} cannot be read, so its results cannot be told apart from "
            "older ones."
        ) from None
    return fingerprint(source, f"{source}\nfrom {module} import {function}")


def find_function(name: str) -> Callable:
    """The function of that name, imported.

    Raises
    ------
    InputError : not of the form "module:function", or there is no such module or function.
    """
    if not _SPEC.fullmatch(name):
        raise InputError(f"a function to sweep is named 'module:function'; got {name!r}.")
    module, function = name.split(":")
    if module in MOVED:
        raise InputError(f"module {module!r} is {MOVED[module]!r} now.")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the reader's module was found and lacks something itself
        file = f"{module.split('.')[0]}.py"
        raise InputError(
            f"there is no module {error.name!r} on Python's path: start in the folder of {file}, "
            "or install it."
        ) from None
    found = getattr(found, function, None)
    if not inspect.isfunction(found):
        raise InputError(f"module {module!r} has no function {function!r}.")
    return found


def _name_of(function: Callable) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module == "__main__" or not name or "<" in name or "." in name:
        typed = "typed into a notebook or script"
        place = typed if module == "__main__" else "no plain function of a module"
        raise InputError(
            f"{name or repr(function)} is {place}: put it into a module of its own (a .py file "
            "beside it) and import it, so that workers find it."
        )
    return f"{module}:{name}"


def _function_target(name: str) -> Target:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as `python` does; an installed command does not
    function = find_function(name)
    names = inspect.signature(function).parameters
    parameters = _parameters(names, name)
    module = Path(inspect.getsourcefile(function) or "").resolve()
    folder = module.parents[name.split(":")[0].count(".") + (module.name == "__init__.py")]
    required = [one for one in names if names[one].default is inspect.Parameter.empty]
    # a parameter is left out when its list is given
    stacks = [one for one in parameters if f"{one}s" in names and one not in required]
    return Target(name, str(folder), parameters, None, required, stacks)


def _parameters(names: Mapping, of: str) -> dict[str, Parameter]:
    """By name, those whose kind is declared in a way that values can be read by."""
    found = {}
    for parameter in names.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InputError(
                f"{of} takes {parameter}: a function to sweep takes named parameters alone."
            )
        given = parameter.annotation
        text = given if isinstance(given, str) else inspect.formatannotation(given)
        kind, choices = kind_of(text.removeprefix("typing."))
        if kind:
            default = None if parameter.default is parameter.empty else parameter.default
            found[parameter.name] = Parameter(parameter.name, kind, default, "", choices)
    if not found:
        wanted = "int, float, bool, str, list[…] of one of them, or Literal of texts"
        raise InputError(
            f"{of} declares no parameter that could be swept; annotate them, as in 'seed: int' "
            f"({wanted})."
        )
    return found


# -------------------------------------------------------------------------------- one piece of work
THREADS = {name: "1" for name in (*THREAD_SETTINGS, "NUMBA_NUM_THREADS", "SCHURKIT_THREADS")}
"""Every worker computes with one thread: as many workers as cores then use the machine, and a sum
has one order everywhere.
"""
SCHEMA = 2
FINISHED, FAILED = "finished", "failed"
_KEY = re.compile(r"[A-Za-z_][\w.-]*")


def perform(work: dict) -> list[dict]:
    """Do one piece of work and return the records of its runs; whatever goes wrong in a run is in
    its record.

    Parameters
    ----------
    work : target (name), place, runs (each with key and values), stack (a parameter whose values
        are passed as one list, or None), expected (the sender's fingerprint), version, folder (of
        the records), store.
    """
    start, runs, problem = time.monotonic(), work["runs"], ""
    found = [{} for _ in runs]
    with _environment(work):
        try:
            here = fingerprint_of(work["target"], work["place"])
            if differ := {name for name, _ in here.items() ^ work["expected"].items()}:
                raise _RunFailed(
                    f"for {work['target']} the worker has another {', '.join(sorted(differ))} than "
                    "the sender; install the same versions on both"
                )
            found = _function(work) if ":" in work["target"] else _chapter(work)
        except _RunFailed as error:
            problem = str(error)
        # whatever it was, the others go on and the table says it
        except (Exception, SystemExit) as error:
            problem = f"{type(error).__name__}: {first_line(error)}"
    seconds = (time.monotonic() - start) / len(runs)
    done = [record(run, work, one, problem, seconds) for run, one in zip(runs, found)]
    if Path(work["folder"]).is_dir():
        for one in done:
            Records(work["folder"]).keep(one)
    return done


class _RunFailed(Exception):
    """A run failed; the message is the line for the table."""


@contextlib.contextmanager
def _environment(work: dict) -> Iterator[None]:
    """One thread, the sender's store and the function's folder; this process's own settings come
    back afterwards.
    """
    from threadpoolctl import threadpool_limits

    if ":" in work["target"] and work["place"] not in sys.path:
        sys.path.append(work["place"])
    settings = {**os.environ, **THREADS, "SCHURKIT_STORE": work["store"]}
    with in_environment(settings), threadpool_limits(1):
        yield


def _function(work: dict) -> list[dict]:
    function, stack = find_function(work["target"]), work["stack"]
    if stack is None:
        return [plain_results(function(**run["values"])) for run in work["runs"]]
    shared = {name: value for name, value in work["runs"][0]["values"].items() if name != stack}
    wanted = [run["values"][stack] for run in work["runs"]]
    found = function(**shared, **{f"{stack}s": wanted})
    several = isinstance(found, (list, tuple))
    if not several or len(found) != len(wanted):
        got = f"{len(found)} results" if several else type(found).__name__
        raise _RunFailed(
            f"given {stack}s, a function returns a list of {len(wanted)} dicts, one each; got {got}"
        )
    return [plain_results(one) for one in found]


def _chapter(work: dict) -> list[dict]:
    """Run a chapter once (or find that it was run) and read back what it recorded."""
    root, name, (run,) = Path(work["place"]), work["target"], work["runs"]
    job = job_for(root, chapter_named(root, name), run["values"])
    if not job.cached and (problem := run_job(root, job, 1).problem):
        raise _RunFailed(problem.removeprefix(f"{name}: "))
    return [nb.records(job.output)]


class Records(Store):
    """The records of a sweep, by the keys of its runs."""

    suffixes = (".json",)
    again = "run"

    def name(self, record: Mapping) -> str:
        return record["key"]

    def record(self, key: str) -> dict | None:
        """That of a run; None without any, or with a damaged one (the run is then done again)."""
        there = self.read(_identity(key))
        return there and there[1]

    def keep(self, record: dict) -> bool:
        """Put a record there; returns whether that was possible."""
        return self.write(_identity(record["key"]), {}, record)


def _identity(key: str) -> dict:
    return {"schema": SCHEMA, "key": key}


def record(
    run: Mapping, work: Mapping, found: Mapping, problem: str = "", seconds: float = 0.0
) -> dict:
    """What is kept of one run: finished with what it found, or failed with one line of why."""
    return {
        "key": run["key"],
        "target": work["target"],
        "values": run["values"],
        "status": FAILED if problem else FINISHED,
        "problem": problem,
        "found": found,
        "seconds": round(seconds, 3),
        "version": work["version"],
    }


def plain_results(found) -> dict:
    """What a function returned, as JSON has it: NaN and infinities become None (undefined).

    Raises
    ------
    TypeError, InputError : not a dict from names to what `schurkit.nb.record` takes.
    """
    if not isinstance(found, Mapping):
        raise TypeError(
            f"a function to sweep returns a dict of numbers and words; got {type(found).__name__}"
        )
    for name in found:
        if not isinstance(name, str) or not _KEY.fullmatch(name):
            raise TypeError(
                "a result needs a name of letters, digits, '_', '.' or '-' that starts with a "
                f"letter; got {name!r}"
            )
    return {name: plain(value, f"result {name!r}") for name, value in found.items()}
