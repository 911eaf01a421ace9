"""An analysis with the options that `analyze` has by default."""

from schurkit.ablation import DECIDING
from schurkit.own import examine


def examined(rnn, trials=None, outputs=None, **options):
    given = {"threshold": 0.9, "seed": 0, "controls": DECIDING, "draws": 20}
    given |= {"force_unchecked": False, "assumed": (), "weights_sha256": None}
    return examine(rnn, trials, outputs, **given | options)
