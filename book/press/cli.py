"""The verbs of the book: `schurkit list | build | run | sweep | publish | bench | check`, and what
it adds to `analyze` and `store`.

The command itself is `schurkit.__main__`. Every verb imports what it needs when it runs.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

from schurkit import nb
from schurkit.checks import InputError
from schurkit.words import plural

from .chapters import book_root, chapter_named, chapters, read_json, store_of
from .parameters import told
from .tables import columns


def read_run_arguments(parser, argv: list[str]):
    """The arguments of `run`: every ``-p NAME VALUE`` is taken out first, since values may start
    with a minus sign.
    """
    given, rest, waiting = {}, [], iter(argv)
    for word in waiting:
        if word not in ("-p", "--parameter"):
            rest.append(word)
            continue
        name, value = next(waiting, None), next(waiting, None)
        if value is None:
            raise InputError("-p takes a name and a value, as in '-p seeds 5'.")
        if name in given:
            raise InputError(f"parameter {name!r} is given twice.")
        given[name] = value
    arguments = parser.parse_args(rest)
    arguments.parameters = given
    return arguments


# --------------------------------------------------------------------------------------------- list
def add_list_arguments(parser) -> None:
    parser.add_argument("chapter", nargs="?", help="show this chapter alone")
    book_argument(parser)


def list_command(arguments) -> int:
    root, only = book_root(arguments.book), arguments.chapter
    shown = [chapter_named(root, only)] if only else chapters(root).values()
    print("\n\n".join("\n".join(_described(chapter)) for chapter in shown))
    return 0


def _described(chapter):
    rows = [
        (
            f"  {one.name}: {one.kind} = {one.default!r}",
            f"{one.help}{one.bound and f' [{one.bound}]'}",
        )
        for one in chapter.parameters
    ]
    return [f"{chapter.name}: {chapter.title}", *columns(rows)]


# -------------------------------------------------------------------------------------------- build
def add_build_arguments(parser) -> None:
    add = parser.add_argument
    _edition_arguments(
        parser, "quick", "run these chapters alone; the others show the run they have"
    )
    add(
        "--jobs",
        type=count,
        metavar="N",
        help="chapters run at a time, sharing the cores (default: one a core)",
    )
    add(
        "--pdf",
        action="store_true",
        help="also print the book to _build/schurkit.pdf (needs Chromium)",
    )
    _run_options(parser)
    book_argument(parser)


def build_command(arguments) -> int:
    from .build import BuildError, build, plan_build, print_book
    from .run import cores

    root, force = book_root(arguments.book), arguments.force
    book = plan_build(root, arguments.edition, arguments.only)
    if arguments.dry_run:
        return _dry_run(root, book.jobs, force)
    try:
        page = build(book, workers=arguments.jobs or cores(), force=force, report=_progress)
        printed = f" and {os.path.relpath(print_book(root))}" if arguments.pdf else ""
    except BuildError as error:
        return complain(error)
    print(f"The book ({book.edition} edition) is built{printed}. Open it:")
    print(page.resolve().as_uri())
    return 0


# ---------------------------------------------------------------------------------------------- run
def add_run_arguments(parser) -> None:
    add = parser.add_argument
    add("chapter", help="a chapter, as 'schurkit list' names it")
    add(
        "-p",
        "--parameter",
        nargs=2,
        metavar=("NAME", "VALUE"),
        help="set a parameter; repeat it for several",
    )
    add(
        "--out",
        metavar="FOLDER",
        help="where the executed notebook goes (default: _build/executed)",
    )
    add("--html", action="store_true", help="also write it as one page, beside the notebook")
    _run_options(parser)
    book_argument(parser)


def run_command(arguments) -> int:
    from schurkit.store import written

    from .one_page import chapter_page, sources
    from .plans import studies_of
    from .run import job_for, run_jobs

    root = book_root(arguments.book)
    folder = Path(arguments.out) if arguments.out else None
    if folder and folder.exists() and not folder.is_dir():
        raise InputError(f"--out must be a folder; {folder} is a file.")
    job = job_for(root, chapter_named(root, arguments.chapter), arguments.parameters, folder)
    if arguments.dry_run:
        return _dry_run(root, [job], arguments.force)
    if arguments.force or not job.cached:
        # a value that no network can have ends here, before anything is trained
        studies_of(job.chapter, job.values)
        (outcome,) = run_jobs(root, [job], report=_progress)
        if outcome.problem:
            return complain(outcome.problem)
    _print_results(root, job.output)
    if arguments.html:
        page = job.output.with_suffix(".html")
        cited = sources(root / "book" / "references.bib")
        written(page, chapter_page(read_json(job.output), job.chapter.title, cited).encode())
        print(f"The page is {os.path.relpath(page)}")
    return 0


def _print_results(root, output) -> None:
    from schurkit.claims import load_claims, ours

    from .verdicts import explained

    for key, value in nb.records(output).items():
        print(f"{key} = {value!r}")
    tests = nb.claims(output)
    known = load_claims(root / "book" / "claims.yml") if tests else {}
    for test in tests:
        verdict = f": {explained(known[test['id']], test)}" if test["id"] in known else ""
        print(f"claim {test['id']}: {ours(test)}{verdict}")
    print(f"The executed notebook is {os.path.relpath(output)}")


def complain(problem, code: int = 1) -> int:
    """Say what went wrong; the exit code."""
    print(f"schurkit: {problem}", file=sys.stderr)
    return code


def _dry_run(root, jobs, force: bool) -> int:
    """Say what would be run, and what that takes."""
    from .plans import costs_of, studies_of

    due = [job for job in jobs if force or not job.cached]
    asked = [studies_of(job.chapter, job.values) for job in due]
    *costs, total = costs_of(asked, store_of(root))
    for job in jobs:
        changed = told(job.values)
        what = f"to run{_taking(costs.pop(0))}" if job in due else "run already"
        print(f"{job.chapter.name}{changed and f' ({changed})'}: {what}")
    print(f"{len(due)} of {len(jobs)} chapters to run{_taking(total)}")
    return 0


def _taking(cost) -> str:
    return f": {cost}" if cost.networks else ""


def _progress(name: str, outcome) -> None:
    """One line a finished chapter; in a terminal also which one is being run."""
    terminal = sys.stderr.isatty()
    if outcome is None:
        if terminal:
            print(f"  {name} …", file=sys.stderr, flush=True)
    elif not outcome.problem:
        print(f"  {name}: {outcome.seconds:.0f} s", file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------------ publish
def add_publish_arguments(parser) -> None:
    add = parser.add_argument
    _edition_arguments(parser, "book", "these chapters alone")
    add(
        "--notebook",
        metavar="RUN.ipynb",
        help="a run of the one chapter --only names, with parameters of its own",
    )
    add(
        "--note",
        default="",
        metavar="TEXT",
        help="with --notebook: a sentence for the provenance, e.g. what earlier runs had left",
    )
    book_argument(parser)


def publish_command(arguments) -> int:
    from .book import BASE, BY_ITSELF, Book, publish, publish_whole
    from .build import WHOLE, build_command, plan_build
    from .panels import write_picture

    root, edition, only = book_root(arguments.book), arguments.edition, arguments.only
    apart = BY_ITSELF if edition == BASE and not only else ()
    jobs = [job for job in plan_build(root, edition, only).jobs if job.chapter.name not in apart]

    if arguments.notebook is not None:
        if len(only) != 1:
            raise InputError("--notebook is a run of one chapter: name it with --only.")
        if edition == BASE:
            raise InputError(
                f"the {BASE} edition is what 'make book EDITION={BASE}' runs; say with --edition "
                "which other one the run stands for."
            )
        runs = [(jobs[0], Path(arguments.notebook), True, arguments.note)]
    elif missing := [job.chapter.name for job in jobs if not job.cached]:
        raise InputError(
            f"not run yet in the {edition} edition: {', '.join(missing)}. Run "
            f"'{build_command(edition, only)}' first."
        )
    else:
        runs = [(job, job.output) for job in jobs]
    for job, *run in runs:
        folder = publish(root, edition, job.chapter.name, *run)
        print(f"{job.chapter.name}: {os.path.relpath(folder)}")
    if edition == BASE:
        publish_whole(root, root / WHOLE, [job.key for job in jobs])
    for name in sorted(apart):
        print(f"{name}: left as it is, since it goes by its own time; --only {name} publishes it")
    write_picture(Book(root))
    return 0


# ------------------------------------------------------------------ check, and the others' commands
def add_check_arguments(parser) -> None:
    book_argument(parser, nargs="?")
    parser.add_argument(
        "--published",
        action="store_true",
        help="also hold the runs of the book edition, and of a larger one where that alone is "
        "published, against what is published",
    )


def check_command(arguments) -> int:
    from .check import check_book, compare

    root = book_root(arguments.book)
    findings = check_book(root)
    if arguments.published:
        findings += compare(root)
    problems = [finding for finding in findings if finding.startswith("problem")]
    notes = [finding for finding in findings if finding not in problems]
    print(*problems, *notes, plural(len(problems), "problem"), sep="\n")
    return 1 if problems else 0


def _edition_arguments(parser, default: str, only: str) -> None:
    parser.add_argument(
        "--edition",
        default=default,
        metavar="NAME",
        help=f"an edition of book/editions.yml (default: {default})",
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="CHAPTER", help=only)


def _run_options(parser) -> None:
    add = parser.add_argument
    add("--force", action="store_true", help="run again even what was run before")
    add("--dry-run", action="store_true", help="say what would be run and what it takes, and stop")


def book_argument(parser, **more) -> None:
    """``--book FOLDER``."""
    parser.add_argument(
        "--book",
        metavar="FOLDER",
        help="the book's folder (default: here, or the nearest one above)",
        **more,
    )


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number from 1 on; got {text!r}")
    return int(text)


def _of(name: str, module: str):
    """What adds the arguments of a verb, what runs it and, where argparse is not enough, what reads
    them: of a module that is imported when they are asked for.
    """

    def parts():
        found = import_module(module, __package__)
        names = (f"add_{name}_arguments", f"{name}_command", f"read_{name}_arguments")
        return [getattr(found, part) for part in names if hasattr(found, part)]

    return parts


VERBS = {
    "list": ("chapters with their parameters", ".cli"),
    "build": ("run the chapters and build the book", ".cli"),
    "run": ("run one chapter with parameters of yours", ".cli"),
    "sweep": ("one chapter over many parameters", ".sweep.command"),
    "publish": ("keep the results of an edition in book/data", ".cli"),
    "analyze": ("what your own network can lose", ".own_page"),
    "store": ("trained networks on disk", ".archive"),
    "bench": ("how fast, beside other packages", ".bench"),
    "check": ("check that the pages ask nothing of other hosts", ".cli"),
}
COMMANDS = {name: (summary, _of(name, module)) for name, (summary, module) in VERBS.items()}
