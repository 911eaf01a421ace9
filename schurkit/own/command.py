"""`schurkit analyze`: a network of the reader's own, from its file to its profile."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from schurkit.checks import InputError

_DESCRIPTION = """\
Describe the recurrent matrix of a trained network in Schur coordinates and, with trials, measure what each group of couplings is worth:
all eight removals of RR, CR and CC beside random changes of equal norm, permuted and matched, which together say how a removal reads.
Weights: .npz or .safetensors with W_in, W_rec, W_out, or a torch state dict of an nn.RNN and a linear readout.
Trials: .npz with inputs, targets and, optionally, mask and outputs (what your own code gave).
Where outputs are given and the network as read does not reproduce them, nothing is written unless --force-unchecked is given."""


def add_analyze_arguments(parser) -> None:
    """Arguments of `schurkit analyze`."""
    parser.description = _DESCRIPTION
    parser.add_argument(
        "weights",
        metavar="WEIGHTS",
        help="file with the network: .npz, .safetensors, .pt, .pth or .ckpt",
    )
    parser.add_argument(
        "--trials",
        metavar="TRIALS.npz",
        help="trials of its task; without them only the matrix is described",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.9,
        metavar="X",
        help="R: the blocks of modulus at least X times the largest, per time constant (0.9)",
    )
    parser.add_argument(
        "--activation",
        metavar="NAME",
        help="tanh or relu, where the file does not say (default: tanh, reported as assumed)",
    )
    parser.add_argument(
        "--leak",
        type=float,
        metavar="X",
        help="dt/tau, in (0, 1], where the file does not say (default: 1)",
    )
    parser.add_argument(
        "--form",
        metavar="NAME",
        help="rate or voltage, where the file does not say (default: rate)",
    )
    parser.add_argument(
        "--transpose",
        action="append",
        metavar="NAME",
        help="W_in, W_rec, W_out or all: given as h @ W; may be repeated",
    )
    parser.add_argument(
        "--recurrent",
        metavar="PREFIX",
        help="the recurrent layer of a state dict that holds several",
    )
    parser.add_argument(
        "--readout",
        metavar="PREFIX",
        help="the linear readout of a state dict that holds several layers",
    )
    parser.add_argument(
        "--controls",
        "--control",
        action="append",
        metavar="KIND",
        help="beside permuted and matched: block-upper or full; may be repeated",
    )
    parser.add_argument(
        "--draws",
        type=int,
        default=20,
        metavar="N",
        help="random changes for each control (default 20)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the controls (default 0)"
    )
    parser.add_argument(
        "--json",
        metavar="OUT.json",
        help="write the full result; '-' writes it to standard output instead of the summary",
    )
    parser.add_argument(
        "--html",
        metavar="OUT.html",
        help="write everything as one page with figures (needs the packages of the book)",
    )
    parser.add_argument(
        "--notebook",
        metavar="OUT.ipynb",
        help="write the notebook behind that page, to be changed and run again",
    )
    parser.add_argument(
        "--network",
        metavar="LABEL",
        help="the network of a stack whose details the page shows (default: the first)",
    )
    parser.add_argument(
        "--force-unchecked",
        action="store_true",
        help="go on where the outputs in the trials are not reproduced; the result says so",
    )


def analyze_command(
    arguments, make_page: Callable[[dict, str], tuple[dict, str]] | None = None
) -> int:
    """Run `schurkit analyze`: print a summary, write the JSON, the page and the notebook; returns
    0. Wrong input raises InputError.

    `make_page` runs a notebook and returns its report and its page (`schurkit_press.own_page`):
    analyses know nothing of publishing.
    """
    from .analysis import analyze
    from .files import shown
    from .load import WEIGHTS, checked_choices, load_trials, read_network
    from .notebook import controls_of
    from .reading import summary

    checked_choices(arguments.activation, arguments.form)
    to_stdout = arguments.json == "-"
    outs = _outputs(arguments, to_stdout)
    names = [
        name
        for given in arguments.transpose or ()
        for name in (WEIGHTS if given == "all" else (given,))
    ]
    found = read_network(
        arguments.weights,
        activation=arguments.activation,
        leak=arguments.leak,
        form=arguments.form,
        transpose=names,
        recurrent=arguments.recurrent,
        readout=arguments.readout,
    )
    trials, outputs = (None, None) if arguments.trials is None else load_trials(arguments.trials)
    if arguments.html is not None or arguments.notebook is not None:
        notebook = _notebook(arguments, found.rnn, trials)
    if arguments.html is not None:
        if make_page is None:
            raise InputError(
                "--html is made by the command line: schurkit analyze WEIGHTS --html OUT.html."
            )
        report, page = make_page(
            notebook, f"{shown(os.path.basename(arguments.weights))}: what it can lose"
        )
    else:
        report = analyze(
            found.rnn,
            trials,
            outputs,
            threshold=arguments.threshold,
            seed=arguments.seed,
            controls=controls_of(arguments),
            draws=arguments.draws,
            force_unchecked=arguments.force_unchecked,
            assumed=found.assumed,
            weights_sha256=found.sha256,
        )
    text = json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    if "--html" in outs:
        write_whole(outs["--html"], page)
    if "--notebook" in outs:
        from .notebook import as_text

        write_whole(outs["--notebook"], as_text(notebook))
        _say_where(arguments)
    if "--json" in outs:
        write_whole(outs["--json"], text)
    if report["checked"] is not None and not report["checked"]["agrees"]:
        told = (
            f"the outputs in {shown(arguments.trials)} are not those of this network: "
            f"{report['checked']['hint']}"
        )
        print(f"schurkit: warning: {told}", file=sys.stderr)
    print(
        text if to_stdout else summary(report, shown(arguments.weights), found.unused),
        end="" if to_stdout else "\n",
    )
    return 0


def _notebook(arguments, rnn, trials) -> dict:
    """The notebook behind the page, after the checks that need no kernel."""
    from schurkit.checks import integer, number

    from .check import check_fit
    from .notebook import filled, values_of
    from .page import position

    number(arguments.threshold, "threshold", at_least=0, at_most=1)
    integer(arguments.seed, "seed", at_least=0)
    integer(arguments.draws, "draws", at_least=1)
    position(rnn, arguments.network or "")
    if trials is not None:
        check_fit(rnn, trials)
    return filled(values_of(arguments))


def _say_where(arguments) -> None:
    """Files are named in the notebook as the reader named them: say so where that means the working
    folder and not the notebook's own.
    """
    from .files import shown

    relative = [
        shown(name)
        for name in (arguments.weights, arguments.trials)
        if name is not None and not os.path.isabs(name)
    ]
    if relative and os.path.realpath(
        os.path.dirname(arguments.notebook) or "."
    ) != os.path.realpath("."):
        told = (
            f"{shown(arguments.notebook)} names {' and '.join(relative)} as seen from here: run "
            "it from this folder"
        )
        print(f"schurkit: note: {told}.", file=sys.stderr)


def _outputs(arguments, to_stdout: bool) -> dict[str, Path]:
    """What is to be written, by option, after refusing paths that would overwrite something read
    here or one another.
    """
    from .files import shown

    if arguments.network is not None and arguments.html is None and arguments.notebook is None:
        raise InputError(
            "--network chooses the details of a page: give it together with --html or --notebook."
        )
    asked = {
        "--json": None if to_stdout else arguments.json,
        "--html": arguments.html,
        "--notebook": arguments.notebook,
    }
    found: dict[str, Path] = {}
    for option, path in asked.items():
        if path is None:
            continue
        out = _checked_output(option, path, [arguments.weights, arguments.trials])
        for other, taken in found.items():
            if _same(out, str(taken)):
                raise InputError(
                    f"{option} {shown(path)} and {other} {shown(taken)} are one file; give each "
                    "its own."
                )
        found[option] = out
    return found


def _checked_output(option: str, path: str, inputs: list[str | None]) -> Path:
    """The path to write, after refusing the inputs themselves, folders, devices and weight
    files.
    """
    from .files import shown
    from .load import WEIGHT_FILES

    out, told, suffix = (
        Path(path),
        f"{option} {shown(path)}",
        {"--json": ".json", "--html": ".html", "--notebook": ".ipynb"}[option],
    )
    try:
        if out.is_dir() or (out.exists() and not out.is_file()):
            raise InputError(f"{told} is not a file that can be written.")
        for other in inputs:
            if other is not None and _same(out, other):
                raise InputError(f"{told} would overwrite {shown(other)}, which is read here.")
        if out.suffix.lower() in WEIGHT_FILES:
            raise InputError(f"{told} has the name of a file of arrays; name it {suffix}.")
        if option != "--json" and out.suffix.lower() != suffix:
            raise InputError(f"{told} must end in {suffix}.")
        if not out.parent.is_dir():
            raise InputError(f"{told}: there is no folder {shown(out.parent)}.")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{told} cannot be written: {getattr(error, 'strerror', None) or error}."
        ) from None
    return out


def _same(out: Path, other: str) -> bool:
    return os.path.abspath(out) == os.path.abspath(other) or (
        out.exists() and os.path.exists(other) and out.samefile(other)
    )


def write_whole(path: Path, text: str) -> None:
    """Write a text file under a temporary name in its folder, then rename: it is there whole or not
    at all.
    """
    from .files import shown

    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(
                f"{shown(path)} cannot be written: {error.strerror or error}."
            ) from None
        raise
