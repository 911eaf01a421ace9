"""The command line, `schurkit` and ``python -m schurkit``: analyze and store; the verbs of the book
come from the press, where it is installed.

Exit codes: 0 done; 2 the input or the arguments are wrong (one line on stderr); 130 interrupted; 1
anything else. Every command imports what it needs when it runs, so that `schurkit --help` and
typing errors answer at once.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from importlib import import_module
from importlib.util import find_spec

from schurkit.checks import InputError

PRESS = "schurkit_press"
"""The package of the book: reached by its name alone, since nothing here may depend on it."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        raise InputError(f"{message} (see '{self.prog} --help')")


def _analyze():
    from schurkit.own.command import add_analyze_arguments, analyze_command

    return add_analyze_arguments, analyze_command


def _store():
    from schurkit.store import add_store_arguments, store_command

    return add_store_arguments, store_command


OWN = {
    "analyze": ("what your own network can lose", _analyze),
    "store": ("trained networks on disk", _store),
}


def commands() -> dict[str, tuple]:
    """Name → summary, and a function that imports the command: what adds its arguments to a parser,
    what runs it and, where argparse is not enough, what reads them.

    Those of the press stand beside the helper's or in their place: its `store` also exports and
    imports, its `analyze` also makes pages.
    """
    return OWN if find_spec(PRESS) is None else OWN | import_module(f"{PRESS}.cli").COMMANDS


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _dispatch(argv)
        sys.stdout.flush()  # here, where a reader of a pipe that has gone is no error
        return code
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
    known = commands()
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview(known))
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"schurkit {version('schurkit')}")
        return 0
    name = argv[0]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise InputError(
            f"there is no command {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"it takes one of {', '.join(known)}.")
        )
    summary, load = known[name]
    add_arguments, run, *read = load()
    parser = _Parser(prog=f"schurkit {name}", description=summary, allow_abbrev=False)
    add_arguments(parser)
    return run(read[0](parser, argv[1:]) if read else parser.parse_args(argv[1:]))


def _overview(known: dict) -> str:
    lines = [
        "usage: schurkit COMMAND …",
        "",
        "What a trained recurrent network can lose and still do its task: a book you can run.",
        "",
    ]
    lines += [f"  {name:<9}{summary}" for name, (summary, *_) in known.items()]
    return "\n".join(
        [
            *lines,
            "",
            "'schurkit COMMAND --help' explains one command; 'schurkit --version' names the "
            "version.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
