"""Numbers in the prose: "undefined" where a chapter recorded one that is not defined (a format
would print nan), and a minus sign, not a hyphen.
"""

import re

from docutils import nodes


def setup(app):
    """Replace the text of such numbers once a page is put together."""

    def replace(app, doctree, docname):
        for node in doctree.findall(nodes.inline):
            if "pasted-text" not in node.get("classes", ()):
                continue
            if node.astext() == "nan":
                node.children = [nodes.Text("undefined")]
            elif re.fullmatch(r"-?[\d.,]+(e[-+]?\d+)?", node.astext()):
                node.children = [nodes.Text(node.astext().replace("-", "−"))]

    app.connect("doctree-resolved", replace)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
