"""Accuracy of an encoder's own classification on unseen images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.config import Config
from skyhash.scores.intervals import over_blocks
from skyhash.spark.training import model_folder, split
from skyhash.splits.split import UNSEEN

if TYPE_CHECKING:
    from skyhash.spark.storage.store import Store


def accuracy(store: Store, config: Config, model_id: str) -> dict[str, Any] | None:
    """Accuracy on unseen, labelled images, as a row of an evaluation.

    The classes are predicted from the float codes in the table of hashes, by the encoder's own `classify`; at most
    evaluate.most_queries images, a seeded sample, are used. The interval is a bootstrap over images.

    Returns
    -------
    dict or None
        None if the encoder predicts no classes, or no unseen image has a label.
    """
    import torch
    from pyspark.sql import functions as f

    encoder, _ = model_folder.load(store.warehouse / model_folder.FOLDER / model_id)
    if not encoder.classes or encoder.classify(torch.zeros(1, encoder.code_size)) is None:
        return None
    (model,) = store.rows("models", ["split"], {"model_id": [model_id]})
    part = split.part_of(json.loads(model["split"])) if model["split"] else f.lit(UNSEEN)
    asked = store.live().where("label IS NOT NULL").where(part == UNSEEN).select("image_id", "label")
    codes = store.read("hashes").where(f"model_id = '{model_id}'").select("image_id", "code")
    drawn = asked.join(codes, "image_id").orderBy(f.xxhash64("image_id", f.lit(config.seed)), "image_id")
    rows = drawn.limit(config.evaluate.most_queries).collect()
    if not rows:
        return None
    with torch.inference_mode():
        numbers = encoder.classify(torch.tensor(np.array([row["code"] for row in rows], dtype=np.float32)))
    names = np.array(encoder.classes, dtype=object)
    right = (names[np.asarray(numbers)] == np.array([row["label"] for row in rows], dtype=object)).astype(np.float64)
    mean, low, high = over_blocks(right[:, None], np.ones((len(right), 1)), config.evaluate.bootstrap, config.seed)
    return {
        "evaluation": "classification", "method": "hash", "metric": "accuracy", "parameters": "{}",
        "value": float(mean[0]), "low": float(low[0]), "high": float(high[0]), "n": len(rows),
    }  # fmt: skip
