"""The reference: every public name with its signature and docstring, as MyST markdown made from the
package itself.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from importlib import import_module

from .book import Book

# What a reader calls, by module; what `schurkit` itself offers comes first and is not repeated
MODULES = (
    "schurkit",
    "schurkit.ablation",
    "schurkit.ablation.rivals",
    "schurkit.ablation.couplings",
    "schurkit.ablation.budget",
    "schurkit.metrics",
    "schurkit.analyses.subspace",
    "schurkit.analyses.activity",
    "schurkit.analyses.prediction",
    "schurkit.schur.nonnormality",
    "schurkit.analyses.dynamics",
    "schurkit.analyses.trajectories",
    "schurkit.analyses.features",
    "schurkit.analyses.places",
    "schurkit.degeneracy",
    "schurkit.fourier",
    "schurkit.tasks",
    "schurkit.training",
    "schurkit.own",
    "schurkit.explorer",
    "schurkit.views.plot",
    "schurkit.nb",
    "schurkit.random",
    "schurkit.engine",
)
_SECTION = re.compile(
    r"^(Parameters|Returns|Raises|Examples|Attributes|Notes|Yields|References|See "
    r"Also|Warns)\n-{3,}\n",
    re.MULTILINE,
)
_MARKED = re.compile(r"(``[^`]+``|`[^`\n]+`|\*\*[^*]+\*\*)")


def api_page(book: Book | None = None) -> str:
    """The generated part of the reference, the same for every book."""
    found = public_names()
    anchors = {
        name: anchor(module, name) for module, names in reversed(found.items()) for name in names
    }
    lines = []
    for module, names in found.items():
        about = (inspect.getdoc(import_module(module)) or "").split("\n\n")[0]
        lines += [f"## `{module}`", "", markdown(about, anchors), ""]
        lines += ["".join(f"[`{name}`](#{anchor(module, name)}) " for name in names), ""]
        for name, value in names.items():
            lines += [
                f"({anchor(module, name)})=",
                f"### `{name}`",
                "",
                *_entry(name, value, anchors),
                "",
            ]
    return "\n".join(lines)


def public_names() -> dict[str, dict[str, object]]:
    """Public functions and classes by module; each is listed once, where it is first offered."""
    found: dict[str, dict[str, object]] = {}
    seen: set[int] = set()
    for module in MODULES:
        loaded = import_module(module)
        names = getattr(loaded, "__all__", None) or [
            name for name, value in vars(loaded).items() if _defined_in(value, name, module)
        ]
        values = {name: getattr(loaded, name) for name in sorted(names, key=str.lower)}
        found[module] = {
            name: value
            for name, value in values.items()
            if callable(value) and id(value) not in seen
        }
        seen |= {id(value) for value in found[module].values()}
    return {module: names for module, names in found.items() if names}


def anchor(module: str, name: str) -> str:
    """The place of a name on the page."""
    return f"api-{module}-{name}".replace(".", "-").lower().replace("_", "-") + (
        "-class" if name[:1].isupper() else ""
    )


def markdown(text: str, anchors: dict[str, str]) -> str:
    """A docstring's paragraphs as markdown: its single backticks become links where they name
    something public.
    """
    lines = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        literal = lines and lines[-1].endswith("::")
        if literal and block.startswith(" "):
            lines[-1] = lines[-1][:-1]
            lines += ["", "```text", textwrap.dedent(block), "```", ""]
        elif block.lstrip().startswith(">>>"):
            lines += ["", "```pycon", textwrap.dedent(block), "```", ""]
        else:
            lines += ["", _inline(block, anchors)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _defined_in(value, name: str, module: str) -> bool:
    return (
        not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__.startswith(module)
    )


def _entry(name: str, value, anchors: dict[str, str]) -> list[str]:
    call = f"{name}{_signature(value)}"
    lines = [
        "```python",
        *textwrap.wrap(call, 84, subsequent_indent="    ", break_long_words=False),
        "```",
        "",
    ]
    doc = inspect.getdoc(value) or ""
    first, *rest = _SECTION.split(doc)
    lines += [markdown(first, anchors), ""]
    for title, body in zip(rest[::2], rest[1::2]):
        if title == "Examples":
            lines += ["**Example**", "", markdown(body, anchors), ""]
        else:
            lines += [f"**{title}**", "", *_items(body, anchors), ""]
    return lines + (_members(value, anchors) if inspect.isclass(value) else [])


def _signature(value) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    text = str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
    return re.sub(r"<(?:function |class ')?([\w.]+)[^>]*>", r"\1", text)


def _items(body: str, anchors: dict[str, str]) -> list[str]:
    """``name : description`` with its further lines as one item each; anything else as a
    paragraph.
    """
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", body.strip("\n")):
        for entry in re.split(r"\n(?=\S)", block):
            head, colon, rest = entry.partition(" : ")
            words = " ".join(rest.split())
            if colon and len(head) < 100 and "\n" not in head:
                lines.append(
                    f"- {_inline(head, anchors) if '`' in head else f'`{head}`'}: "
                    f"{_inline(words, anchors)}"
                )
            elif entry.lstrip().startswith(">>>"):
                lines += ["", "```pycon", entry, "```", ""]
            else:
                lines += [_inline(" ".join(entry.split()), anchors)]
        lines.append("")
    return lines


def _members(value, anchors: dict[str, str]) -> list[str]:
    """Public methods and properties of a class, each with its first line."""
    lines = []
    for name, member in vars(value).items():
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if name.startswith("_") or not (
            inspect.isfunction(function) or isinstance(member, property)
        ):
            continue
        about = (
            inspect.getdoc(member.fget if isinstance(member, property) else function) or ""
        ).split("\n\n")[0]
        call = "" if isinstance(member, property) else _signature(function)
        lines.append(
            f"- `{name}{call}`"
            + (f": {_inline(' '.join(about.split()), anchors)}" if about else "")
        )
    return ["**Members**", "", *lines, ""] if lines else []


def _inline(text: str, anchors: dict[str, str]) -> str:
    """One paragraph: code stays code, known names become links, everything that markdown would read
    otherwise is escaped.
    """
    parts = _MARKED.split(text)
    for i, part in enumerate(parts):
        if part.startswith("``"):
            parts[i] = part[1:-1]
        elif part.startswith("`"):
            name = part.strip("`")
            known = anchors.get(name.split(".")[-1])
            parts[i] = f"[`{name}`](#{known})" if known else f"`{name}`"
        elif not part.startswith("**"):
            parts[i] = re.sub(r"([*_\[\]<>${}|#\\`])", r"\\\1", part)
    return "".join(parts)
