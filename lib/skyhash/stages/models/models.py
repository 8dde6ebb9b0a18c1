"""Models of a warehouse: adding one, reusing one of the same training, importing one that was trained elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from skyhash.config import Config
from skyhash.errors import InputError, ModelMismatch
from skyhash.locations import Location
from skyhash.nets import ENCODERS
from skyhash.spark.training import model_folder
from skyhash.spark.training.model_folder import Model
from skyhash.stages.runs.fingerprint import descriptor_id
from skyhash.tables import MODELS

if TYPE_CHECKING:
    from pathlib import Path

    from skyhash.spark.storage.store import Store
    from skyhash.spark.training.shards import Manifest
    from skyhash.stages.runs.report import Report


def described(config: Config, weights: Path, manifest: Manifest, facts: dict[str, Any]) -> Model:
    """The description of newly trained weights."""
    from safetensors import safe_open

    with safe_open(weights, framework="numpy") as file:
        code_size = file.get_slice("thresholds/zero").get_shape()[0]
    checksum = model_folder.checksum(Location(weights))
    wanted, threshold = descriptor_id(config.describe), threshold_of(config, config.encoder.kind)
    return Model(
        model_id=model_folder.model_id(checksum, wanted, threshold),
        encoder=config.encoder.kind,
        descriptor_id=wanted,
        describe=config.describe.model_dump(mode="json"),
        train=config.train.model_dump(mode="json"),
        encoder_settings=config.encoder.model_dump(mode="json"),
        dtype=manifest.dtype,
        shape=list(manifest.shape),
        classes=list(manifest.classes),
        code_size=code_size,
        threshold=threshold,
        weights_checksum=checksum,
        facts=facts,
    )


def threshold_of(config: Config, encoder: str) -> str:
    """Rule of the packed bits: hash.threshold, or the encoder's own."""
    if config.hash.threshold != "encoder":
        return config.hash.threshold
    rule: str = ENCODERS.get(encoder).threshold
    return rule


def add(store: Store, report: Report, model: Model, weights: Location) -> None:
    """Store a model's files, then its row of `models`; an existing model is left as it is."""
    kept = model_folder.keep(store.warehouse, model, weights)
    if store.rows("models", ["model_id"], {"model_id": [model.model_id]}):
        return
    encoder, _ = model_folder.load(kept.parent)
    facts = model.facts
    row = {
        "model_id": model.model_id,
        "encoder": model.encoder,
        "descriptor_id": model.descriptor_id,
        "weights_path": kept.relative_to(store.warehouse),
        "weights_checksum": model.weights_checksum,
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "settings": json.dumps({"encoder": model.encoder_settings, "train": model.train}, sort_keys=True),
        "run_id": report.run_id,
    }
    row |= {name: facts.get(name) for name in MODELS.names if name not in row}
    row["metrics"] = json.dumps(facts.get("metrics", []), sort_keys=True)
    for name in ("trained_from", "trained_until"):
        row[name] = datetime.fromisoformat(facts[name]) if facts.get(name) else None
    report.note_output(store.append_rows("models", [row]))


def reuse(store: Store, config: Config, report: Report, key: str) -> bool:
    """Reuse the model of an equal training, if there is one; its threshold may be computed by another rule."""
    for row in store.rows("models", ["model_id"], {"train_key": [key]}):
        folder = store.warehouse / model_folder.FOLDER / row["model_id"]
        model = model_folder.read(folder)
        _take(store, config, report, model, folder)
        report.facts["trained already"] = "same rows, settings and seed: nothing to train"
        return True
    return False


def keep_trained(store: Store, config: Config, report: Report, settings_key: str, least_rows: float = 0.0) -> bool:
    """Keep the newest model of these settings that was trained on that many rows at least; False if there is none."""
    columns = ["run_id", "model_id", "training_rows"]
    rows = store.rows("models", columns, {"settings_key": [settings_key]}, descending="run_id")
    if not rows or rows[0]["training_rows"] < least_rows:
        return False
    newest = rows[0]
    folder = store.warehouse / model_folder.FOLDER / newest["model_id"]
    _take(store, config, report, model_folder.read(folder), folder)
    report.facts["trained already"] = f"on {newest['training_rows']:,} images; train.retrain says when anew"
    return True


def take_in(store: Store, config: Config, report: Report) -> Model:
    """Import the model that hash.model names.

    Raises
    ------
    InputError
        hash.model names neither a model's folder nor a warehouse with a model.
    ModelMismatch
        It reads another descriptor than describe makes here.
    """
    folder = find(Location(config.hash.model, config.storage), store)
    model = model_folder.read(folder)
    wanted = descriptor_id(config.describe)
    if model.descriptor_id != wanted:
        raise ModelMismatch("hash.model", _difference(model, config), f"a model of descriptor {wanted}")
    report.facts["imported from"] = str(folder)
    return _take(store, config, report, model, folder)


def find(path: Location, store: Store) -> Location:
    """A model's folder: the path itself, or the latest model of the warehouse there."""
    from skyhash.spark.storage.store import Store as Warehouse

    if (path / model_folder.DESCRIPTION).exists():
        return path
    layouts = () if not path.is_folder() else ("delta", "parquet") if path.local else ("delta",)
    for layout in layouts:
        other = Warehouse(store.spark, str(path), layout, str(store.work), path.options)
        if other.version("models") is None:
            continue
        rows = other.rows("models", ["run_id", "model_id"], descending="run_id")
        if rows:
            return path / model_folder.FOLDER / rows[0]["model_id"]
    found = "no such folder" if not path.is_folder() else "neither a model nor a table of models"
    raise InputError("hash.model", f"{path}: {found}", "a model's folder, or a warehouse that holds one")


def current(store: Store, config: Config, report: Report) -> Model:
    """The model to hash with: hash.model, else the one that the last training made or reused, else the newest.

    Raises
    ------
    InputError
        There is none for this descriptor yet.
    ModelMismatch
        hash.model reads another descriptor.
    """
    if config.hash.model:
        return take_in(store, config, report)
    wanted = descriptor_id(config.describe)
    rows = store.rows("models", ["run_id", "model_id"], {"descriptor_id": [wanted]}, descending="run_id")
    known = [row["model_id"] for row in rows]
    if not known:
        others = store.count("models")
        found = f"{others} models, none of descriptor {wanted}" if others else "no models"
        raise InputError(f"table models in {store.warehouse}", found, "a model; run the job train first")
    trainings = store.rows("runs", ["started", "facts"], {"job": ["train"], "status": ["done"]}, descending="started")
    used = [json.loads(row["facts"]).get("model") for row in trainings]
    chosen = next((model_id for model_id in used if model_id in known), known[0])
    folder = store.warehouse / model_folder.FOLDER / chosen
    return _take(store, config, report, model_folder.read(folder), folder)


def _take(store: Store, config: Config, report: Report, model: Model, folder: Location) -> Model:
    """Add a model with the threshold rule of the settings; an existing one is left as it is."""
    rule = threshold_of(config, model.encoder)
    model_id = model_folder.model_id(model.weights_checksum, model.descriptor_id, rule)
    model = replace(model, model_id=model_id, threshold=rule)
    model_folder.verify(folder / model_folder.WEIGHTS, model.weights_checksum)
    add(store, report, model, folder / model_folder.WEIGHTS)
    report.facts["model"] = model.model_id
    return model


def _difference(model: Model, config: Config) -> str:
    ours = config.describe.model_dump(mode="json")
    differences = [
        f"describe.{name} = {theirs!r} (here {ours.get(name)!r})"
        for name, theirs in sorted(model.describe.items())
        if name != "preview_px" and theirs != ours.get(name)
    ]
    return f"a model of {model.descriptor_id}, with " + (", ".join(differences) or "settings of another version")
