"""Say "undefined" in the prose where a chapter recorded a number that is not defined: a number format would print it as nan."""

from docutils import nodes


def setup(app):
    """Replace the text of such numbers once a page is put together."""

    def replace(app, doctree, docname):
        for node in doctree.findall(nodes.inline):
            if "pasted-text" in node.get("classes", ()) and node.astext() == "nan":
                node.children = [nodes.Text("undefined")]

    app.connect("doctree-resolved", replace)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
