"""A reference to a figure by its number looks into the page of the figure, which Sphinx reads from
disk for each of them, pictures and all: here once a page.
"""

from functools import cache

from sphinx.domains.std import StandardDomain


class _Pages:
    """The environment, which keeps the pages that it was asked for."""

    def __init__(self, env):
        self.env, self.get_doctree = env, cache(env.get_doctree)

    def __getattr__(self, name):
        return getattr(self.env, name)


class Numbers(StandardDomain):
    """The domain of figures and sections, with such an environment."""

    pages = None

    def _resolve_numref_xref(self, env, *rest):
        self.pages = self.pages or _Pages(env)
        return super()._resolve_numref_xref(self.pages, *rest)


def setup(app):
    """Put this domain in the place of Sphinx's own."""
    app.add_domain(Numbers, override=True)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
