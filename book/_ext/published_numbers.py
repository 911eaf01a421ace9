"""Numbers of the published run in the prose: ``{glue:text}`published.K``` is the K of this run
wherever a page does not have the published one.

`make book` puts the published numbers into the pages that ask the same as the published run; a
plain `jupyter-book build .` has none.
"""

from myst_nb.core.execute import base


def setup(app):
    """Give every recorded number of a notebook its second name."""
    extract = base.extract_glue_data

    def with_published(*arguments):
        data = extract(*arguments)
        return {f"published.{key}": value for key, value in data.items()} | data

    if extract.__name__ != "with_published":
        base.extract_glue_data = with_published
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
