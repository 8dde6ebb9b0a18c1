"""A sixth archive, written as an outsider would: an installed package with entry points, nothing edited in skyhash."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skyhash.spark.storage.store import Store

ROOT = Path(__file__).resolve().parents[2]

ENTRY_POINTS = """
[skyhash.archives]
comets = comet_archive.archive:Comets
[skyhash.descriptors]
brightness = comet_archive.archive:Brightness
[skyhash.encoders]
mirror = comet_archive.encoder:Mirror
[skyhash.splits]
first_files = comet_archive.archive:FirstFiles
[skyhash.evaluations]
same_tail = comet_archive.archive:SameTail
"""

ARCHIVE = '''
import json
import numpy as np
from skyhash.archives.archive import Archive
from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.scores.evaluation import Evaluation, QueryScores
from skyhash.settings import ArchiveSettings, DescriptorSettings, EvaluationSettings, SplitSettings
from skyhash.splits.split import Split, parts


class Frame:
    def __init__(self, name, record):
        self.name, self.record = name, record

    def facts(self):
        if self.record["tail"] == "unknown":
            raise BadFile("header", "the tail is unknown")
        return {"natural_key": self.record["key"], "label": self.record["tail"], "simulated": True,
                "facts": {"magnitude": self.record["magnitude"]}}

    def image(self):
        return Image(np.array(self.record["pixels"], dtype=np.uint8))


class Comets(Archive):
    """Several comets a file, as JSON; no image has a time."""

    class Settings(ArchiveSettings):
        instrument: str = "any"

    fact_columns = {"magnitude": "double"}

    def members(self, source, wanted=None):
        try:
            comets = json.loads(source.bytes())
        except ValueError:
            raise BadFile("unreadable", "not JSON") from None
        for name, record in comets.items():
            if wanted is None or name in wanted:
                yield Frame(name, record)


class Brightness:
    class Settings(DescriptorSettings):
        rows: int = 4

    version = 1
    dtype = "uint8"

    def __init__(self, settings):
        self.shape = (settings.rows, 6)

    def __call__(self, image):
        return image.values[: self.shape[0]], {"brightest": int(image.values.max())}

    def preview(self, image, side_px):
        return None


class FirstFiles(Split):
    class Settings(SplitSettings):
        files: int = 1

    def fit(self, summaries):
        return {"by": "first_files", "files": self.settings.files}

    @staticmethod
    def assign(rule, images):
        numbers = images["natural_key"].str.extract("C/([0-9]+)-", expand=False).astype(int)
        return parts((numbers < rule["files"]).to_numpy())


class SameTail(Evaluation):
    class Settings(EvaluationSettings):
        pass

    columns = ("label",)
    headline = "first_is_right"

    def depth(self, images, queries):
        return 1

    def judge(self, images, queries, lists, similarities):
        labels = images.facts["label"]
        right = np.array([float(labels[one[0]] == labels[q]) for q, one in zip(queries, lists)])
        return [QueryScores({}, {"first_is_right": right})]
'''

ENCODER = '''
import torch
from skyhash.nets.encoder import Encoder
from skyhash.settings import EncoderSettings


class Mirror(Encoder):
    """One linear layer that learns the class."""

    class Settings(EncoderSettings):
        numbers: int = 3

    threshold = "zero"

    def __init__(self, settings, input_shape, classes=()):
        super().__init__(settings, input_shape, classes)
        self.code_size = settings.numbers
        self.layer = torch.nn.Linear(input_shape[0] * input_shape[1], settings.numbers)
        self.head = torch.nn.Linear(settings.numbers, max(len(classes), 1))

    def encode(self, data):
        return self.layer(data.flatten(1).float() / 255)

    def loss(self, batch, group):
        codes = group.all_gather(self.encode(batch.data))
        labels = group.all_gather(batch.labels.float()).long()
        classes = torch.nn.functional.cross_entropy(self.head(codes), labels)
        return {"classes": classes, "size": 1e-3 * codes.square().mean()}
'''


@pytest.fixture
def installed(tmp_path):
    """The package, as an installer lays it down; returns the folder that is to be on the path."""
    site = tmp_path / "site"
    package = site / "comet_archive"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "archive.py").write_text(ARCHIVE)
    (package / "encoder.py").write_text(ENCODER)
    info = site / "comet_archive-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: comet-archive\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return site


PROFILE = """
archive: {{kind: comets, path: {folder}/comets}}
warehouse: {folder}/tables
describe: {{kind: brightness}}
encoder: {{kind: mirror}}
train: {{epochs: 2, split: {{by: first_files, files: 2}}}}
neighbours: {{k: 8}}
evaluations: {{same_tail: {{}}, labels: {{k: [3]}}}}
evaluate: {{bootstrap: 50, gallery: 2}}
spark: {{master: "local[2]"}}
"""


def comets(folder: Path, files: int = 3, each: int = 12) -> None:
    generator = np.random.default_rng(3)
    folder.mkdir()
    for number in range(files):
        record = {}
        for i in range(each):
            tail = ("dust", "ion")[i % 2]
            pixels = generator.integers(0, 60, (4, 6))
            pixels[:, :3] += 150 * (tail == "dust")
            record[f"comet-{i}"] = {"key": f"C/{number}-{i}", "tail": tail, "magnitude": 5.5, "pixels": pixels.tolist()}
        record["comet-1"]["tail"] = "unknown" if number == 0 else record["comet-1"]["tail"]
        (folder / f"night-{number}.json").write_text(json.dumps(record))
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[1]")  # which the archive's own code does not expect


def test_an_archive_descriptor_encoder_and_evaluation_of_a_package_run_through_the_whole_chain(
    spark, installed, tmp_path
):
    comets(tmp_path / "comets")
    profile = tmp_path / "comets.yaml"
    profile.write_text(PROFILE.format(folder=tmp_path))
    path = os.pathsep.join([str(installed), str(ROOT / "lib")])
    command = [sys.executable, "-m", "skyhash.cli", "rebuild", "--config", str(profile)]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True,
                         timeout=600, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    store = Store(spark, str(tmp_path / "tables"))
    observed = store.read("observations").collect()
    assert len(observed) == 35 and {row["archive"] for row in observed} == {"comets"}
    assert {(row["path"].rsplit("/", 1)[1], row["member"]) for row in observed} >= {("night-2.json", "comet-11")}
    reasons = {(row["member"], row["reason"]) for row in store.read("quarantine").collect()}
    assert reasons == {("comet-1", "header"), ("", "unreadable")}
    described = store.read("descriptors").first()
    assert (described["dtype"], described["shape"]) == ("uint8", [4, 6]) and len(described["data"]) == 24
    code = store.read("hashes").first()
    assert len(code["code"]) == 3 and len(code["bits"]) == 1
    model = store.read("models").first()
    assert model["training_rows"] == 23 and json.loads(model["split"]) == {"by": "first_files", "files": 2}
    assert all(len(row["neighbour_ids"]) == 8 for row in store.read("neighbours").collect())
    summary = store.read("evaluation_summary").where("method = 'hash'").collect()
    assert {row["evaluation"] for row in summary} == {"same_tail", "labels"}
    values = {row["metric"]: row["value"] for row in summary if row["evaluation"] == "same_tail"}
    assert values == {"first_is_right": 1.0}, "the two kinds of tails lie far apart"
    assert (tmp_path / "tables" / "reports" / "latest.html").exists()
    store.register(None, {"magnitude": "double"})
    assert spark.sql("SELECT DISTINCT magnitude FROM observation_facts").collect() == [(5.5,)]
