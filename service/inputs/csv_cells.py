"""Cells of CSV files that a spreadsheet shows as texts, instead of running them. Pure."""

FORMULA = tuple("=+-@\t\r＝＋－＠")
"""A spreadsheet runs a cell that begins with one of these as a formula."""

TEXT_MARK = "'"


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet may run a cell, with or without marks that make it a text."""
    return cell.lstrip(TEXT_MARK).startswith(FORMULA)


def escape_cell(cell: str) -> str:
    """A cell that no spreadsheet runs; `unescape_cell` returns the cell."""
    return TEXT_MARK + cell if is_formula(cell) else cell


def unescape_cell(cell: str) -> str:
    """The inverse of `escape_cell`. A formula that was never escaped stays."""
    return cell.removeprefix(TEXT_MARK) if is_formula(cell) else cell
