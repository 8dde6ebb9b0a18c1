"""The tables: every column declared once, with type, unit, shape and meaning, rendered for Spark and for numpy.

Types are Spark SQL's names. Keys come first and vectors last, because Delta takes statistics of the first 32 columns.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: `type` is a Spark SQL type; `doc` says meaning, unit and, of an array, its shape."""

    name: str
    type: str
    doc: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One table of the warehouse."""

    name: str
    doc: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    cluster_by: tuple[str, ...] = ()

    @property
    def ddl(self) -> str:
        """The columns as Spark reads a schema from text."""
        return ", ".join(f"`{c.name}` {c.type}" for c in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)


def _table(name: str, doc: str, key: str, columns: list[tuple[str, str, str]], cluster_by: str = "") -> Table:
    keys = tuple(key.split())
    made = tuple(Column(n, t, d, nullable=n not in keys) for n, t, d in columns)
    return Table(name, doc, keys, made, tuple(cluster_by.split()))


_RUN = ("run_id", "string", "the run that wrote the row")

OBSERVATIONS = _table(
    "observations",
    "one row per usable image",
    "image_id",
    [
        ("image_id", "bigint", "given in order at ingest, from 0, never reused"),
        ("archive", "string", "archive kind"),
        ("natural_key", "string", "the archive's own name of the image, e.g. hmi.m_720s[2011-01-01T00:00:00_TAI]"),
        ("path", "string", "file as given"),
        ("checksum", "string", "SHA-256 of the file, hexadecimal"),
        ("size_bytes", "bigint", "size of the file"),
        ("obs_time", "timestamp", "time of observation, UTC"),
        ("release_time", "timestamp", "time from which the image is public, UTC; null = always was"),
        ("category", "string", "category for constraints, e.g. instrument"),
        ("label", "string", "class label where the archive has one"),
        ("source_id", "string", "object observed, e.g. sun"),
        ("ra", "double", "right ascension, deg"),
        ("dec", "double", "declination, deg"),
        ("quality", "bigint", "the archive's quality flags"),
        ("width_px", "int", "image width"),
        ("height_px", "int", "image height"),
        ("center_x_px", "double", "disk centre, 0-based pixel"),
        ("center_y_px", "double", "disk centre, 0-based pixel"),
        ("radius_px", "double", "radius of the solar disk, pixel"),
        ("rotation_deg", "double", "CROTA2"),
        ("cdelt_arcsec", "double", "pixel scale, arcsec"),
        ("simulated", "boolean", "made by a model, not observed"),
        ("header", "string", "the header facts as JSON"),
        _RUN,
    ],
)

QUARANTINE = _table(
    "quarantine",
    "one row per file that could not be used",
    "path checksum",
    [
        ("path", "string", "file as given"),
        ("checksum", "string", "SHA-256 of the file, hexadecimal; '' when it could not be read at all"),
        ("size_bytes", "bigint", "size of the file"),
        ("archive", "string", "archive kind it was read as"),
        ("reason", "string", "reason code, one of errors.BadFile.REASONS"),
        ("message", "string", "what was found, one line"),
        _RUN,
    ],
)

DESCRIPTORS = _table(
    "descriptors",
    "one row per image and way of describing",
    "image_id descriptor_id",
    [
        ("image_id", "bigint", "of observations"),
        ("descriptor_id", "string", "fingerprint of the describe settings"),
        ("regions", "int", "magnetic regions found"),
        ("region_pixels", "bigint", "pixels in them"),
        ("is_zero", "boolean", "no region at all: a quiet Sun, cosine is undefined"),
        _RUN,
        (
            "vector",
            "array<float>",
            "grid descriptor, shape (grid * grid,), row by row from the north-east (upper left)",
        ),
        ("preview", "binary", "PNG of the magnetogram, north up, for pictures; null = none"),
    ],
)

MODELS = _table(
    "models",
    "one row per trained encoder",
    "model_id",
    [
        ("model_id", "string", "fingerprint of weights and settings"),
        ("encoder", "string", "net of skyhash.nets"),
        ("descriptor_id", "string", "descriptor it reads"),
        ("train_key", "string", "fingerprint of settings, seed and training rows: equal key, equal model"),
        ("weights_path", "string", "safetensors file, relative to the warehouse"),
        ("weights_checksum", "string", "SHA-256 of that file"),
        ("parameters", "bigint", "number of trained parameters"),
        ("training_table_version", "bigint", "version of descriptors it was trained on"),
        ("training_rows", "bigint", "rows per epoch"),
        ("trained_from", "timestamp", "first obs_time of the training stretch"),
        ("trained_until", "timestamp", "last obs_time of the training stretch"),
        ("launcher", "string", "horovod or torch_distributor"),
        ("reader", "string", "petastorm or pyarrow"),
        ("ranks", "int", "training processes"),
        ("epochs", "int", "epochs run"),
        ("final_loss", "double", "training loss of the last epoch"),
        ("seconds", "double", "wall time of training"),
        ("settings", "string", "train settings as JSON"),
        ("metrics", "string", "per epoch and rank: loss and rows, as JSON"),
        _RUN,
    ],
)

HASHES = _table(
    "hashes",
    "one row per image and model",
    "image_id model_id",
    [
        ("image_id", "bigint", "of observations"),
        ("model_id", "string", "of models"),
        ("is_zero", "boolean", "the code is all zeros: cosine with anything is defined as 0"),
        _RUN,
        ("code", "array<float>", "float code, shape (32,)"),
        ("bits", "binary", "packed binary code, first unit in the highest bit of the first byte"),
    ],
)

NEIGHBOURS = _table(
    "neighbours",
    "one row per query: the k nearest images",
    "query_id model_id",
    [
        ("query_id", "bigint", "image_id of the query"),
        ("model_id", "string", "of models; '' for foreign vectors"),
        _RUN,
        ("neighbour_ids", "array<bigint>", "image_ids, best first, at most k; order: similarity, then id"),
        ("similarities", "array<float>", "cosine; or minus the distance (euclidean, hamming): higher is nearer"),
    ],
    cluster_by="query_id",
)

NEIGHBOUR_RUNS = _table(
    "neighbour_runs",
    "one row per build of neighbours",
    "run_id model_id",
    [
        ("run_id", "string", "the run that wrote the row"),
        ("model_id", "string", "of models; '' for foreign vectors"),
        ("n", "bigint", "images"),
        ("dimensions", "int", "numbers (or bits) per code"),
        ("k", "int", "list length asked for"),
        ("metric", "string", "cosine, euclidean, hamming or blend"),
        ("method", "string", "exact or lsh"),
        ("reason", "string", "why that method: predicted seconds of each, or what overruled"),
        ("arithmetic", "string", "how screening products were computed, and why"),
        ("parameters", "string", "blocks, tables, probes, bucket sizes and their skew as JSON"),
        ("seed", "bigint", "of sampling and hyperplanes"),
        ("pairs_scored", "bigint", "pairs whose score was computed"),
        ("pairs_possible", "bigint", "n (n - 1) / 2"),
        ("recall_at_k", "double", "against exact, mean over a sample of queries; 1 by construction when exact"),
        ("recall_low", "double", "95 % interval of that mean"),
        ("recall_high", "double", "95 % interval of that mean"),
        ("recall_n", "bigint", "queries in the sample"),
        ("zero_codes", "bigint", "images whose code is all zeros"),
        ("short_lists", "bigint", "lists with fewer than k neighbours"),
        ("short_reasons", "string", "how many lists are short for which reason, as JSON"),
        ("seconds", "double", "wall time"),
    ],
)

EVALUATION_QUERIES = _table(
    "evaluation_queries",
    "one row per query, method, window and exclusion: Table 2's form",
    "image_id method window_hours exclusion_minutes",
    [
        ("image_id", "bigint", "the query"),
        ("method", "string", "hash, or the baseline's name"),
        ("window_hours", "double", "whole width of the window of similar images"),
        ("exclusion_minutes", "double", "images nearer in time than this are left out; 0 = none, the query counts"),
        ("obs_time", "timestamp", "of the query, UTC"),
        ("ri", "int", "retrieved images"),
        ("si", "int", "similar images"),
        ("tp", "int", "PRI: retrieved and similar"),
        ("fp", "int", "FPRI: retrieved, not similar"),
        ("fn", "int", "PNRI: similar, not retrieved"),
        ("precision", "double", "tp / ri"),
        ("recall", "double", "tp / si"),
        ("f1", "double", "harmonic mean of both"),
        ("model_id", "string", "of models; '' for baselines"),
        _RUN,
    ],
)

EVALUATION_SUMMARY = _table(
    "evaluation_summary",
    "means over queries, with intervals",
    "run_id method window_hours exclusion_minutes",
    [
        ("run_id", "string", "the run that wrote the row"),
        ("method", "string", "hash; raw_descriptor, standardised_descriptor, pca_32, pca_sign, itq, lsh"),
        ("window_hours", "double", "whole width of the window; 48 is the published one"),
        ("exclusion_minutes", "double", "0 is the published form"),
        ("precision", "double", "mean over queries"),
        ("precision_low", "double", "95 % interval, bootstrap over days"),
        ("precision_high", "double", "95 % interval, bootstrap over days"),
        ("recall", "double", "mean over queries"),
        ("recall_low", "double", "95 % interval, bootstrap over days"),
        ("recall_high", "double", "95 % interval, bootstrap over days"),
        ("f1", "double", "mean over queries"),
        ("f1_low", "double", "95 % interval, bootstrap over days"),
        ("f1_high", "double", "95 % interval, bootstrap over days"),
        ("n", "bigint", "queries"),
        ("images", "bigint", "images searched"),
        ("split", "string", "which images were queries, and which were searched"),
        ("simulated", "boolean", "the images are simulated"),
        ("published", "double", "F1 of the published table, where this row is its form; else null"),
        ("model_id", "string", "of models; '' for baselines"),
    ],
)

RUNS = _table(
    "runs",
    "one row per finished job",
    "run_id",
    [
        ("run_id", "string", "time and random part; shared by the jobs of one rebuild with the job's name after it"),
        ("job", "string", "ingest, describe, train, hash, neighbours, evaluate, rebuild"),
        ("started", "timestamp", "UTC"),
        ("seconds", "double", "wall time"),
        ("rows_in", "bigint", "rows or files taken in"),
        ("rows_out", "bigint", "rows written"),
        ("facts", "string", "what the closing table says, as JSON"),
        ("input_versions", "string", "table -> version read, as JSON"),
        ("output_versions", "string", "table -> version written, as JSON"),
        ("code_version", "string", "of skyhash"),
        ("config", "string", "settings as resolved, JSON"),
    ],
)

RELEASES = _table(
    "releases",
    "the table versions that belong together",
    "release_id",
    [
        ("release_id", "bigint", "counts up; readers see the highest"),
        ("released", "timestamp", "UTC"),
        ("versions", "string", "table -> version, as JSON"),
        ("model_id", "string", "of models"),
        ("of_release", "bigint", "the earlier release this one goes back to; null = newly built"),
        _RUN,
    ],
)

ALL = (
    OBSERVATIONS,
    QUARANTINE,
    DESCRIPTORS,
    MODELS,
    HASHES,
    NEIGHBOURS,
    NEIGHBOUR_RUNS,
    EVALUATION_QUERIES,
    EVALUATION_SUMMARY,
    RUNS,
    RELEASES,
)
BY_NAME = {table.name: table for table in ALL}
