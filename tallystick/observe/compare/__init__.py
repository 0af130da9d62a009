"""Compare two runs: steps aligned by what they mean, what differs in each pair, and where the runs first part."""

from tallystick.observe.compare.cause import Cause
from tallystick.observe.compare.differences import Difference
from tallystick.observe.compare.rows import Compared, Row, compare

__all__ = ["Cause", "Compared", "Difference", "Row", "compare"]
