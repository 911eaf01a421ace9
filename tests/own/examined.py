"""An analysis with the metric that `analyze` has by default."""

from functools import partial

from schurkit.own import examine

examined = partial(examine, metric="fvu")
