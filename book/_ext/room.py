"""The reference: ``.. room:: schurkit.ablation`` is a table of what a module offers and an entry
for each name, by autodoc and numpydoc; what an earlier room of the page offers is not repeated.
"""

import inspect
import re
from importlib import import_module

from docutils import nodes
from docutils.statemachine import StringList
from jinja2.sandbox import SandboxedEnvironment
from numpydoc import docscrape_sphinx
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode, nested_parse_with_titles

_ITEM = re.compile(r"([\w*.`]+(?:, [\w*.`]+)*) : (.*)")


class Room(SphinxDirective):
    """The public names of one module."""

    required_arguments = 1

    def run(self):
        """Nodes of the table and of the entries."""
        module = import_module(self.arguments[0])
        seen = self.env.temp_data.setdefault("rooms", set())
        names = [name for name in public_names(module) if id(getattr(module, name)) not in seen]
        seen.update(id(getattr(module, name)) for name in names)
        about = inspect.getdoc(module).split("\n\n")[0].splitlines()
        lines = [f".. currentmodule:: {module.__name__}", "", *about, "", ".. autosummary::", ""]
        lines += [*(f"   {name}" for name in names), ""]
        for name in names:
            kind = "class" if inspect.isclass(getattr(module, name)) else "function"
            lines += [f".. auto{kind}:: {name}", *["   :members:"] * (kind == "class"), ""]
        node = nodes.container()
        nested_parse_with_titles(self.state, StringList(lines, self.arguments[0]), node)
        return node.children


def public_names(module) -> list[str]:
    """What `__all__` of a module names, or else the functions and classes it defines."""
    listed = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and str(getattr(value, "__module__", "")).startswith(module.__name__)
    ]
    return sorted((name for name in listed if callable(getattr(module, name))), key=str.lower)


def one_line_a_parameter(app, what, name, obj, options, lines):
    """``name : what it is`` has no type: the name gets a line, and the words stand below it, up to
    the next name or an empty line. A norm is no substitution, and a product no emphasis.
    """
    text, inside = [], False
    for line in lines:
        example = line.lstrip().startswith((">>>", "..."))
        code = ["", line] if example else re.split("(`+[^`]*`+)", line)
        code[::2] = (re.sub(r"(\||(?<= )\*(?= )|\*(?=\w+\)))", r"\\\1", part) for part in code[::2])
        line = "".join(code)
        item = _ITEM.fullmatch(line)
        inside = bool(line.strip()) and (inside or item is not None)
        if item and text and text[-1].strip() and not text[-1].startswith((" ", "-")):
            text.append("")
        text += [item[1], f"    {item[2]}"] if item else [f"    {line.strip()}" if inside else line]
    lines[:] = text


def resolve(app, env, node, content):
    """A name in backticks leads to what is called so, if one thing alone is; else it is code."""
    if node.get("refdomain") != "py":
        return None
    last = node["reftarget"].rpartition(".")[2]
    known = env.domains["py"].objects.items()
    places = {o.node_id: o for name, o in known if name.rpartition(".")[2] == last}
    if len(places) != 1:
        return content
    (place,) = places.values()
    return make_refnode(app.builder, node["refdoc"], place.docname, place.node_id, content, last)


def addresses(app, doctree):
    """The pages of source lead back to the module by which a file was first met, under which
    another name of that file may not be listed: an entry answers to each module of its page.
    """
    entries = [one for one in doctree.findall(addnodes.desc_signature) if one.get("module")]
    rooms = dict.fromkeys(one["module"] for one in entries)
    taken = {name for one in entries for name in one["ids"]}
    for one in entries:
        names = [f"{room}.{one['fullname']}" for room in rooms]
        one["ids"] += [name for name in names if name not in taken]
        taken.update(names)


def setup(app):
    """The directive, and what autodoc and numpydoc make of the docstrings."""
    for extension in ("autodoc", "autosummary", "viewcode"):
        app.setup_extension(f"sphinx.ext.{extension}")
    app.setup_extension("numpydoc")
    # numpydoc compiles its one template anew for each of a thousand docstrings
    first = {}
    docscrape_sphinx.SandboxedEnvironment = lambda loader: first.setdefault(
        "environment", SandboxedEnvironment(loader=loader)
    )
    app.add_directive("room", Room)
    app.connect("autodoc-process-docstring", one_line_a_parameter, priority=100)
    app.connect("doctree-read", addresses)
    app.connect("missing-reference", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
