"""Tables: in MyST markdown, and as lines of text."""


def columns(rows) -> list[str]:
    """Rows of texts as lines, with their columns below one another."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def table(heads: str, rows, name: str = "") -> list[str]:
    """Its lines; none where there are no rows.

    Parameters
    ----------
    heads : of the columns, with a bar between them; one that ends in a colon stands to the right,
        as its numbers do.
    rows : texts, one a column.
    name : class of a block around the table.
    """
    heads, rows = heads.split("|"), list(rows)
    if not rows:
        return []
    sides = ["--:" if head.endswith(":") else ":--" for head in heads]
    cells = [[head.rstrip(":") for head in heads], sides, *rows]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return [f"::::{{div}} {name}", *lines, "::::", ""] if name else [*lines, ""]
