"""A file of phone numbers: every line judged on its own, whatever the bytes are."""

import codecs
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.host.marks import HIDDEN
from service.admin.imports import csv_file
from service.admin.imports.csv_file import CsvError, RowFault
from service.admin.imports.number_rows import ImportRow, parse_import
from service.inputs.csv_cells import FORMULA

HEADER = "phone_number,organization,label,gate\n"
NUMBER_ID = "5a3d0000-0000-4000-8000-0000000000aa"


def parse(text: str, encoding: str = "utf-8") -> list[Any]:
    return list(parse_import(text.encode(encoding)))


def one(line: str) -> Any:
    """The only row of a file with the usual header."""
    rows = parse(HEADER + line + "\n")
    assert len(rows) == 1
    return rows[0]


def test_rows_keep_their_lines() -> None:
    assert parse(HEADER + "\n+15551234567,bakery,Front,request\n\n , ,,\nv1,b,,\n") == [
        ImportRow(3, "+15551234567", "bakery", "Front", "request"),
        ImportRow(6, "v1", "b"),
    ]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_ends_of_lines(mark: str, end: str) -> None:
    lines = (["Organization", "PHONE NUMBER", "Gate"], ["a, b; c", NUMBER_ID.upper(), "Event"])
    text = end.join(mark.join(f'"{cell}"' for cell in cells) for cells in lines)
    assert parse(text) == [ImportRow(2, NUMBER_ID, "a, b; c", None, "event")]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_a_spreadsheets_line_about_the_delimiter_is_passed_over(first: str) -> None:
    assert parse(f"{first}\nphone_number;organization\nv1;b\n") == [ImportRow(3, "v1", "b")]


def test_blank_columns_at_the_end_are_passed_over() -> None:
    rows = parse(HEADER[:-1] + ",,\nv1,b,,,,\nv2,b,,event,,\nv3,b,,\n")
    assert rows == [
        ImportRow(2, "v1", "b"),
        ImportRow(3, "v2", "b", None, "event"),
        ImportRow(4, "v3", "b"),
    ]


def test_an_id_of_digits_only_is_an_id() -> None:
    dashed = "12345678-1234-4123-8123-123456789012"
    for written in (dashed, dashed.replace("-", "")):
        assert one(f"{written},bakery,,") == ImportRow(2, dashed, "bakery")
    assert isinstance(one("5551234567,bakery,,"), RowFault)


def test_numbers_and_names_are_understood_as_people_write_them() -> None:
    lines = (
        "+1 (555) 200-0001,Cafe\u0301  Nord,tel\n\ufefftel:+1-555-200-0002,Caf\u00e9\u00a0Nord,\n"
    )
    assert parse("phone_number,organization,label\n" + lines) == [
        ImportRow(2, "+15552000001", "Caf\u00e9 Nord", "tel"),
        ImportRow(3, "+15552000002", "Caf\u00e9 Nord"),
    ]


@pytest.mark.parametrize("name", ["vapi_phone_number_id", "Number", "phone-number"])
def test_aliases(name: str) -> None:
    assert parse(f"organization,{name}\nb,v1\n") == [ImportRow(2, "v1", "b")]


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
)
def test_encodings(encoding: str, mark: bytes) -> None:
    text = HEADER + "v1,Bäckerei,Tür 日本,\r\nv2,b,,\r\n"
    assert parse_import(mark + text.encode(encoding)) == [
        ImportRow(2, "v1", "Bäckerei", "Tür 日本"),
        ImportRow(3, "v2", "b"),
    ]


def test_a_line_in_another_encoding_costs_only_itself() -> None:
    rows: list[Any] = list(parse_import((HEADER + "v1,Bäckerei,,\nv2,b,,\n").encode("latin-1")))
    assert isinstance(rows[0], RowFault)
    assert (rows[0].line, rows[0].code) == (2, "csv_encoding")
    assert rows[1] == ImportRow(3, "v2", "b")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"phone_number,org\n", "Unknown columns in line 1: org"),
        (b"a;b;c\n", "Known columns: phone_number"),
        (b"phone_number,,organization\n", "without a name"),
        (b"phone_number,label\n", "Missing columns in line 1: organization"),
        (b"phone_number,number,organization\n", "Doubled columns in line 1: phone_number"),
        (b'"phone_number,organization\n', "quotes"),
        ("phone_number,organization,ä\n".encode("latin-1"), "Line 1 is not UTF-8"),
        (HEADER.encode("utf-16-le"), "NUL"),
        (HEADER.encode("utf-32"), "UTF-32"),
        (codecs.BOM_UTF16_LE + (HEADER + "v1,b\n").encode("utf-16-le") + b"\x00\xd8a", "Line 3"),
        (b"%PDF-1.7\x00\xff\n", "not UTF-8"),
        (b"PK\x03\x04" + bytes(100), "workbook: save it as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "workbook: save it as CSV"),
        (b"x" * (csv_file.MAX_BYTES + 1), "larger than 16 MiB"),
        (b"phone_number" * 2000, "10,000 characters"),
    ],
)
def test_files_that_cannot_be_used(data: bytes, words: str) -> None:
    with pytest.raises(CsvError) as caught:
        parse_import(data)
    assert words in caught.value.message
    assert caught.value.message.isprintable()


def test_too_many_rows() -> None:
    assert len(parse_import((HEADER + "v1,b,,\nv2,b,,\n").encode(), max_rows=2)) == 2
    with pytest.raises(CsvError, match="more than 2 rows"):
        parse_import((HEADER + "v1,b,,\nv2,b,,\nv3,b,,\n").encode(), max_rows=2)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("v1,b", "wrong_cell_count", "2 cells where the header has 4"),
        ("v1,b,,,x", "wrong_cell_count", "5 cells"),
        (",b,,", "invalid_phone_number", "no phone number"),
        ("1.555E+10,b,,", "invalid_phone_number", "as text"),
        ('"1,555E+10",b,,', "invalid_phone_number", "as text"),
        ("15551234567,b,,", "invalid_phone_number", "no country code"),
        ("+1 555 123 45 67 89 00 1,b,,", "invalid_phone_number", "+15551234567"),
        ("+1,b,,", "invalid_phone_number", "E.164"),
        ('"=""+15551234567""",b,,', "invalid_phone_number", "E.164"),
        ("=HYPERLINK(1),b,,", "invalid_phone_number", "E.164"),
        ("../assistant/1,b,,", "invalid_phone_number", "E.164"),
        ("v1\x00,b,,", "invalid_phone_number", "E.164"),
        ("v" * 101 + ",b,,", "invalid_phone_number", "…"),
        ("v1,,,", "invalid_organization", "missing"),
        ("v1,b\x00,,", "invalid_organization", "control"),
        ("v1," + "b" * 201 + ",,", "invalid_organization", "200"),
        ("v1,b,=1+1,", "invalid_label", "formula"),
        ("v1,b,+49,", "invalid_label", "formula"),
        ("v1,b,-x,", "invalid_label", "formula"),
        ("v1,b,@SUM(A1),", "invalid_label", "formula"),
        ('v1,b,"\t=1",', "invalid_label", "formula"),
        ("v1,b,  =1,", "invalid_label", "formula"),
        ("v1,b,a\u202eb,", "invalid_label", "control"),
        ("v1,b,a\u200bb,", "invalid_label", "control"),
        ("v1,b," + "l" * 201 + ",", "invalid_label", "200"),
        ("v1,b,,ring", "invalid_gate", "event or request, not ring"),
        ('v1,"b,,', "csv_quotes", "quotes"),
        ('v1,"b"x,,', "csv_quotes", "quotes"),
        ("v1,b," + "l" * 10_000 + ",", "line_too_long", "10,000"),
    ],
)
def test_a_bad_row_says_why_and_costs_no_other(line: str, code: str, words: str) -> None:
    rows = parse(f"{HEADER}{line}\nv9,b,,\n")
    assert rows[1] == ImportRow(3, "v9", "b")
    fault = rows[0]
    assert isinstance(fault, RowFault)
    assert (fault.line, fault.code) == (2, code)
    assert words in fault.message
    for text in (fault.message, fault.phone_number, fault.organization):
        assert "\x00" not in text
        assert len(text) < 250


def test_a_cell_with_a_line_break_costs_its_own_lines_only() -> None:
    rows = parse(HEADER + 'v1,b,"two\nlines",\nv2,b,,\n')
    assert [type(row) for row in rows] == [RowFault, RowFault, ImportRow]


def test_a_number_named_twice() -> None:
    rows = parse(HEADER + f"{NUMBER_ID},a,,\nv1,b,,\n{NUMBER_ID.upper()},b,,\n")
    assert [type(row) for row in rows] == [ImportRow, ImportRow, RowFault]
    assert rows[2].code == "duplicate_row"
    assert "line 2" in rows[2].message


def test_labels_at_the_limit_and_with_signs_inside() -> None:
    assert one("v1,b," + "l" * 200 + ",").label == "l" * 200
    assert one("v1,b,\u3164,").label is None
    assert one("v1,b,a=b+c-d@e [x],").label == "a=b+c-d@e [x]"
    assert one('v1,b,the 5" line,').label == 'the 5" line'


HEADERS = st.sampled_from(
    [HEADER.encode(), b"number;organization\r\n", b"organization\tphone_number\n"]
)
PIECES = st.sampled_from([b",", b";", b"\t", b'"', b"\r", b"\n", b"=", b"+1555123456", b"v1", b"b"])
MARKS = st.sampled_from([b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda mark, header, parts: mark + header + b"".join(parts),
        MARKS,
        HEADERS,
        st.lists(PIECES | st.binary(max_size=6), max_size=40),
    )
    | st.builds(lambda text: (HEADER + text).encode("utf-16", "surrogatepass"), st.text())
    | st.builds(lambda text: (HEADER + text).encode(), st.text())
)
def test_whatever_the_bytes_are(data: bytes) -> None:
    """Nothing but the one error, and what comes through is fit for the database and for a screen."""
    try:
        rows = parse_import(data)
    except CsvError as exc:
        assert exc.message.isprintable()  # noqa: PT017 - not raising is as good
        return
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    for row in rows:
        if isinstance(row, RowFault):
            assert not HIDDEN.search(row.message + row.phone_number + row.organization)
            continue
        assert row.phone_number.isascii()
        assert not HIDDEN.search(row.organization + (row.label or ""))
        assert not (row.label or "").startswith(FORMULA)
    used = [row.phone_number for row in rows if isinstance(row, ImportRow)]
    assert len(used) == len(set(used))
