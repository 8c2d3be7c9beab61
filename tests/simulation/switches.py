"""Which kinds of faults the code survives: the simulation runs these in CI."""

from tests.simulation.story import FAULTS

ALL: frozenset[str] = frozenset(FAULTS)
SURVIVED: frozenset[str] = ALL - {"half_open", "lost_commits"}
