"""Cells that no spreadsheet runs, and that come back as they were."""

from hypothesis import given
from hypothesis import strategies as st

from service.inputs.csv_cells import FORMULA, escape_cell, unescape_cell


@given(st.text() | st.text(alphabet="'=+-@a", max_size=5))
def test_no_cell_is_run_and_each_comes_back(cell: str) -> None:
    escaped = escape_cell(cell)
    assert not escaped.startswith(FORMULA)
    assert unescape_cell(escaped) == cell
