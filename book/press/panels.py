"""Small drawings of published results as SVG text: legible on light and dark pages, since every
colour is a variable of the page around them.

`profile` draws one panel of an ablation profile, every network a dot; `schur_form` the three groups
of couplings; `picture` puts panels into one file that stands by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean

from schurkit.views.plot import SECTOR_COLOURS

WIDTH, HEIGHT = 250, 172
LEFT, RIGHT, TOP, ROW = 34, 240, 30, 36
# The colours of plot.py on white; lighter ones of the same hue on dark
INKS = {
    "ink": ("#222222", "#e6e6e6"),
    "faint": ("#bbbbbb", "#555555"),
    "control": ("#777777", "#a8a8a8"),
}
INKS |= {
    name: (colour, light)
    for (name, colour), light in zip(SECTOR_COLOURS.items(), ("#56b4e9", "#ff8f4a", "#35c99b"))
}


_STYLE = (
    ".control{fill:var(--sk-control);stroke:var(--sk-control)}.diagonal{fill:var(--sk-ink)}"
    "rect[class^=s-]{stroke:none}circle[class]{fill-opacity:.5;stroke:none}"
    "rect.control{fill-opacity:.45;stroke:none}path.bar{stroke-width:3;fill:none}"
    ".grid{stroke:var(--sk-faint);stroke-width:.5}"
    ".mark{stroke:var(--sk-ink);stroke-dasharray:3 3}"
    "text{fill:var(--sk-ink);stroke:none;font-size:10.5px}"
    ".title{font-weight:600;font-size:12px}.name{font-weight:600;font-size:12px}"
)


@dataclass(frozen=True)
class Removal:
    """One row of a panel: a group of couplings, what its removal did to each network, and what the
    control did.

    nearly : positions of the values of networks in which the group holds next to nothing.
    empty : in how many more it holds nothing at all.
    """

    name: str
    values: Sequence[float]
    control: Sequence[float]
    nearly: Sequence[int] = ()
    empty: int = 0


@dataclass(frozen=True)
class Axis:
    """The horizontal axis of a panel: linear up to `linear`, logarithmic above it; `mark` is a
    value with a dashed line.
    """

    label: str
    ticks: Sequence[float]
    linear: float | None = None
    mark: float | None = None

    def place(self, value: float) -> float:
        """Horizontal position of a value; what lies outside the ticks is drawn at their ends."""
        low, high = self.ticks[0], self.ticks[-1]
        value = min(max(value, low), high)
        return LEFT + (RIGHT - LEFT) * (self._scaled(value) - self._scaled(low)) / (
            self._scaled(high) - self._scaled(low)
        )

    def _scaled(self, value: float) -> float:
        from math import log10

        if self.linear is None or value <= self.linear:
            return value / (self.linear or 1)
        return 1 + log10(value / self.linear)


def profile(title: str, rows: Sequence[Removal], axis: Axis) -> str:
    """One panel: a row a group of couplings, dots for removals above grey squares for the control,
    a bar at each mean.

    A dashed outline: next to nothing was removed there. ∅ and a number: in so many networks there
    is nothing to remove.

    Returns
    -------
    str : the content of an SVG of size `WIDTH` × `HEIGHT`.
    """
    bottom = TOP + ROW * len(rows)
    parts = [_text(LEFT, 16, title, "title")]
    for tick in axis.ticks:
        x = axis.place(tick)
        parts.append(
            f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>'
            + _text(x, bottom + 13, f"{tick:g}", "tick", "middle")
        )
    if axis.mark is not None:
        parts.append(f'<path class="mark" d="M{axis.place(axis.mark):.1f} {TOP}V{bottom}"/>')
    for i, row in enumerate(rows):
        y = TOP + ROW * i
        parts.append(_text(4, y + 20, row.name, f"name s-{row.name}"))
        parts += [_text(4, y + 32, f"∅ {row.empty}", "tick")] if row.empty else []
        parts += [
            _dot(axis.place(value), y + 7 + 8 * _scatter(k), row.name, k in row.nearly)
            for k, value in enumerate(row.values)
        ]
        parts += [
            _square(axis.place(value), y + 24 + 6 * _scatter(k))
            for k, value in enumerate(row.control)
        ]
        parts += [_bar(axis.place(fmean(row.values)), y + 4, f"s-{row.name}")] if row.values else []
        parts += [_bar(axis.place(fmean(row.control)), y + 20, "control")] if row.control else []
    parts.append(_text((LEFT + RIGHT) / 2, bottom + 28, axis.label, "tick", "middle"))
    return "".join(parts)


def schur_form() -> str:
    """The three groups of couplings in the Schur form: what lies above the diagonal blocks of T,
    cut by the border between R and C.
    """
    size, n, leading = 12.0, 10, 4
    x0, y0 = 62.0, 34.0
    parts = [_text(LEFT, 16, "The Schur form T", "title")]
    for i in range(n):
        for j in range(i, n):
            name = (
                "diagonal"
                if i == j
                else "s-RR"
                if j < leading
                else "s-CC"
                if i >= leading
                else "s-CR"
            )
            place = f'x="{x0 + size * j:.0f}" y="{y0 + size * i:.0f}"'
            parts.append(
                f'<rect class="{name}" {place} width="{size - 1.5:g}" height="{size - 1.5:g}" '
                'rx="1.5"/>'
            )
    for name, column, line in (("RR", -3.6, 2.1), ("CR", n + 0.5, 2.3), ("CC", n + 0.5, 7.6)):
        parts.append(_text(x0 + size * column, y0 + size * line, name, f"name s-{name}"))
    parts.append(
        _text(x0 - 28, y0 + size * 9.2, "modes on the diagonal,", "tick")
        + _text(x0 - 28, y0 + size * 10.2, "couplings above it", "tick")
    )
    return "".join(parts)


def svg(content: str, label: str) -> str:
    """One panel for a page, named for a reader who does not see it."""
    return (
        f'<svg class="schurkit-panel" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{content}</svg>'
    )


def picture(panels: Sequence[str], columns: int, label: str) -> str:
    """One file of several panels that follows the reader's choice of light or dark by itself."""
    lines = -(-len(panels) // columns)
    style = ":root{" + "".join(f"--sk-{name}:{light};" for name, (light, _) in INKS.items()) + "}"
    style += (
        "@media (prefers-color-scheme:dark){:root{"
        + "".join(f"--sk-{name}:{dark};" for name, (_, dark) in INKS.items())
        + "}}"
    )
    style += "text{font-family:sans-serif;}" + panel_style()
    placed = [
        f'<g transform="translate({WIDTH * (i % columns)} {HEIGHT * (i // columns)})">{panel}</g>'
        for i, panel in enumerate(panels)
    ]
    size = (
        f'viewBox="0 0 {WIDTH * columns} {HEIGHT * lines}" width="{WIDTH * columns}" '
        f'height="{HEIGHT * lines}"'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(label)}">'
    )
    return head + f"<style>{style}</style>" + "\n".join(placed) + "</svg>\n"


def panel_style() -> str:
    """The style of what panels are made of."""
    fills = (
        f".s-{name}{{fill:var(--sk-{name});stroke:var(--sk-{name})}}" for name in SECTOR_COLOURS
    )
    nearly = (
        f"circle.nearly.s-{name}{{fill:none;stroke:var(--sk-{name});stroke-dasharray:1.5 1}}"
        for name in SECTOR_COLOURS
    )
    texts = (f"text.s-{name}{{fill:var(--sk-{name});stroke:none}}" for name in SECTOR_COLOURS)
    return "".join([*fills, _STYLE, *nearly, *texts])


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _dot(x: float, y: float, name: str, nearly: bool) -> str:
    return (
        f'<circle class="s-{name}{" nearly" if nearly else ""}" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>'
    )


def _square(x: float, y: float) -> str:
    return f'<rect class="control" x="{x - 1.7:.1f}" y="{y - 1.7:.1f}" width="3.4" height="3.4"/>'


def _bar(x: float, y: float, kind: str) -> str:
    return f'<path class="bar {kind}" d="M{x:.1f} {y}v12"/>'


def _scatter(index: int) -> float:
    """Places in [0, 1) that spread neighbours apart: the golden ratio's multiples."""
    return index * 0.6180339887 % 1
