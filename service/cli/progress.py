"""Progress of a command on a terminal, and nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

Note = Callable[[str, int, int], None]
"""Told what goes on, how many are done, and of how many."""


@contextmanager
def progress(*, show: bool = True) -> Iterator[Note]:
    """Show how far a command is, if a person watches."""
    if not show or not sys.stderr.isatty():
        yield lambda *_: None
        return
    # Importing bars takes longer than most of what a script asks for, and a script sees none.
    with import_module("service.cli.progress_bars").bars() as note:
        yield note
