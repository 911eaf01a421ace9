"""How fast: measurements beside those of the packages a user would otherwise pick, and the time of
a study before it is started.

`schurkit bench` and `make bench` run them; targets stand beside the numbers, and nothing is
asserted.
"""

from .command import add_bench_arguments, bench_command
from .groups import GROUPS
from .growth import Law, seconds_a_rollout, seconds_a_step, study, training_points
from .results import HEADS, Report, Row, cells
