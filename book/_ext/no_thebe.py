"""Take sphinx-thebe's scripts off the pages: it adds them twice, so that each page reports a script
error, and no page of this book uses them.
"""


def setup(app):
    """Drop the scripts from each page when everything else has added its own."""

    def drop(app, pagename, templatename, context, doctree):
        if "script_files" in context:
            context["script_files"] = [
                script
                for script in context["script_files"]
                if "thebe"
                not in f"{getattr(script, 'filename', '')} "
                f"{getattr(script, 'attributes', {}).get('body', '')}".lower()
            ]

    app.connect("html-page-context", drop, priority=999)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
