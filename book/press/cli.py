"""The verbs of the book: `schurkit list | build | run | sweep | publish | bench | check`, and what
it adds to `analyze` and `store`.

The command itself is `schurkit.__main__`. Every verb imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys

from schurkit.checks import InputError


def _with_parameters(parser, argv: list[str]):
    """The arguments of `run`: every ``-p NAME VALUE`` is taken out first, since values may start
    with a minus sign.
    """
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
    arguments = parser.parse_args(rest)
    arguments.parameters = pairs
    return arguments


# --------------------------------------------------------------------------------------------- list
def _list_arguments(parser) -> None:
    parser.add_argument("chapter", nargs="?", help="show this chapter alone")
    _book_argument(parser)


def _list(arguments) -> int:
    from .chapters import book_root, chapter_named, chapters

    root = book_root(arguments.book)
    shown = (
        [chapter_named(root, arguments.chapter)]
        if arguments.chapter
        else list(chapters(root).values())
    )
    for position, chapter in enumerate(shown):
        print(("\n" if position else "") + f"{chapter.name}: {chapter.title}")
        lines = [
            (f"{parameter.name}: {parameter.kind} = {parameter.default!r}", parameter.help)
            for parameter in chapter.parameters
        ]
        width = max((len(text) for text, _ in lines), default=0)
        for text, help in lines:
            print(f"  {text:<{width}}  {help}".rstrip())
    return 0


# -------------------------------------------------------------------------------------------- build
def _build_arguments(parser) -> None:
    parser.add_argument(
        "--edition",
        default="quick",
        metavar="NAME",
        help="an edition of book/editions.yml (default: quick)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="CHAPTER",
        help="run these chapters alone; the others show the run they have",
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=None,
        metavar="N",
        help="chapters run at a time, sharing the cores (default: one a core)",
    )
    parser.add_argument(
        "--pdf",
        action="store_true",
        help="also print the book to _build/schurkit.pdf (needs Chromium)",
    )
    _run_options(parser)
    _book_argument(parser)


def _build(arguments) -> int:
    from .build import BuildError, build, plan_build
    from .chapters import book_root
    from .pdf import print_book
    from .run import cores

    root = book_root(arguments.book)
    plan = plan_build(root, arguments.edition, arguments.only)
    if arguments.dry_run:
        return _dry_run(root, plan.jobs, arguments.force)
    try:
        page = build(
            root, plan, workers=arguments.jobs or cores(), force=arguments.force, report=_progress
        )
        printed = print_book(root) if arguments.pdf else None
    except BuildError as error:
        print(f"schurkit: {error}", file=sys.stderr)
        return 1
    print(
        f"The book ({plan.book.edition} edition) is in {os.path.relpath(page)}"
        + (f" and {os.path.relpath(printed)}" if printed else "")
    )
    return 0


# ---------------------------------------------------------------------------------------------- run
def _run_arguments(parser) -> None:
    parser.add_argument("chapter", help="a chapter, as 'schurkit list' names it")
    parser.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        metavar=("NAME", "VALUE"),
        help="set a parameter; repeat it for several",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="where the executed notebook goes (default: _build/executed)",
    )
    _run_options(parser)
    _book_argument(parser)


def _run(arguments) -> int:
    from pathlib import Path

    from .chapters import book_root, chapter_named
    from .plans import studies_of
    from .run import check_folder, job_for, run_jobs

    root = book_root(arguments.book)
    folder = check_folder(Path(arguments.out)) if arguments.out else None
    job = job_for(root, chapter_named(root, arguments.chapter), dict(arguments.parameters), folder)
    if arguments.dry_run:
        return _dry_run(root, [job], arguments.force)
    if arguments.force or not job.cached:
        studies_of(
            job.chapter, job.values
        )  # a value that no network can have ends here, before anything is trained
        (outcome,) = run_jobs(root, [job], report=_progress)
        if outcome.problem:
            print(f"schurkit: {outcome.problem}", file=sys.stderr)
            return 1
    _print_results(root, job)
    return 0


def _print_results(root, job) -> None:
    from schurkit import nb
    from schurkit.claims import load_claims, ours

    from .verdicts import explained

    for key, value in nb.records(job.output).items():
        print(f"{key} = {value!r}")
    told = nb.claims(job.output)
    known = load_claims(root / "book" / "claims.yml") if told else {}
    for test in told:
        print(
            f"claim {test['id']}: {ours(test)}"
            + (f": {explained(known[test['id']], test)}" if test["id"] in known else "")
        )
    print(f"The executed notebook is {os.path.relpath(job.output)}")


def _dry_run(root, jobs, force: bool) -> int:
    """Say what would be run, and what that takes."""
    from .plans import costs_of, studies_of

    os.environ.setdefault(
        "SCHURKIT_STORE", str(root / "runs")
    )  # the store that the chapters will use
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


# ------------------------------------------------------------------------------------------ publish
def _publish_arguments(parser) -> None:
    parser.add_argument(
        "--edition",
        default="book",
        metavar="NAME",
        help="an edition of book/editions.yml (default: book)",
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="CHAPTER", help="these chapters alone"
    )
    parser.add_argument(
        "--notebook",
        metavar="RUN.ipynb",
        help="a run of the one chapter --only names, with parameters of its own",
    )
    parser.add_argument(
        "--note",
        default="",
        metavar="TEXT",
        help="with --notebook: a sentence for the provenance, e.g. what earlier runs had left",
    )
    _book_argument(parser)


def _publish(arguments) -> int:
    from pathlib import Path

    from .book import Book
    from .build import WHOLE, plan_build
    from .chapters import book_root
    from .front import write_picture
    from .published import BASE, publish, publish_whole

    root = book_root(arguments.book)
    jobs = plan_build(root, arguments.edition, arguments.only).jobs
    if arguments.notebook is not None:
        if len(arguments.only) != 1:
            raise InputError("--notebook is a run of one chapter: name it with --only.")
        if arguments.edition == BASE:
            raise InputError(
                f"the {BASE} edition is what 'make book EDITION={BASE}' runs; say with --edition "
                "which other one the run stands for."
            )
        name = jobs[0].chapter.name
        print(
            f"{name}: "
            f"{os.path.relpath(publish(root, arguments.edition, name, Path(arguments.notebook), True, arguments.note))}"
        )
        return 0
    missing = [job.chapter.name for job in jobs if not job.cached]
    if missing:
        command = f"schurkit build --edition {arguments.edition}" + (
            f" --only {' '.join(arguments.only)}" if arguments.only else ""
        )
        raise InputError(
            f"not run yet in the {arguments.edition} edition: {', '.join(missing)}. Run "
            f"'{command}' first."
        )
    for job in jobs:
        print(
            f"{job.chapter.name}: "
            f"{os.path.relpath(publish(root, arguments.edition, job.chapter.name, job.output))}"
        )
    if not arguments.only and arguments.edition == BASE:
        publish_whole(root, root / WHOLE, [job.key for job in jobs])
    write_picture(Book(root))
    return 0


# ------------------------------------------------------------------ check, and the others' commands
def _check_arguments(parser) -> None:
    parser.add_argument(
        "--book",
        nargs="?",
        metavar="FOLDER",
        help="the book's folder (default: here, or the nearest one above)",
    )
    parser.add_argument(
        "--files-only", action="store_true", help="read the files and open no browser"
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="also hold the runs of the book edition against what is published",
    )


def _check(arguments) -> int:
    from .chapters import book_root
    from .check import check_book

    root = book_root(arguments.book)
    findings = check_book(root)
    if not arguments.files_only:
        from .browse import browse

        findings += browse(root)
    if arguments.published:
        from .compare import compare

        findings += compare(root)
    for finding in sorted(findings, key=lambda finding: not finding.is_problem):
        print(finding)
    problems = sum(finding.is_problem for finding in findings)
    print(f"{problems} problem" + ("" if problems == 1 else "s"))
    return 1 if problems else 0


def _run_options(parser) -> None:
    parser.add_argument("--force", action="store_true", help="run again even what was run before")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be run and what it takes, and stop"
    )


def _book_argument(parser) -> None:
    parser.add_argument(
        "--book",
        metavar="FOLDER",
        help="the book's folder (default: here, or the nearest one above)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number from 1 on; got {text!r}")
    return int(text)


def _sweep():
    from .sweep.command import add_sweep_arguments, sweep_command

    return add_sweep_arguments, sweep_command


def _analyze():
    from .own_page import add_analyze_arguments, analyze_command

    return add_analyze_arguments, analyze_command


def _store():
    from .networks import add_store_arguments, store_command

    return add_store_arguments, store_command


def _bench():
    from .bench import add_bench_arguments, bench_command

    return add_bench_arguments, bench_command


COMMANDS = {
    "list": ("chapters with their parameters", lambda: (_list_arguments, _list)),
    "build": ("run the chapters and build the book", lambda: (_build_arguments, _build)),
    "run": (
        "run one chapter with parameters of yours",
        lambda: (_run_arguments, _run, _with_parameters),
    ),
    "sweep": ("one chapter over many parameters", _sweep),
    "publish": (
        "keep the results of an edition in book/data",
        lambda: (_publish_arguments, _publish),
    ),
    "analyze": ("what your own network can lose", _analyze),
    "store": ("trained networks on disk", _store),
    "bench": ("how fast, beside other packages", _bench),
    "check": ("check the pages that were built", lambda: (_check_arguments, _check)),
}
