"""The parameters of a chapter: what its cell declares, and what a value given for one may be."""

import ast
import contextlib
import difflib
import io
import math
import re
import tokenize
from typing import NamedTuple

from schurkit.checks import InputError

BOUNDS = {
    "networks": "1 ≤ networks ≤ 10000",
    "first_seed": "0 ≤ first_seed ≤ 2**62",
    "hidden_size": "3 ≤ hidden_size ≤ 4096",  # two units may be one block, without couplings
    "training_steps": "1 ≤ training_steps ≤ 10**7",
    "learning_rate": "0 < learning_rate ≤ 1",
    "batch_size": "1 ≤ batch_size ≤ 10**5",
    "threshold": "0 < threshold ≤ 1",
    "leak": "0 < leak ≤ 1",
    "draws": "1 ≤ draws ≤ 1000",
    "orders": "1 ≤ orders ≤ 1000",
    "test_trials": "2 ≤ test_trials ≤ 10**5",
    "widths": "2 ≤ min(widths) and max(widths) ≤ 4096",
    "gammas": "0 < min(gammas)",
    "train_fraction": "0 < train_fraction < 1",
    "weight_decay": "0 ≤ weight_decay",
    "nuclear": "0 ≤ min(nuclear)",
    "l1": "0 ≤ min(l1)",
    "split_seed": "0 ≤ split_seed ≤ 2**62",
    "key_share": "0 < key_share < 1",
    "rank": "1 ≤ rank ≤ 4096",
    "pif_starts": "1 ≤ pif_starts ≤ 1000",
    "embedding": "1 ≤ embedding ≤ 20",
}
"""What a parameter of that name must keep in every chapter whose line says nothing else."""
MOST_VALUES = 50
"""Values of a list among a chapter's parameters: more are a slip of the pen."""
_FUNCTIONS = {"all": all, "any": any, "len": len, "min": min, "max": max, "set": set}
_BOUND = re.compile(r"\s*\[([^\[\]]+)\]$")
_KINDS = {
    "int": ("a whole number", "whole numbers such as 1,2,3"),
    "float": ("a number such as 0.5 or 1e-3", "numbers such as 0.5,1e-3"),
    "bool": ("true or false", "true and false"),
    "str": ("text", "texts such as a,b"),
}
"""What a value of each kind looks like, and several of them."""


class Parameter(NamedTuple):
    """One line of a chapter's parameters cell: ``name: kind = default  # help``.

    `kind` is int, float, bool, str, a list of one of these such as ``list[float]``, or a choice
    ``Literal["a", "b"]``. `bound` is a condition on it, and on others with it, that ends the help
    in brackets: ``# of cues [0 < slowest ≤ fastest]``; without one, that of `BOUNDS` by its name.
    A list may be emptied where its default is empty, or where its bound speaks of its length.
    """

    name: str
    kind: str
    default: object
    help: str
    choices: tuple = ()
    bound: str = ""

    def parse(self, given) -> object:
        """The value of this parameter that `given` (text from a command line, or a value from YAML)
        stands for.

        Text is read strictly by the declared kind and never evaluated.

        Raises
        ------
        InputError : it does not stand for a value of this kind.
        """
        if self.choices:
            value = given if given in self.choices else None
        elif self.is_list:
            value = _parse_list(self.inner, given)
        else:
            value = _parse_scalar(self.kind, given)
        if value is None:
            raise InputError(f"parameter {self.name} takes {self.expected}; got {given!r}.")
        return value

    @property
    def is_list(self) -> bool:
        """Whether a value is a list."""
        return self.kind.startswith("list[")

    @property
    def inner(self) -> str:
        """The kind of the items of a list, else the kind itself."""
        return self.kind[5:-1] if self.is_list else self.kind

    @property
    def expected(self) -> str:
        """What a value looks like, in words."""
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        one, several = _KINDS[self.inner]
        return f"a list of {several}" if self.is_list else one


def parameters_in(source: str, where: str) -> tuple[Parameter, ...]:
    """The parameters that a parameters cell declares; InputError where a line is none."""
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise InputError(f"{where}: the parameters cell is not valid Python: {error}") from None
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    return tuple(
        _parameter(statement, comments.get(statement.end_lineno, ""), where)
        for statement in statements
    )


def kind_of(text: str) -> tuple[str, tuple]:
    """A kind as it is declared, with the choices of a ``Literal`` of texts; "" where values cannot
    be read by it.
    """
    if text.startswith("Literal["):
        with contextlib.suppress(ValueError, SyntaxError):
            choices = ast.literal_eval(f"({text[8:-1]},)")
            return (text, choices) if all(isinstance(one, str) for one in choices) else ("", ())
    inner = text[5:-1] if text.startswith("list[") else text
    return (text if inner in _KINDS else ""), ()


def _parameter(statement: ast.stmt, help: str, where: str) -> Parameter:
    problem = (
        f"{where}, parameters cell, line {statement.lineno}: write 'name: kind = default  # help'"
    )
    got = f"got {ast.unparse(statement)!r}."
    match statement:
        case ast.AnnAssign(
            target=ast.Name(id=name), annotation=annotation, value=ast.AST() as value
        ):
            declared = ast.unparse(annotation)
        case _:
            raise InputError(f"{problem}; {got}")
    try:
        default = ast.literal_eval(value)
    except ValueError:
        raise InputError(f"{problem} with a plain default; {got}") from None
    kind, choices = kind_of(declared)
    if not kind:
        raise InputError(
            f"{problem}, where kind is int, float, bool, str, list[…] of one of them, or Literal "
            f"of texts; got {declared!r}."
        )
    own = _BOUND.search(help)
    bound = own[1] if own else _usual(name, default)
    parameter = Parameter(name, kind, default, _BOUND.sub("", help), choices, bound)
    try:
        if isinstance(default, str) and parameter.inner != "str" and not choices:
            raise InputError("a text is read as another kind on the command line alone")
        return parameter._replace(default=parameter.parse(default))
    except InputError:
        raise InputError(
            f"{problem}: {name} takes {parameter.expected}; its default is {default!r}."
        ) from None


def told(values: dict) -> str:
    """ "bits = 3, steps = 20"."""
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())


def values_of(parameters: tuple[Parameter, ...], given: dict, where: str) -> dict:
    """Those of the given values that differ from the defaults, read and checked.

    Raises
    ------
    InputError : an unknown name (with the nearest known one), a value of the wrong kind, or one
        outside a parameter's bounds.
    """
    known = {parameter.name: parameter for parameter in parameters}
    changed = {}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"{where} has no parameter {name!r}{suggestion(name, known)}")
        parsed = known[name].parse(value)
        if parsed != known[name].default:
            changed[name] = parsed
    values = {parameter.name: parameter.default for parameter in parameters} | changed
    for parameter in parameters:
        _within(parameter, values, changed)
    return changed


def _within(parameter: Parameter, values: dict, changed: dict) -> None:
    """InputError, which names what was changed, unless its value keeps its bound."""
    name, value = parameter.name, values[parameter.name]
    least = int(bool(parameter.default) and "len(" not in parameter.bound)
    if isinstance(value, list) and not least <= len(value) <= MOST_VALUES:
        raise InputError(f"{name} must have {least} to {MOST_VALUES} values; got {len(value):,}.")
    if not parameter.bound or value == []:  # how many values there are is asked above
        return
    condition = parameter.bound.replace("≤", "<=").replace("≥", ">=").replace("≠", "!=")
    if eval(condition, {"__builtins__": _FUNCTIONS} | values):  # the chapter's own text
        return
    named = [one for one in values if re.search(rf"\b{one}\b", parameter.bound)]
    blamed = next((one for one in named if one in changed), name)
    got = told({one: values[one] for one in named})
    raise InputError(f"{blamed} must keep {parameter.bound}; got {got}.")


def _usual(name: str, default) -> str:
    """The bound of `BOUNDS` for that name; what is 0 by default may stay 0."""
    known = re.sub(r".*_(?=networks$)", "", name)
    bound = BOUNDS.get(known, "").replace("1 ≤", f"{int(default != 0)} ≤")
    return re.sub(rf"\b{known}\b", name, bound)


def check_cells(cells: list[str]) -> None:
    """Hold what a running notebook was given against what its parameters cell declares, as
    `values_of` does; `cells` is the code that ran so far, papermill's under ``# Parameters``.
    """
    declared, given = (), {}
    for text in cells:
        try:
            body = ast.parse(text).body
        except SyntaxError:
            continue
        if body and all(isinstance(line, ast.AnnAssign) and line.value for line in body):
            declared, given = parameters_in(text, "the chapter"), {}
        elif text.lstrip().startswith("# Parameters"):
            for line in body:
                if isinstance(line, ast.Assign):
                    given[ast.unparse(line.targets[0])] = ast.literal_eval(line.value)
    values_of(declared, given, "the chapter")


def _parse_scalar(kind: str, given):
    """The value, or None if `given` is not of this kind."""
    if kind == "str":
        return given if isinstance(given, str) else None
    if kind == "bool":
        return {"true": True, "false": False}.get(str(given).lower())
    number = int if kind == "int" else float
    if isinstance(given, str):
        right = given.isascii() and "_" not in given
    else:
        right = isinstance(given, (int, number)) and not isinstance(given, bool)
    with contextlib.suppress(OverflowError, ValueError):  # no number, or of too many digits
        if right and math.isfinite(value := number(given)):
            return value
    return None


def _parse_list(kind: str, given):
    """Also of a text such as ``1,2`` or ``[1, 2]``, in brackets as JSON or YAML has it."""
    if isinstance(given, str):
        import yaml

        text = given.strip()
        with contextlib.suppress(yaml.YAMLError):  # its items stay texts
            given = yaml.load(text if text.startswith("[") else f"[{text}]", yaml.BaseLoader)
    if not isinstance(given, list):
        return None
    values = [_parse_scalar(kind, item) for item in given]
    return None if None in values else values


def suggestion(name: str, known) -> str:
    """The end of a message about an unknown name: the nearest one, or all of them."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; it has {', '.join(known)}." if known else "; there is none."
