"""`schurkit store`: look after trained networks, and carry those of an edition from one machine to
another.
"""

from itertools import chain
from pathlib import Path

from schurkit import store
from schurkit.checks import InputError
from schurkit.store import Store
from schurkit.words import plural

from .build import build_command, plan_build
from .chapters import book_root
from .plans import merged, studies_of

ACTIONS = ("list", "verify", "clean", "export", "import")


def add_store_arguments(parser) -> None:
    """Arguments of `schurkit store`."""
    store.add_store_arguments(
        parser, ACTIONS, "; export the networks of an edition to a .zip; import such an archive"
    )
    add = parser.add_argument
    add("archive", nargs="?", metavar="ARCHIVE.zip", help="export, import: the archive")
    add("--edition", metavar="NAME", help="export: an edition of book/editions.yml (default: book)")
    add(
        "--chapter",
        nargs="+",
        metavar="NAME",
        help="export: what these chapters of the edition need alone",
    )
    add(
        "--book",
        metavar="FOLDER",
        help="export: the book's folder (default: here, or the nearest one above)",
    )


def store_command(arguments) -> int:
    """Run `schurkit store`; returns the exit code: 0 done, 1 some networks are damaged (and
    named).
    """
    action, transfer = arguments.action, arguments.action in ("export", "import")
    if transfer != (arguments.archive is not None):
        problem = (
            f"needs the archive: schurkit store {action} ARCHIVE.zip"
            if transfer
            else f"takes no archive; got {arguments.archive!r}"
        )
        raise InputError(f"store {action} {problem}.")
    given = [name for name in ("edition", "chapter", "book") if getattr(arguments, name)]
    if given and action != "export":
        raise InputError(
            f"--{given[0]} belongs to 'store export'; store {action} does not take it."
        )
    run = {"export": _export, "import": _import}.get(action, store.store_command)
    return run(arguments)


def _export(arguments) -> int:
    from schurkit_press.archive import export, records_of

    path = Path(arguments.archive)
    if path.suffix != ".zip":
        raise InputError(f"the name of an archive must end in .zip; got {arguments.archive!r}.")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}; make it first.")
    root, edition = book_root(arguments.book), arguments.edition or "book"
    jobs = plan_build(root, edition, arguments.chapter or ()).jobs
    needed = {job.chapter.name: studies_of(job.chapter, job.values) for job in jobs}
    chapters = [name for name, studies in needed.items() if studies]
    if not chapters:
        raise InputError(
            f"{', '.join(needed)}: no networks are trained ahead for it, so there is nothing to "
            "export."
        )
    records = records_of(merged(chain(*needed.values())))
    made_of = {"edition": edition, "chapters": chapters}
    try:
        count = export(Store(arguments.store), records, path, made_of)
    except InputError as error:
        if "not in the store" not in str(error):
            raise
        command = build_command(edition, arguments.chapter or ())
        raise InputError(f"{error} Train them first: '{command}'.") from None
    print(
        f"{path}: {plural(count, 'network')} of the {edition} edition ({', '.join(chapters)}), "
        f"{path.stat().st_size / 1e6:.1f} MB"
    )
    return 0


def _import(arguments) -> int:
    from schurkit_press.archive import import_

    there = Store(arguments.store)
    done = import_(there, arguments.archive)
    for name, why in done.damaged:
        print(f"damaged, skipped: {name} ({why})")
    print(
        f"{plural(len(done.new), 'network')} taken in, {len(done.there)} there already, "
        f"{len(done.damaged)} damaged: {there.folder}"
    )
    return 1 if done.damaged else 0
