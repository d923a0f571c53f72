"""Reads and writes CSV: rows are objects where the first line names the columns, else arrays of texts."""

import csv
import io

_GUESSED_FROM = 8192


def run(input: dict) -> dict:
    """Read ``text`` or write ``rows``."""
    header = input.get("header", True)
    if "text" in input:
        return read(input["text"], input.get("delimiter"), header)
    return {"text": written(input["rows"], input.get("delimiter", ","), header)}


def read(text: str, delimiter: str | None, header: bool) -> dict:
    """Return the rows of a CSV text, and the names of its columns."""
    text = text.removeprefix("\ufeff")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or guessed(text))
    found = [line for line in lines if line]
    if not header or not found:
        return {"rows": found, "columns": None}
    columns, *rest = found
    rows = [{name: line[at] if at < len(line) else None for at, name in enumerate(columns)} for line in rest]
    return {"rows": rows, "columns": columns}


def guessed(text: str) -> str:
    """Return the delimiter that a text seems to have; a comma when nothing speaks for another."""
    try:
        return csv.Sniffer().sniff(text[:_GUESSED_FROM], delimiters=",;\t|").delimiter
    except csv.Error:
        return ","


def written(rows: list, delimiter: str, header: bool) -> str:
    """Return rows as CSV; columns of objects stand in the order in which they first come up."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    columns = list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
    if header and columns:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([row.get(name, "") for name in columns] if isinstance(row, dict) else row)
    return out.getvalue()
