"""`schurkit store`: look after trained networks, and carry those of an edition from one machine to
another.
"""

from __future__ import annotations

from pathlib import Path

from schurkit.checks import InputError

from .build import plan_build
from .chapters import book_root
from .plans import merged, studies_of

ACTIONS = ("list", "verify", "clean", "export", "import")


def add_store_arguments(parser) -> None:
    """Arguments of `schurkit store`."""
    parser.add_argument(
        "action", nargs="?", default="list", choices=ACTIONS,
        help="list (default); verify checksums; clean up leftovers; export the networks of an "
             "edition to a .zip; import such an archive",
    )  # fmt: skip
    parser.add_argument(
        "archive",
        nargs="?",
        default=None,
        metavar="ARCHIVE.zip",
        help="export, import: the archive",
    )
    parser.add_argument(
        "--store",
        default=None,
        metavar="FOLDER",
        help="the folder (default: $SCHURKIT_STORE, else runs)",
    )
    parser.add_argument(
        "--edition",
        default=None,
        metavar="NAME",
        help="export: an edition of book/editions.yml (default: book)",
    )
    parser.add_argument(
        "--chapter",
        nargs="+",
        default=None,
        metavar="NAME",
        help="export: what these chapters of the edition need alone",
    )
    parser.add_argument(
        "--book",
        default=None,
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
    if action == "export":
        return _export(arguments)
    if action == "import":
        return _import(arguments)
    from schurkit import store

    return store.store_command(arguments)


def _export(arguments) -> int:
    from schurkit.training import Store
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
    store = Store(arguments.store)
    records = records_of(merged(study for studies in needed.values() for study in studies))
    try:
        count = export(store, records, path, {"edition": edition, "chapters": chapters})
    except InputError as error:
        if "not in the store" not in str(error):
            raise
        only = f" --only {' '.join(arguments.chapter)}" if arguments.chapter else ""
        raise InputError(
            f"{error} Train them first: 'schurkit build --edition {edition}{only}'."
        ) from None
    print(
        f"{path}: {_networks(count)} of the {edition} edition ({', '.join(chapters)}), "
        f"{path.stat().st_size / 1e6:.1f} MB"
    )
    return 0


def _import(arguments) -> int:
    from schurkit.training import Store
    from schurkit_press.archive import import_

    store = Store(arguments.store)
    done = import_(store, arguments.archive)
    for name, why in done.damaged:
        print(f"damaged, skipped: {name} ({why})")
    print(
        f"{_networks(len(done.new))} taken in, {len(done.there)} there already, "
        f"{len(done.damaged)} damaged: {store.folder}"
    )
    return 1 if done.damaged else 0


def _networks(count: int) -> str:
    return f"{count} network" + ("" if count == 1 else "s")
