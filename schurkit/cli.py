"""The command line: `schurkit list | build | run | sweep | publish | analyze | store | bench | check`.

Exit codes: 0 done; 2 the input or the arguments are wrong (one line on stderr); 130 interrupted; 1 anything else.
Every command imports what it needs when it runs, so that `schurkit --help` and typing errors answer at once.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from importlib import import_module

from schurkit._checks import InputError


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        raise InputError(f"{message} (see '{self.prog} --help')")


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        return _dispatch(argv)
    except InputError as error:
        print(f"schurkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("schurkit: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"schurkit {version('schurkit')}")
        return 0
    name = argv[0]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        raise InputError(f"there is no command {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"it takes one of {', '.join(COMMANDS)}."))
    summary, add_arguments, run = COMMANDS[name]
    parser = _Parser(prog=f"schurkit {name}", description=summary, allow_abbrev=False)
    add_arguments(parser)
    pairs, rest = _take_parameters(argv[1:]) if name == "run" else ([], argv[1:])
    arguments = parser.parse_args(rest)
    if name == "run":
        arguments.parameters = pairs
    return run(arguments)


def _overview() -> str:
    lines = ["usage: schurkit COMMAND …", "", "What a trained recurrent network can lose and still do its task: a book you can run.", ""]
    lines += [f"  {name:<9}{summary}" for name, (summary, *_) in COMMANDS.items()]
    return "\n".join([*lines, "", "'schurkit COMMAND --help' explains one command; 'schurkit --version' names the version."])


def _take_parameters(argv: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Take every ``-p NAME VALUE`` out of the arguments (values may start with a minus sign)."""
    pairs, rest = [], []
    waiting = iter(argv)
    for word in waiting:
        if word not in ("-p", "--parameter"):
            rest.append(word)
            continue
        name, value = next(waiting, None), next(waiting, None)
        if name is None or value is None:
            raise InputError("-p takes a name and a value, as in '-p seeds 5'.")
        if name in dict(pairs):
            raise InputError(f"parameter {name!r} is given twice.")
        pairs.append((name, value))
    return pairs, rest


# ---------------------------------------------------------------------------------------------------------------- list
def _list_arguments(parser) -> None:
    parser.add_argument("chapter", nargs="?", help="show this chapter alone")
    _book_argument(parser)


def _list(arguments) -> int:
    from schurkit.publish.chapters import book_root, chapter_named, chapters

    root = book_root(arguments.book)
    shown = [chapter_named(root, arguments.chapter)] if arguments.chapter else list(chapters(root).values())
    for position, chapter in enumerate(shown):
        print(("\n" if position else "") + f"{chapter.name}: {chapter.title}")
        lines = [(f"{parameter.name}: {parameter.kind} = {parameter.default!r}", parameter.help) for parameter in chapter.parameters]
        width = max((len(text) for text, _ in lines), default=0)
        for text, help in lines:
            print(f"  {text:<{width}}  {help}".rstrip())
    return 0


# ---------------------------------------------------------------------------------------------------------------- build
def _build_arguments(parser) -> None:
    parser.add_argument("--edition", default="quick", metavar="NAME", help="an edition of book/editions.yml (default: quick)")
    parser.add_argument("--only", nargs="+", default=[], metavar="CHAPTER", help="run these chapters alone; the others show the run they have")
    parser.add_argument("--jobs", type=_count, default=None, metavar="N", help="chapters run at a time, sharing the cores (default: one a core)")
    parser.add_argument("--pdf", action="store_true", help="also print the book to _build/schurkit.pdf (needs Chromium)")
    _run_options(parser)
    _book_argument(parser)


def _build(arguments) -> int:
    from schurkit.publish.build import BuildError, build, plan_build
    from schurkit.publish.chapters import book_root
    from schurkit.publish.pdf import print_book
    from schurkit.publish.run import cores

    root = book_root(arguments.book)
    plan = plan_build(root, arguments.edition, arguments.only)
    if arguments.dry_run:
        return _dry_run(root, plan.jobs, arguments.force)
    try:
        page = build(root, plan, workers=arguments.jobs or cores(), force=arguments.force, report=_progress)
        printed = print_book(root) if arguments.pdf else None
    except BuildError as error:
        print(f"schurkit: {error}", file=sys.stderr)
        return 1
    print(f"The book ({plan.book.edition} edition) is in {os.path.relpath(page)}" + (f" and {os.path.relpath(printed)}" if printed else ""))
    return 0


# ---------------------------------------------------------------------------------------------------------------- run
def _run_arguments(parser) -> None:
    parser.add_argument("chapter", help="a chapter, as 'schurkit list' names it")
    parser.add_argument("-p", "--parameter", nargs=2, metavar=("NAME", "VALUE"), help="set a parameter; repeat it for several")
    parser.add_argument("--out", metavar="FOLDER", help="where the executed notebook goes (default: _build/executed)")
    _run_options(parser)
    _book_argument(parser)


def _run(arguments) -> int:
    from pathlib import Path

    from schurkit.publish.chapters import book_root, chapter_named
    from schurkit.publish.plans import studies_of
    from schurkit.publish.run import check_folder, job_for, run_jobs

    root = book_root(arguments.book)
    folder = check_folder(Path(arguments.out)) if arguments.out else None
    job = job_for(root, chapter_named(root, arguments.chapter), dict(arguments.parameters), folder)
    if arguments.dry_run:
        return _dry_run(root, [job], arguments.force)
    if arguments.force or not job.cached:
        studies_of(job.chapter, job.values)  # a value that no network can have ends here, before anything is trained
        (outcome,) = run_jobs(root, [job], report=_progress)
        if outcome.problem:
            print(f"schurkit: {outcome.problem}", file=sys.stderr)
            return 1
    _print_results(root, job)
    return 0


def _print_results(root, job) -> None:
    from schurkit import nb
    from schurkit._claims import explained, load_claims, ours

    for key, value in nb.records(job.output).items():
        print(f"{key} = {value!r}")
    told = nb.claims(job.output)
    known = load_claims(root / "book" / "claims.yml") if told else {}
    for test in told:
        print(f"claim {test['id']}: {ours(test)}" + (f": {explained(known[test['id']], test)}" if test["id"] in known else ""))
    print(f"The executed notebook is {os.path.relpath(job.output)}")


def _dry_run(root, jobs, force: bool) -> int:
    """Say what would be run, and what that takes."""
    from schurkit.publish.plans import costs_of, studies_of

    os.environ.setdefault("SCHURKIT_STORE", str(root / "runs"))  # the store that the chapters will use
    due = [job for job in jobs if force or not job.cached]
    each, total = costs_of([studies_of(job.chapter, job.values) for job in due])
    costs = {job.chapter.name: cost for job, cost in zip(due, each)}
    for job in jobs:
        cost = costs.get(job.chapter.name)
        changed = ", ".join(f"{name} = {value!r}" for name, value in job.values.items())
        what = "run already" if cost is None else "to run" + (f": {cost}" if cost.networks else "")
        print(f"{job.chapter.name}" + (f" ({changed})" if changed else "") + f": {what}")
    print(f"{len(due)} of {len(jobs)} chapters to run" + (f": {total}" if total.networks else ""))
    return 0


def _progress(name: str, outcome) -> None:
    """One line a finished chapter; in a terminal also which one is being run."""
    terminal = sys.stderr.isatty()
    if outcome is None:
        if terminal:
            print(f"  {name} …", file=sys.stderr, flush=True)
    elif not outcome.problem:
        print(f"  {name}: {outcome.seconds:.0f} s", file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------------------------------- publish
def _publish_arguments(parser) -> None:
    parser.add_argument("--edition", default="book", metavar="NAME", help="an edition of book/editions.yml (default: book)")
    parser.add_argument("--only", nargs="+", default=[], metavar="CHAPTER", help="these chapters alone")
    parser.add_argument("--notebook", metavar="RUN.ipynb", help="a run of the one chapter --only names, with parameters of its own")
    parser.add_argument("--note", default="", metavar="TEXT", help="with --notebook: a sentence for the provenance, e.g. what earlier runs had left")
    _book_argument(parser)


def _publish(arguments) -> int:
    from pathlib import Path

    from schurkit.publish.book import Book
    from schurkit.publish.build import WHOLE, plan_build
    from schurkit.publish.chapters import book_root
    from schurkit.publish.front import write_picture
    from schurkit.publish.published import BASE, publish, publish_whole

    root = book_root(arguments.book)
    jobs = plan_build(root, arguments.edition, arguments.only).jobs
    if arguments.notebook is not None:
        if len(arguments.only) != 1:
            raise InputError("--notebook is a run of one chapter: name it with --only.")
        if arguments.edition == BASE:
            raise InputError(f"the {BASE} edition is what 'make book EDITION={BASE}' runs; say with --edition which other one the run stands for.")
        name = jobs[0].chapter.name
        print(f"{name}: {os.path.relpath(publish(root, arguments.edition, name, Path(arguments.notebook), True, arguments.note))}")
        return 0
    missing = [job.chapter.name for job in jobs if not job.cached]
    if missing:
        command = f"schurkit build --edition {arguments.edition}" + (f" --only {' '.join(arguments.only)}" if arguments.only else "")
        raise InputError(f"not run yet in the {arguments.edition} edition: {', '.join(missing)}. Run '{command}' first.")
    for job in jobs:
        print(f"{job.chapter.name}: {os.path.relpath(publish(root, arguments.edition, job.chapter.name, job.output))}")
    if not arguments.only and arguments.edition == BASE:
        publish_whole(root, root / WHOLE, [job.key for job in jobs])
    write_picture(Book(root))
    return 0


# ---------------------------------------------------------------------------------------------------------------- check, and the others' commands
def _check_arguments(parser) -> None:
    parser.add_argument("--book", nargs="?", metavar="FOLDER", help="the book's folder (default: here, or the nearest one above)")
    parser.add_argument("--files-only", action="store_true", help="read the files and open no browser")
    parser.add_argument("--published", action="store_true", help="also hold the runs of the book edition against what is published")


def _check(arguments) -> int:
    from schurkit.publish.chapters import book_root
    from schurkit.publish.check import check_book

    root = book_root(arguments.book)
    findings = check_book(root)
    if not arguments.files_only:
        from schurkit.publish.browse import browse

        findings += browse(root)
    if arguments.published:
        from schurkit.publish.compare import compare

        findings += compare(root)
    for finding in sorted(findings, key=lambda finding: not finding.is_problem):
        print(finding)
    problems = sum(finding.is_problem for finding in findings)
    print(f"{problems} problem" + ("" if problems == 1 else "s"))
    return 1 if problems else 0


def _analyze_arguments(parser) -> None:
    from schurkit.publish.own_page import add_analyze_arguments

    add_analyze_arguments(parser)


def _analyze(arguments) -> int:
    from schurkit.publish.own_page import analyze_command

    return analyze_command(arguments)


def _from(module: str, name: str):
    """A function of another module, imported by its name when it is called: a chapter that shows a command does not depend on it."""
    return lambda argument: getattr(import_module(module), name)(argument)


def _run_options(parser) -> None:
    parser.add_argument("--force", action="store_true", help="run again even what was run before")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run and what it takes, and stop")


def _book_argument(parser) -> None:
    parser.add_argument("--book", metavar="FOLDER", help="the book's folder (default: here, or the nearest one above)")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number from 1 on; got {text!r}")
    return int(text)


_STORE = "schurkit.publish.networks"
COMMANDS = {
    "list": ("chapters with their parameters", _list_arguments, _list),
    "build": ("run the chapters and build the book", _build_arguments, _build),
    "run": ("run one chapter with parameters of yours", _run_arguments, _run),
    "sweep": (
        "one chapter over many parameters",
        _from("schurkit.publish.sweep_command", "add_sweep_arguments"),
        _from("schurkit.publish.sweep_command", "sweep_command"),
    ),
    "publish": ("keep the results of an edition in book/data", _publish_arguments, _publish),
    "analyze": ("what your own network can lose", _analyze_arguments, _analyze),
    "store": ("trained networks on disk", _from(_STORE, "add_store_arguments"), _from(_STORE, "store_command")),
    "bench": ("how fast, beside other packages", _from("schurkit.bench", "add_bench_arguments"), _from("schurkit.bench", "bench_command")),
    "check": ("check the pages that were built", _check_arguments, _check),
}

if __name__ == "__main__":
    sys.exit(main())
