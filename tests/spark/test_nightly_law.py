"""After any nights of additions, changes, removals and kills, every table equals one built from scratch.

Each night is a seeded draw of changes to a small simulated archive; most are killed at some write and run again. Tables
are compared by path, because ids are given in order of arrival.
"""

import os
import shutil

import numpy as np
import pytest
from small_chain import settings

from skyhash.simulated.solar import archive
from skyhash.spark.neighbours import jobs
from skyhash.spark.storage.store import Store
from skyhash.stages.evaluation import evaluate
from skyhash.stages.images import describe, ingest
from skyhash.stages.models import hashes
from skyhash.stages.neighbours import neighbour_methods, neighbours

IMAGES, NIGHTS = 22, 3
BINARY = ("itq", "pca_sign", "lsh")  # their distances are often equal, and ids, by order of arrival, decide then


class Killed(BaseException):
    """No handler of errors may see it, as none sees a kill."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Simulated magnetograms."""
    folder = tmp_path_factory.mktemp("made")
    archive.write(folder=folder, images=IMAGES, side_px=64, cadence_minutes=180, start="2011-01-01T00:00:00", seed=9,
                  broken=0)  # fmt: skip
    return sorted(folder.rglob("*.fits"))


class Nights:
    """A folder of files that changes by a seeded draw, and the warehouse that follows it."""

    def __init__(self, spark, root, made, model, seed):
        self.spark, self.root, self.made, self.model = spark, root, made, model
        self.draw = np.random.default_rng(seed)
        self.folder = root / "archive"
        self.folder.mkdir()
        self.content: dict[str, int] = {}  # name -> number of a made file; -1 = not an image
        self.clock = 0

    def put(self, name, number):
        file = self.folder / f"{name}.fits"
        if number < 0:
            file.write_text("not FITS")
        else:
            shutil.copyfile(self.made[number], file)
        self.clock += 1
        os.utime(file, (1.6e9 + self.clock,) * 2)
        self.content[name] = number

    def unused(self):
        return [int(n) for n in self.draw.permutation(IMAGES) if n not in self.content.values()]

    def change(self):
        """Some files more, some replaced, some gone, perhaps one that is no image."""
        for number in self.unused()[: self.draw.integers(1, 4)]:
            self.put(f"new{self.clock}", number)
        names = self.draw.permutation(sorted(self.content)).tolist()
        for name in names[: self.draw.integers(0, 3)]:
            self.put(name, self.unused()[0] if self.draw.random() < 0.8 else -1)
        for name in names[3 : 3 + self.draw.integers(0, 3)]:
            (self.folder / f"{name}.fits").unlink()
            del self.content[name]

    def config(self, warehouse="warehouse"):
        return settings(
            self.root, f"archive.path={self.folder}", f"warehouse={self.root / warehouse}", f"hash.model={self.model}",
            "archive.vanished=retire", "neighbours.k=5", "evaluate.queries=all",
        )  # fmt: skip

    def run(self, warehouse="warehouse"):
        config = self.config(warehouse)
        ingest.run(self.spark, config, describe=True)
        for job in (describe, hashes, neighbours):
            job.run(self.spark, config)

    def run_killed(self, patch):
        """Run until a write that is drawn, which is done or not; returns whether it came to that."""
        left, after = int(self.draw.integers(1, 7)), self.draw.random() < 0.5

        def killing(write):
            def wrapped(*arguments, **named):
                nonlocal left
                left -= 1
                if left == 0 and not after:
                    raise Killed
                written = write(*arguments, **named)
                if left == 0:
                    raise Killed
                return written

            return wrapped

        with patch.context() as patched:
            for name in ("_write", "replace"):
                patched.setattr(Store, name, killing(getattr(Store, name)))
            try:
                self.run()
            except Killed:
                return True
        return False

    def tables(self, warehouse="warehouse"):
        """What every table says of every live image, by its path."""
        store = Store(self.spark, str(self.root / warehouse))
        facts = ("checksum", "size_bytes", "modified", "natural_key", "obs_time", "facts", "vanished_run")
        live = {row["image_id"]: row for row in store.live().collect()}
        path = {image: row["path"] for image, row in live.items()}
        found = {"observations": {path[i]: [row[name] for name in facts] for i, row in live.items()}}
        refused = store.read("quarantine").collect()
        assert len(refused) == len({row["path"] for row in refused})
        found["quarantine"] = {row["path"]: [row["reason"], row["checksum"]] for row in refused}
        for name, columns in (("descriptors", ("data", "shape", "facts")), ("hashes", ("code", "bits", "model_id"))):
            rows = [row for row in store.read(name).collect() if row["image_id"] in live]
            assert len(rows) == len({row["image_id"] for row in rows})
            found[name] = {path[row["image_id"]]: [row[column] for column in columns] for row in rows}
        found["neighbours"] = {}
        for row in store.read("neighbours").collect():
            listed = zip(row["similarities"], row["neighbour_ids"], strict=True)
            assert path[row["query_id"]] not in found["neighbours"]
            found["neighbours"][path[row["query_id"]]] = sorted((-similar, path[i]) for similar, i in listed)
        return found

    def evaluated(self, warehouse="warehouse"):
        """Both evaluation tables, after an evaluation of all queries: metrics by path of the query, and summaries."""
        evaluate.run(self.spark, self.config(warehouse))
        store = Store(self.spark, str(self.root / warehouse))
        path = {row["image_id"]: row["path"] for row in store.live().collect()}
        rows = store.read("evaluation_queries").collect()
        queries = {(path[row["image_id"]], row["evaluation"], row["method"], row["parameters"], name): value
                   for row in rows for name, value in row["metrics"].items()}  # fmt: skip
        numbers = ("value", "low", "high", "n", "images", "published")
        summaries = {(row["evaluation"], row["method"], row["metric"], row["parameters"], name): row[name]
                     for row in store.read("evaluation_summary").collect() for name in numbers}  # fmt: skip
        return queries, summaries


@pytest.mark.parametrize("seed", [4])
def test_any_nights_give_the_tables_of_one_built_from_scratch(spark, tmp_path, made, built, monkeypatch, seed):
    # an archive so small would be searched anew
    monkeypatch.setattr(jobs, "MOST_AGAIN", 1.0)
    monkeypatch.setattr(neighbour_methods, "MOST_NEW", 1.0)
    nights = Nights(spark, tmp_path, made, built[0].warehouse, seed)
    for number in nights.unused()[:12]:
        nights.put(f"first{number}", number)
    nights.run()
    killed = 0
    for _ in range(NIGHTS - 1):
        nights.change()
        killed += nights.run_killed(monkeypatch)
        nights.run()
    assert killed, "the draw should kill a night; take another seed"
    nights.run("scratch")
    ours, theirs = nights.tables(), nights.tables("scratch")
    assert ours == theirs
    assert set(ours["neighbours"]) == set(ours["observations"]) and len(ours["observations"]) > 8
    builds = Store(spark, str(tmp_path / "warehouse")).read("neighbour_runs").collect()
    extended = [row for row in builds if row["extended_run"]]
    assert extended and sum(row["new_images"] for row in extended) and sum(row["gone_images"] for row in extended)
    for one, other in zip(nights.evaluated(), nights.evaluated("scratch"), strict=True):
        differing = sorted({key[:-1] for key in one.keys() | other.keys() if one.get(key) != other.get(key)})
        assert not [key for key in differing if not any(name in str(key) for name in BINARY)], differing
        assert len(one) > 1000
