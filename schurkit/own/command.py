"""`schurkit analyze`: a network of the reader's own, from its file to its profile.

The parameters cell of the notebook behind the page, template.ipynb, says what can be chosen: each
parameter is an option of the command too.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from schurkit.checks import InputError, integer, number, suited_trials
from schurkit.rnn import RNN
from schurkit.store import written

from .contents import shown
from .files import WEIGHT_FILES
from .load import read_network
from .roles import WEIGHTS
from .trials import load_trials, metric_of

_DESCRIPTION = """\
Describe the recurrent matrix of a trained network in Schur coordinates and, with trials, measure
what each group of couplings is worth: all eight removals of RR, CR and CC beside random changes of
equal norm, permuted and matched, which together say how a removal reads.
Weights: W_in, W_rec, W_out, a torch state dict, or what another library or paper saves; --map says
what is what under other names.
Trials: .npz with inputs, targets (numbers or classes) and, optionally, mask, lengths, h0 (a start a
trial) and outputs (what your own code gave).
Where outputs are given, they settle what no file says: transposes, activation, form, leak and the
like. Where no reading gives them, nothing is written unless --force-unchecked is given."""
TEMPLATE = Path(__file__).with_name("template.ipynb")
_LINE = re.compile(r"(?P<name>\w+): (?P<kind>[^=]+) = (?P<default>.*?)  # (?P<help>.*)\n?")
_OF_KIND = {
    "str": {},
    "int": {"type": int, "metavar": "N"},
    "float": {"type": float, "metavar": "X"},
    "float | None": {"type": float, "metavar": "X"},
    "bool": {"action": "store_true"},
    "list[str]": {"action": "append"},
}
_SHORT = {"controls": ["--control"], "mapping": ["--map"]}
_PAGE_ONLY = ("trials_shown", "largest")  # chosen in the notebook alone
_OUTPUTS = {
    "json": (".json", "write the full result; '-' writes it to standard output, not the summary"),
    "html": (".html", "write everything as one page with figures (needs schurkit[book])"),
    "notebook": (".ipynb", "write the notebook behind that page, to be changed and run again"),
}


def _template() -> tuple[dict, dict, list[re.Match]]:
    """The notebook, its cell of parameters, and these one by one."""
    notebook = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    tagged = (
        cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])
    )
    cell = next(tagged)
    return notebook, cell, [_LINE.fullmatch(line) for line in cell["source"]]


def filled(values: dict) -> dict:
    """The template with `values` in its parameters cell, written as Python literals; parameters
    that are not named keep their defaults.

    Text becomes a quoted literal: whatever a file name holds, it is data and not code.
    """
    notebook, cell, lines = _template()
    if unknown := values.keys() - {line["name"] for line in lines}:
        raise KeyError(f"the template has no parameter {', '.join(unknown)}")
    written = {name: repr(value) for name, value in values.items()}
    cell["source"] = "\n".join(
        f"{name}: {kind} = {written.get(name, default)}  # {about}"
        for name, kind, default, about in (line.groups() for line in lines)
    )
    return notebook


def add_analyze_arguments(parser) -> None:
    """Arguments of `schurkit analyze`."""
    parser.description = _DESCRIPTION
    parser.add_argument("weights", metavar="WEIGHTS", help=f"a file: {', '.join(WEIGHT_FILES)}")
    for name, kind, default, about in (line.groups() for line in _template()[2][1:]):
        if name not in _PAGE_ONLY:
            flags = [f"--{name.replace('_', '-')}"] + _SHORT.get(name, [])
            default, about = ast.literal_eval(default), about.replace("%", "%%")
            parser.add_argument(*flags, default=default, help=about, **_OF_KIND[kind])
    for name, (suffix, about) in _OUTPUTS.items():
        parser.add_argument(f"--{name}", metavar=f"OUT{suffix}", help=about)


def _values(arguments) -> dict:
    """Parameters of the template from the arguments; files are named as the reader named them."""
    values = {line["name"]: getattr(arguments, line["name"], None) for line in _template()[2]}
    transposed = WEIGHTS if "all" in values["transpose"] else values["transpose"]
    values |= {"transpose": list(dict.fromkeys(transposed))}
    values |= {"controls": list(dict.fromkeys(values["controls"]))}
    return {name: value for name, value in values.items() if name not in _PAGE_ONLY}


def analyze_command(
    arguments, make_page: Callable[[dict, str], tuple[dict, str, str]] | None = None
) -> int:
    """Run `schurkit analyze`: print a summary, write the JSON, the page and the notebook; returns
    0. Wrong input raises InputError.

    `make_page` runs a notebook and returns its report, its summary and its page
    (`schurkit_press.own_page`): analyses know nothing of publishing.
    """
    from .analysis import examine
    from .report import summary

    values, outs, contents = _values(arguments), _outputs(arguments), {}
    number(values["threshold"], "threshold", at_least=0, at_most=1)
    for name, least in (("seed", 0), ("draws", 1), ("orders", 0)):
        integer(values[name], name, at_least=least)
    if values["tolerance"] is not None:
        number(values["tolerance"], "tolerance", above=0)
    names = ("activation", "leak", "form", "recurrent", "readout", "transpose", "mapping")
    said = {name: None if values[name] == "" else values[name] for name in names}
    found = read_network(values["weights"], **said)
    position(found.rnn, values["network"])
    trials, outputs = None, None
    if values["trials"]:
        arrays = {name: values[name] for name in ("missing", "time_major")}
        classes = found.rnn.output_size
        trials, outputs = load_trials(values["trials"], classes=classes, **arrays)
    elif values["metric"] or values["missing"] or values["time_major"]:
        raise InputError("--metric, --missing and --time-major are about trials: give --trials.")
    if arguments.html is not None or arguments.notebook is not None:
        if trials is not None:  # what needs no kernel is said before one is started
            metric_of(values["metric"], trials)
            if not any(rnn.output_size == trials.targets.shape[-1] for _, rnn in found.readings):
                suited_trials(trials, found.rnn, "the analysis")
        notebook = filled(values)
        contents["notebook"] = json.dumps(notebook, indent=1) + "\n"
    if arguments.html is not None:
        if make_page is None:
            raise InputError(
                "--html is made by the command line: schurkit analyze WEIGHTS --html OUT.html."
            )
        title = f"{shown(os.path.basename(arguments.weights))}: what it can lose"
        report, told, contents["html"] = make_page(notebook, title)
    else:
        names = ("metric", "tolerance", "threshold", "orders", "seed", "controls", "draws")
        asked = {name: values[name] for name in (*names, "force_unchecked")}
        analysis = examine(found, trials, outputs, **asked)
        report, told = analysis.report, summary(analysis)
    contents["json"] = json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    for name, path in outs.items():
        write_whole(path, contents[name])
    if arguments.notebook is not None:
        _say_where(arguments)
    if report["checked"] is not None and not report["checked"]["agrees"]:
        other = f"the outputs in {shown(arguments.trials)} are not those of this network"
        print(f"schurkit: warning: {other}: {report['checked']['hint']}", file=sys.stderr)
    print(contents["json"].rstrip("\n") if arguments.json == "-" else told)
    return 0


def position(stack: RNN, label: str) -> int:
    """Where the network of that label stands in a stack; the first for an empty label.

    Raises
    ------
    InputError : no network, or several, of that label.
    """
    places = [place for place, own in enumerate(stack.labels) if str(own) == str(label)]
    if label and len(places) != 1:
        count = f"are {len(places)} networks" if places else "is no network"
        raise InputError(
            f"there {count} {shown([str(label)])}; the labels are {shown(map(str, stack.labels))}."
        )
    return places[0] if label else 0


def _say_where(arguments) -> None:
    """Files are named in the notebook as the reader named them: say so where that means the working
    folder and not the notebook's own.
    """
    files = [name for name in (arguments.weights, arguments.trials) if name]
    relative = [shown(name) for name in files if not os.path.isabs(name)]
    folder = os.path.realpath(os.path.dirname(arguments.notebook))
    if relative and folder != os.path.realpath("."):
        print(
            f"schurkit: note: {shown(arguments.notebook)} names {' and '.join(relative)} as seen "
            "from here: run it from this folder.",
            file=sys.stderr,
        )


def _outputs(arguments) -> dict[str, Path]:
    """What is to be written, by option, after refusing paths that would overwrite something read
    here or one another.
    """
    if arguments.network and arguments.html is None and arguments.notebook is None:
        raise InputError(
            "--network chooses the details of a page: give it together with --html or --notebook."
        )
    outs: dict[str, Path] = {}
    for name, (suffix, _) in _OUTPUTS.items():
        path = getattr(arguments, name)
        if path is None or (name == "json" and path == "-"):
            continue
        told, out = f"--{name} {shown(path)}", Path(path)
        try:
            _check_output(out, told, suffix, filter(None, (arguments.weights, arguments.trials)))
            for other, taken in outs.items():
                if _same(out, taken):
                    raise InputError(
                        f"{told} and --{other} {shown(taken)} are one file; give each its own."
                    )
        except InputError:
            raise
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise InputError(f"{told} cannot be written: {why}.") from None
        outs[name] = out
    return outs


def _check_output(out: Path, told: str, suffix: str, inputs) -> None:
    """Refuse the inputs themselves, folders, devices and weight files."""
    if out.is_dir() or (out.exists() and not out.is_file()):
        raise InputError(f"{told} is not a file that can be written.")
    for other in inputs:
        if _same(out, other):
            raise InputError(f"{told} would overwrite {shown(other)}, which is read here.")
    if out.suffix.lower() in WEIGHT_FILES:
        raise InputError(f"{told} has the name of a file of arrays; name it {suffix}.")
    if out.suffix.lower() != suffix != ".json":
        raise InputError(f"{told} must end in {suffix}.")
    if not out.parent.is_dir():
        raise InputError(f"{told}: there is no folder {shown(out.parent)}.")


def _same(out: Path, other) -> bool:
    both = out.exists() and os.path.exists(other)
    return os.path.abspath(out) == os.path.abspath(other) or (both and out.samefile(other))


def write_whole(path: Path, text: str) -> None:
    """Write a text file, through a link where it is one; InputError where that cannot be done."""
    try:
        written(Path(os.path.realpath(path)), text.encode())
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be written: {error.strerror or error}.") from None
