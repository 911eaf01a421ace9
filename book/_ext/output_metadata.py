"""Let a notebook's outputs set their own figure and image options (caption, name, alternative
text).

MyST-NB reads these from the metadata of the cell alone, which are written before anything is
computed. `schurkit.nb.show` computes them and puts them under "mystnb" in the metadata of the
output; here each output is rendered with its own added to those of its cell.
"""

from myst_nb.sphinx_ import SphinxNbRenderer


def setup(app):
    """Render every output of a cell by itself, with its own options."""
    render_outputs = SphinxNbRenderer._render_nb_cell_code_outputs

    def render_each(self, token, outputs):
        cell = token.meta["metadata"]
        for output in outputs:
            own = output.get("metadata", {}).get("mystnb")
            token.meta["metadata"] = (
                {**cell, "mystnb": {**cell.get("mystnb", {}), **own}} if own else cell
            )
            render_outputs(self, token, [output])
        token.meta["metadata"] = cell

    if render_outputs.__name__ != "render_each":
        SphinxNbRenderer._render_nb_cell_code_outputs = render_each
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
