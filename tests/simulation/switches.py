"""Which kinds of faults the code survives: the simulation runs these in CI.

A fault that the code does not survive yet is taken out here, and named with a failing seed.
"""

from tests.simulation.story import FAULTS

ALL: frozenset[str] = frozenset(FAULTS)
SURVIVED: frozenset[str] = ALL
