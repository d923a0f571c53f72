"""What rules look for, as pure arithmetic over moments: no clock is read and nothing is stored here.

A `Window` says how a memory takes a match in, what becomes of it by time alone, and whether its condition holds;
`monitor` makes firing and recovery of that, with the patience that keeps an alert from flapping.
"""

from provenance.alerts.windows.absence import Absence
from provenance.alerts.windows.contract import Match, Pulse, Window
from provenance.alerts.windows.gaps import Gaps
from provenance.alerts.windows.monitor import Change, Monitor, Standing
from provenance.alerts.windows.tally import Fewer, Many
from provenance.alerts.windows.without import After, Before

__all__ = [
    "Absence",
    "After",
    "Before",
    "Change",
    "Fewer",
    "Gaps",
    "Many",
    "Match",
    "Monitor",
    "Pulse",
    "Standing",
    "Window",
]
