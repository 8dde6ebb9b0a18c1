"""A local S3 server for tests, and the options with which it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "skyhash-test-object-store"


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """A server with an empty bucket; gives its options.

    Workers are forks of one daemon that other tests may have started: keys travel as options, too.
    """
    patch = pytest.MonkeyPatch()
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"),
                        ("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_EC2_METADATA_DISABLED", "true")):  # fmt: skip
        patch.setenv(name, value)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
    try:
        yield {"endpoint_override": f"{host}:{port}", "scheme": "http", "region": "us-east-1", "access_key": "test",
               "secret_key": "test"}  # fmt: skip
    finally:
        running.stop()
        patch.undo()
