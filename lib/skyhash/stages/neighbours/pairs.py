"""Compute the table of acceptable category pairs from records of co-use, as CSV.

A record is a proposal or a publication that names categories: a CSV or Parquet file with the columns record and
category, one row per record and category. A pair is accepted if at least neighbours.co_use_records records name both
categories, and these are at least the share neighbours.co_use_share of the records of the query's category. A category
is always accepted for itself. The file that is written can be edited and given as neighbours.category_pairs. With
neighbours.co_use=RECORDS the job neighbours computes the pairs itself and writes the table category_pairs.

  skyhash pairs --records co_use.csv --out pairs.csv --set neighbours.co_use_share=0.1

reads   the records
writes  the CSV
"""

from __future__ import annotations

import csv
import io
from typing import Any

from skyhash.config import Config
from skyhash.errors import BadFile, ConfigError
from skyhash.files import FileSource, content_digest, read_text, write_text
from skyhash.job_settings import NeighbourSettings
from skyhash.stages.runs.report import Report
from skyhash.topk.filters.co_use import CategoryPair, category_pairs

COLUMNS = ("record", "category")
PAIR_COLUMNS = ("query_category", "neighbour_category")


def write(config: Config, records: str, out: str) -> Report:
    """Write the accepted pairs of `records` to the CSV file `out`.

    Raises
    ------
    ConfigError
        One of the two paths is missing or cannot be used.
    """
    report = Report("pairs")
    made = of_records(records, config.neighbours, "--records")
    accepted = [pair for pair in made if pair.accepted]
    if not out:
        raise ConfigError("--out", "nothing", "the file to write")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(CategoryPair._fields[:-1])
    table.writerows(pair[:-1] for pair in accepted)
    try:
        write_text(out, text.getvalue())
    except OSError as error:
        raise ConfigError("--out", f"{out} ({error.strerror or error})", "a file in a folder that exists") from None
    report.rows_in, report.rows_out = len({pair.query_category for pair in made}), len(accepted)
    report.facts |= {"categories": report.rows_in, "pairs used together": len(made), "accepted pairs": len(accepted)}
    rows = [[p.query_category, p.neighbour_category, f"{p.together:,}", f"{p.share:.3f}", f"{p.lift:.2f}",
             "yes" if p.accepted else "no"] for p in made]  # fmt: skip
    report.tables.append(("pairs", ["for a query of", "images of", "records", "share", "lift", "accepted"], rows))
    return report.finish()


def of_settings(settings: NeighbourSettings) -> list[CategoryPair] | None:
    """The acceptable pairs: of a file of pairs, or computed from records of co-use; None = every pair.

    Raises
    ------
    ConfigError
        Both are set, or a file has another form.
    """
    if settings.co_use and settings.category_pairs:
        raise ConfigError("neighbours.co_use", settings.co_use, "this or neighbours.category_pairs, not both")
    if settings.co_use:
        return of_records(settings.co_use, settings, "neighbours.co_use")
    if settings.category_pairs:
        return [CategoryPair(*pair, 0, 0, 0.0, 0.0, True) for pair in read_pairs(settings.category_pairs)]
    return None


def digest(settings: NeighbourSettings) -> str:
    """Fingerprint of the file that pairs come from; '' where there is none."""
    path = settings.co_use or settings.category_pairs
    return (content_digest(path) or "") if path else ""


def of_records(path: str, settings: NeighbourSettings, what: str) -> list[CategoryPair]:
    """All pairs of a CSV or Parquet file of records."""
    rows = _rows(path, what)
    if not rows or any(row.get(column) in (None, "") for row in rows for column in COLUMNS):
        found = ", ".join(map(str, rows[0])) if rows else "no rows"
        raise ConfigError(what, f"{path} with {found}", "a value in every row of the columns " + ", ".join(COLUMNS))
    pairs = ((str(row["record"]), str(row["category"])) for row in rows)
    return category_pairs(pairs, settings.co_use_records, settings.co_use_share)


def read_pairs(path: str) -> list[tuple[str, str]]:
    """Acceptable (category of the query, category of the neighbour), from a CSV with these two columns."""
    rows = list(csv.DictReader(read_text(path, "neighbours.category_pairs").splitlines()))
    if not rows or any(row.get(column) is None for row in rows for column in PAIR_COLUMNS):
        found = ", ".join(rows[0]) if rows else "no rows"
        raise ConfigError("neighbours.category_pairs", f"{path} with {found}", "columns " + ", ".join(PAIR_COLUMNS))
    return [(row["query_category"], row["neighbour_category"]) for row in rows]


def _rows(path: str, what: str) -> list[dict[str, Any]]:
    expected = "a CSV or Parquet file of records"
    if not path:
        raise ConfigError(what, "nothing", expected)
    try:
        content = FileSource(path).bytes()
    except BadFile as error:
        line = "no such file" if "FileNotFoundError" in str(error) else " ".join(str(error).split())[:200]
        raise ConfigError(what, f"{path}, {line}", expected) from None
    if content.startswith(b"PAR1"):
        import pyarrow as pa
        import pyarrow.parquet
        import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

        try:
            table = pyarrow.parquet.read_table(pa.BufferReader(content))
        except pa.ArrowException as error:
            raise ConfigError(what, f"{path}, {' '.join(str(error).split())[:200]}", expected) from None
        rows: list[dict[str, Any]] = table.select([c for c in COLUMNS if c in table.column_names]).to_pylist()
        return rows
    return list(csv.DictReader(read_text(path, what, expected=expected).splitlines()))
