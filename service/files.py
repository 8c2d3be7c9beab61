"""How many files this process may open, and what they are for."""

import resource

MOST_FILES = 65_536
"""Raised to the hard limit, but no further than this."""
RESERVED_FILES = 256
"""For PostgreSQL, Vapi, the spool, and the log."""
FEWEST = 32


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; return what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def relay_files(files: int) -> int:
    """How many connections to organizations' servers fit into so many files.

    They may take a quarter: a connection that is kept for the next message counts as much again.
    """
    return max(files // 8, FEWEST)


def connection_files(files: int) -> int:
    """How many connections of clients fit into so many files."""
    return max(files - RESERVED_FILES - 2 * relay_files(files), FEWEST)
