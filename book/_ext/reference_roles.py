"""Give the entries of the list of references the role that a list must hold: doc-biblioentry, which
docutils writes, is deprecated.
"""


def setup(app):
    """Change the role on every page that has such a list."""

    def change(app, pagename, templatename, context, doctree):
        if "citation-list" in context.get("body", ""):
            context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')

    app.connect("html-page-context", change)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
