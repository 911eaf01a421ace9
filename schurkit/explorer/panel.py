"""The explorer's widgets: each change makes a new `Setting`, and everything shown follows from its
`View`.
"""

from __future__ import annotations

import base64
import html
import io
from dataclasses import replace

import ipywidgets as widgets
import traitlets

from schurkit.checks import InputError, integer
from schurkit.schur import SECTORS

from . import figures
from .state import Explorer, Setting

_WIDE = {"description_width": "9em"}
_PICTURES = {  # how each picture is drawn, and what of a setting it depends on
    "spectrum": (figures.spectrum, lambda setting: (setting.network, setting.threshold)),
    "matrix": (figures.matrix, lambda setting: replace(setting, trial=0)),
    "rollout": (figures.rollout, lambda setting: setting),
}


def _row(*parts):
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap"))


class Panel(widgets.VBox):
    """The panel that `schurkit.explore` shows: native widgets, so that every one has a label and
    answers to the keyboard.

    Attributes
    ----------
    network, threshold, number, trial, remove, couplings, reset : the widgets. `number` is the
        threshold too; `remove` maps each sector to its box, `couplings` each pair of blocks that is
        offered.
    summary : the result in words.
    pictures : the figures by name ("spectrum", "matrix", "rollout").
    view : the numbers of what is shown now.
    """

    def __init__(self, explorer: Explorer, setting: Setting, listed: int = 24):
        self._explorer, self._quiet = explorer, False
        self._listed = integer(listed, "listed", at_least=0)
        self.view = explorer.view(setting)
        self._drawn = {}
        self._make_widgets(setting)
        title = widgets.HTML("Remove single couplings (to ← from block, the largest first):")
        parts = [
            self.network,
            self.threshold,
            self.number,
            self.trial,
            _row(*self.remove.values(), self.reset),
            title,
            self._list,
            self.summary,
            _row(self.pictures["spectrum"], self.pictures["matrix"]),
            self.pictures["rollout"],
        ]
        super().__init__(parts)
        self._offer()
        self._show()
        for widget in (self.network, self.threshold, *self.remove.values(), self.trial):
            widget.observe(self._changed, names="value")
        traitlets.link((self.threshold, "value"), (self.number, "value"))
        self.reset.on_click(self._reset)

    def _make_widgets(self, setting):
        labels = [(str(label), k) for k, label in enumerate(self._explorer.rnn.labels)]
        last = len(self._explorer.trials) - 1
        self.network = widgets.Dropdown(
            options=labels,
            value=setting.network,
            description="Network",
            style=_WIDE,
            disabled=len(labels) == 1,
        )
        threshold = {"value": setting.threshold, "min": 0, "max": 1, "step": 0.01, "style": _WIDE}
        self.threshold = widgets.FloatSlider(
            **threshold,
            description="Threshold",
            continuous_update=False,
            layout=widgets.Layout(width="32em"),
        )
        # a slider has no name for a screen reader, a number box has one; both say the same
        self.number = widgets.BoundedFloatText(**threshold, description="Threshold, exact")
        self.trial = widgets.BoundedIntText(
            value=setting.trial,
            min=0,
            max=last,
            description="Trial",
            style=_WIDE,
            disabled=last == 0,
        )
        narrow = widgets.Layout(width="8.5em")
        self.remove = {
            name: widgets.Checkbox(
                value=name in setting.sectors,
                description=f"Remove {name}",
                indent=False,
                layout=narrow,
            )
            for name in SECTORS
        }
        # boxes, not a list to select from: JupyterLab takes the arrow keys away from lists
        self.couplings = {}
        framed = widgets.Layout(
            max_height="9em",
            overflow="auto",
            width="28em",
            border="1px solid #999999",
            padding="0 0.5em",
        )
        self._list = widgets.VBox(layout=framed)
        self.reset = widgets.Button(
            description="Remove nothing", tooltip="Untick every sector and every single coupling"
        )
        self.summary = widgets.HTML()
        self.pictures = {name: widgets.HTML() for name in _PICTURES}

    @property
    def setting(self) -> Setting:
        """What the widgets say now."""
        return Setting(
            network=self.network.value,
            threshold=self.threshold.value,
            sectors=tuple(name for name in SECTORS if self.remove[name].value),
            couplings=tuple(pair for pair, box in self.couplings.items() if box.value),
            trial=self.trial.value,
        )

    def _changed(self, change):
        if self._quiet:
            return
        if change["owner"] is self.network:
            self._untick(self.couplings)  # block 3 of another network is another block
        setting = self.setting
        before = self.view.setting
        try:
            self.view = self._explorer.view(setting)
        except InputError as error:
            self.summary.value = f'<p role="alert">{html.escape(str(error))}</p>'
            return
        if (setting.network, setting.threshold) != (before.network, before.threshold):
            self._offer()
        self._show()

    def _reset(self, _button):
        self._untick({**self.remove, **self.couplings})
        self.view = self._explorer.view(self.setting)
        self._show()

    def _untick(self, boxes):
        """Untick boxes without answering for each."""
        self._quiet = True
        try:
            for box in boxes.values():
                box.value = False
        finally:
            self._quiet = False

    def _offer(self):
        """A box for each of the largest couplings of the network; at another threshold the same
        boxes with their new sectors.
        """
        setting = self.view.setting
        largest = self._explorer.couplings(setting.network, setting.threshold, self._listed)
        offered = {(one.driven, one.driver): str(one) for one in largest}
        if list(offered) != list(self.couplings):
            for box in self.couplings.values():
                box.close()
            auto = {"indent": False, "layout": widgets.Layout(width="auto")}
            self.couplings = {pair: widgets.Checkbox(value=False, **auto) for pair in offered}
            for box in self.couplings.values():
                box.observe(self._changed, names="value")
            self._list.children = tuple(self.couplings.values())
        for pair, text in offered.items():
            self.couplings[pair].description = text

    def _show(self):
        """Every picture and the sentences, from the view."""
        said = " ".join(
            f"<span>{html.escape(sentence)}</span><br>" for sentence in self.view.sentences
        )
        self.summary.value = (
            f'<p role="status" aria-live="polite" style="line-height: 1.5">{said}</p>'
        )
        for name, (draw, depends) in _PICTURES.items():
            key = depends(self.view.setting)
            if self._drawn.get(name) == key:
                continue
            picture, png = draw(self.view), io.BytesIO()
            options = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 1}}
            picture.figure.savefig(png, dpi=1.5 * 96, facecolor="white", **options)
            self._drawn[name] = key
            width = round(96 * picture.figure.get_figwidth())  # sharp on fine screens
            address = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
            self.pictures[name].value = (
                f'<img src="{address}" width="{width}" '
                f'alt="{html.escape(picture.alt, quote=True)}">'
            )
