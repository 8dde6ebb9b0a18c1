"""Declarations of the tables: type, unit, shape and meaning of every column, for Spark and for numpy.

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
    added: tuple[str, ...] = ()
    """Columns that tables of earlier versions lack: null there."""

    @property
    def ddl(self) -> str:
        """The columns as Spark reads a schema from text."""
        return ", ".join(f"`{c.name}` {c.type}" for c in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)


def _table(name: str, doc: str, key: str, columns: list[tuple[str, str, str]], cluster_by: str = "",
           added: str = "") -> Table:  # fmt: skip
    keys = tuple(key.split())
    made = tuple(Column(n, t, d, nullable=n not in keys) for n, t, d in columns)
    return Table(name, doc, keys, made, tuple(cluster_by.split()), tuple(added.split()))


_RUN = ("run_id", "string", "the run that wrote the row")

OBSERVATIONS = _table(
    "observations",
    "one row per usable image",
    "image_id",
    [
        ("image_id", "bigint", "assigned in order at ingest, from 0, never reused"),
        ("archive", "string", "archive kind"),
        ("natural_key", "string", "the archive's own name of the image, e.g. series[time] or catalogue number"),
        ("path", "string", "file as given: an absolute path or a URI"),
        ("member", "string", "image within a file that holds many; '' = the file is the image"),
        ("checksum", "string", "SHA-256 of the file, hexadecimal"),
        ("size_bytes", "bigint", "size of the file"),
        ("modified", "timestamp", "modification time of the file when it was read, UTC"),
        ("obs_time", "timestamp", "time of observation, UTC; null = unknown"),
        ("slot_time", "timestamp", "nominal time of a cadence, UTC; null = the archive has none"),
        ("release_time", "timestamp", "time from which the image is public, UTC; null = always was"),
        ("category", "string", "category for constraints, e.g. instrument"),
        ("label", "string", "class label where the archive has one"),
        ("source_id", "string", "object observed, by the archive's name of it"),
        ("ra", "double", "right ascension, deg"),
        ("dec", "double", "declination, deg"),
        ("split", "string", "the archive's official part, e.g. train or test; null = none"),
        ("quality", "bigint", "the archive's quality flags"),
        ("width_px", "int", "image width"),
        ("height_px", "int", "image height"),
        ("simulated", "boolean", "made by a model, not observed"),
        ("facts", "string", "further facts of the archive, as JSON; typed columns in the view observation_facts"),
        _RUN,
        (
            "read_key",
            "string",
            "fingerprint of the reader's version, its settings and the file's rows in tables beside it",
        ),
        ("vanished_run", "string", "the run that found the file gone; null = the file was there at the last ingest"),
        ("retired_run", "string", "the run that took the image out of use: replaced or vanished; null = live"),
    ],
    added="vanished_run retired_run read_key",
)

QUARANTINE = _table(
    "quarantine",
    "one row per file, or image of a file, that could not be used",
    "path member checksum",
    [
        ("path", "string", "file as given"),
        ("member", "string", "image within the file; '' = the file as a whole"),
        ("checksum", "string", "SHA-256 of the file, hexadecimal; '' if it could not be read"),
        ("size_bytes", "bigint", "size of the file"),
        ("modified", "timestamp", "modification time of the file when it was read, UTC"),
        ("archive", "string", "archive kind it was read as"),
        ("reason", "string", "reason code: one of errors.BadFile.REASONS, or an archive's own"),
        ("message", "string", "what was found, one line"),
        (
            "read_key",
            "string",
            "as in observations, and of the limits of the settings: another one tries the file again",
        ),
        _RUN,
    ],
)

DESCRIPTORS = _table(
    "descriptors",
    "one row per image and descriptor",
    "image_id descriptor_id",
    [
        ("image_id", "bigint", "of observations"),
        ("descriptor_id", "string", "fingerprint of the descriptor's kind, version and settings"),
        ("is_zero", "boolean", "all numbers are 0: cosine with anything is defined as 0"),
        ("facts", "string", "intermediate results of the descriptor, as JSON"),
        ("dtype", "string", "of the array, numpy's name, little-endian: float32 or uint8"),
        ("shape", "array<int>", "of the array"),
        _RUN,
        ("read_key", "string", "of the observation when it was described: another one describes it again"),
        ("data", "binary", "the array's numbers, row by row (C order)"),
        ("preview", "binary", "PNG of the image, up (or north) at the top, for pictures; null = none"),
    ],
    added="read_key",
)

MODELS = _table(
    "models",
    "one row per trained encoder",
    "model_id",
    [
        ("model_id", "string", "fingerprint of weights and settings"),
        ("encoder", "string", "encoder kind"),
        ("descriptor_id", "string", "descriptor it reads"),
        ("settings_key", "string", "fingerprint of encoder, descriptor, recipe, split and seed"),
        ("train_key", "string", "fingerprint of settings, seed and training rows: equal key, equal model"),
        ("weights_path", "string", "safetensors file, relative to the warehouse"),
        ("weights_checksum", "string", "SHA-256 of that file"),
        ("parameters", "bigint", "number of trained parameters"),
        ("training_table_version", "bigint", "version of descriptors it was trained on"),
        ("training_rows", "bigint", "rows per epoch"),
        ("split", "string", "rule of the training part, as JSON; it applies to later images too"),
        ("trained_from", "timestamp", "first obs_time of the training part; null = no image of it has a time"),
        ("trained_until", "timestamp", "last obs_time of the training part"),
        ("launcher", "string", "horovod or torch_distributor"),
        ("reader", "string", "petastorm or pyarrow"),
        ("ranks", "int", "training processes"),
        ("epochs", "int", "epochs run"),
        ("final_loss", "double", "training loss of the last epoch"),
        ("seconds", "double", "wall time of training"),
        ("settings", "string", "encoder and train settings as JSON"),
        ("metrics", "string", "per epoch: loss and its parts, rows of each rank, monitored numbers, as JSON"),
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
        ("code", "array<float>", "float code, shape (code_size,)"),
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
        (
            "fingerprint",
            "bigint",
            "of the query's code, of what filters read of it, and of the settings of the search: a query of equal"
            " fingerprint keeps its list, but for new and retired images; null = built by blocking",
        ),
        ("neighbour_ids", "array<bigint>", "image_ids, best first, at most k; order: similarity, then id"),
        ("similarities", "array<float>", "cosine; or minus the distance (euclidean, hamming): higher is nearer"),
    ],
    cluster_by="query_id",
    added="fingerprint",
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
        ("k", "int", "length of the lists"),
        ("metric", "string", "cosine, euclidean, hamming or blend"),
        ("method", "string", "exact or lsh"),
        ("reason", "string", "reason for the method: predicted seconds of each, or the setting that overrules"),
        ("arithmetic", "string", "arithmetic of the prefilter, and the reason for it"),
        ("parameters", "string", "blocks, tables, probes, bucket sizes and their skew as JSON"),
        ("seed", "bigint", "of sampling and hyperplanes"),
        (
            "pairs_scored",
            "bigint",
            "scores of the prefilter; a blocked search scores a pair in each hash table and group",
        ),
        ("pairs_possible", "bigint", "n (n - 1) / 2"),
        ("recall_at_k", "double", "against exact, mean over a sample of queries; 1 by construction when exact"),
        ("recall_low", "double", "95 % interval of that mean"),
        ("recall_high", "double", "95 % interval of that mean"),
        ("recall_n", "bigint", "queries in the sample"),
        ("zero_codes", "bigint", "images whose code is all zeros"),
        ("short_lists", "bigint", "lists with fewer than k neighbours"),
        ("short_reasons", "string", "number of short lists by reason, as JSON"),
        ("seconds", "double", "wall time"),
        ("extended_run", "string", "the run whose lists were extended; null = all pairs were searched"),
        ("new_images", "bigint", "images that were new to these lists, or had changed; null = all pairs were searched"),
        ("gone_images", "bigint", "images of these lists that are gone, or had changed; null = as above"),
        ("searched_again", "bigint", "lists that lost more than new images made up for; null = as above"),
    ],
    added="extended_run new_images gone_images searched_again",
)

CATEGORY_PAIRS = _table(
    "category_pairs",
    "one row per pair of categories that are used together, in one direction; lists hold accepted pairs only",
    "query_category neighbour_category",
    [
        ("query_category", "string", "category of the query"),
        ("neighbour_category", "string", "category of the images listed for it"),
        ("together", "bigint", "records that name both; 0 = the pair was given, not computed"),
        ("records", "bigint", "records that name the query's category"),
        ("share", "double", "together / records"),
        ("lift", "double", "together / its expectation for independent categories"),
        ("accepted", "boolean", "may be listed"),
        _RUN,
    ],
)

EVALUATION_QUERIES = _table(
    "evaluation_queries",
    "one row per query, evaluation, method and choice of parameters",
    "image_id evaluation method parameters",
    [
        ("image_id", "bigint", "the query"),
        ("evaluation", "string", "evaluation kind"),
        ("method", "string", "hash, or the baseline's name"),
        ("parameters", "string", 'of the evaluation, as JSON, e.g. {"k": 100}'),
        ("block", "bigint", "block of the bootstrap (a day, a source)"),
        ("obs_time", "timestamp", "of the query, UTC"),
        ("model_id", "string", "of models; '' for baselines"),
        _RUN,
        ("metrics", "map<string,double>", "metric -> value; null = undefined"),
    ],
)

EVALUATION_SUMMARY = _table(
    "evaluation_summary",
    "means over queries, with intervals: one row per metric",
    "run_id evaluation method metric parameters",
    [
        ("run_id", "string", "the run that wrote the row"),
        ("evaluation", "string", "evaluation kind"),
        ("method", "string", "hash, a baseline's name, or 'hash - NAME': the mean of paired differences"),
        ("metric", "string", "e.g. precision, recall, f1, map"),
        ("parameters", "string", "of the evaluation, as JSON; keys in order"),
        ("value", "double", "mean over queries"),
        ("low", "double", "95 % interval, bootstrap over blocks (days, sources or single queries)"),
        ("high", "double", "95 % interval, bootstrap over blocks"),
        ("n", "bigint", "queries"),
        ("images", "bigint", "images searched"),
        ("split", "string", "which images were queries, and which were searched"),
        ("simulated", "boolean", "the images are simulated"),
        ("published", "double", "the published value for the row's parameters, else null"),
        ("model_id", "string", "of models; '' for baselines"),
    ],
)

RUNS = _table(
    "runs",
    "two rows per job, at its start and at its end",
    "run_id",
    [
        ("run_id", "string", "time and random part; shared by the jobs of one rebuild with the job's name after it"),
        ("job", "string", "ingest, describe, train, hash, neighbours, evaluate, rebuild"),
        ("status", "string", "started, done or failed; the newest row of a run counts"),
        ("error", "string", "error message of a failed job, one line"),
        ("host", "string", "machine of the driver"),
        ("started", "timestamp", "UTC"),
        ("seconds", "double", "wall time"),
        ("rows_in", "bigint", "rows or files taken in"),
        ("rows_out", "bigint", "rows written"),
        ("facts", "string", "closing table, as JSON"),
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
        ("release_id", "bigint", "ascending; readers see the highest"),
        ("released", "timestamp", "UTC"),
        ("versions", "string", "table -> version, as JSON"),
        ("model_id", "string", "of models"),
        ("of_release", "bigint", "the earlier release this one goes back to; null = newly built"),
        _RUN,
    ],
)

EXPERIMENTS = _table(
    "experiments",
    "results of experiments: one row per run, method, metric and choice of parameters",
    "experiment run run_key evaluation method metric parameters",
    [
        ("experiment", "string", "name of the experiment, e.g. architectures"),
        ("run", "string", "name of the run, e.g. alexnet_48"),
        ("run_key", "string", "fingerprint of its settings; a run with rows is not repeated"),
        ("evaluation", "string", "evaluation kind; classification: by the encoder's own classes of unseen images"),
        ("method", "string", "hash, a baseline's name, or 'hash - NAME': the mean of paired differences"),
        ("metric", "string", "e.g. map, accuracy"),
        ("parameters", "string", "of the evaluation, as JSON; keys in order"),
        ("varied", "string", "value of this run on the horizontal axis of the plot"),
        ("line", "string", "runs of one line are joined in the plot; '' = all"),
        ("value", "double", "mean over queries"),
        ("low", "double", "95 % interval, bootstrap"),
        ("high", "double", "95 % interval, bootstrap"),
        ("n", "bigint", "queries"),
        ("images", "bigint", "images searched"),
        ("split", "string", "which images were queries, and which were searched"),
        ("simulated", "boolean", "the images are simulated"),
        ("published", "double", "the paper's value for such a run, on its own images; null = none"),
        ("size_mb", "double", "parameters of the model as float32, MB of 2^20 bytes"),
        ("train_seconds", "double", "wall time of its training"),
        ("model_id", "string", "of models, in the run's own warehouse"),
        ("overrides", "string", "settings laid over the profile, as JSON"),
        _RUN,
    ],
)

TRIALS = _table(
    "trials",
    "trials of studies (searches for settings): one row each",
    "study study_key trial",
    [
        ("study", "string", "which, e.g. simclr"),
        ("study_key", "string", "fingerprint of the profile and the study: trials of one key belong together"),
        ("trial", "bigint", "counted from 0"),
        ("parameters", "string", "values of the settings that are varied, as JSON"),
        ("evaluation", "string", "kind of the evaluation whose score decides"),
        ("metric", "string", "the score, of the hash"),
        ("direction", "string", "minimize or maximize"),
        ("value", "double", "mean over the folds that were run; null = the trial failed"),
        ("folds", "string", "value, low, high, n and model_id of each fold, as JSON"),
        ("error", "string", "why the trial failed; '' = it did not"),
        ("simulated", "boolean", "the images are simulated"),
        ("seconds", "double", "wall time of the trial"),
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
    CATEGORY_PAIRS,
    EVALUATION_QUERIES,
    EVALUATION_SUMMARY,
    RUNS,
    RELEASES,
    EXPERIMENTS,
    TRIALS,
)
BY_NAME = {table.name: table for table in ALL}
