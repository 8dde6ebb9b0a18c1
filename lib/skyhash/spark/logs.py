"""Log lines of jobs: UTC time, job, text, on stderr."""

from __future__ import annotations

import sys
from datetime import UTC, datetime


def say(text: str) -> None:
    """Write one line; `text` begins with the job: ``hash: 5,000 images``."""
    line = " ".join(text.split())
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")
    sys.stderr.flush()
