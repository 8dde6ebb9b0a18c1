"""An archive that lies on an object store: ingest and describe read it from a local S3 server."""

import json

import boto3
import pytest

import object_store
from object_store import BUCKET
from skyhash.config import load
from skyhash.errors import InputError
from skyhash.simulated.solar import archive
from skyhash.spark.storage.store import Store
from skyhash.stages.images import describe, ingest


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with five simulated magnetograms and a file that is none; returns its options."""
    with object_store.server() as options:
        client = boto3.client("s3", endpoint_url=f"http://{options['endpoint_override']}")
        folder = tmp_path_factory.mktemp("archive")
        archive.write(folder=folder, images=5, side_px=64, cadence_minutes=120, seed=5)
        for file in sorted(folder.glob("*.fits")):
            client.upload_file(str(file), BUCKET, f"hmi/2011/{file.name}")
        client.put_object(Bucket=BUCKET, Key="hmi/2011/cut_short.fits", Body=b"SIMPLE")
        yield options


def settings(server, warehouse, path):
    return load(None, [f"archive.path={path}", f"warehouse={warehouse}", f"archive.storage={json.dumps(server)}"])


def test_an_archive_on_an_object_store_is_ingested_and_described(spark, server, warehouse):
    config = settings(server, warehouse, f"s3://{BUCKET}/hmi")
    report = ingest.run(spark, config)
    assert report.facts["files seen"] == 6
    store = Store(spark, str(warehouse))
    rows = store.read("observations").collect()
    assert len(rows) == 5 and all(row["path"].startswith(f"s3://{BUCKET}/hmi/2011/") for row in rows)
    assert [row["reason"] for row in store.read("quarantine").collect()] == ["unreadable"]
    assert describe.run(spark, config).facts["described now"] == 5
    assert ingest.run(spark, config).rows_in == 0


def test_a_bucket_that_is_not_there_is_one_clear_line(spark, server, warehouse):
    with pytest.raises(InputError, match=r"archive\.path: found s3://nowhere") as error:
        ingest.run(spark, settings(server, warehouse, "s3://nowhere/hmi"))
    assert "\n" not in str(error.value)
