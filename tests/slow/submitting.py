"""README's lines for a cluster, and where a test runs them."""

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ONE_CORE_EACH = {"spark.executor.cores": "1", "spark.cores.max": "2"}
SMALL = {"spark.driver.memory": "1500m", "spark.executor.memory": "1g", "spark.ui.enabled": "false",
         "spark.sql.shuffle.partitions": "2", "spark.databricks.delta.snapshotPartitions": "2",
         "spark.driver.host": "127.0.0.1",
         "spark.executor.extraJavaOptions": os.environ["SPARK_SUBMIT_OPTS"]}  # fmt: skip


@dataclass
class Operator:
    """Someone who has a Spark of their own, a copy of `dist/` and README, and nothing of the checkout."""

    cluster: Any
    folder: Path
    spark_home: Path
    began: datetime | None = None

    @property
    def warehouse(self) -> Path:
        return self.folder / "tables"

    def run(self, commands: str, *settings: str) -> subprocess.CompletedProcess:
        """Run README's lines, with the paths of this machine, and settings added to the last one."""
        replacements = {"spark://head:7077": self.cluster.url, "/data/skyhash": str(self.folder / "skyhash"),
                  "/data/hmi": str(self.folder / "hmi"), "/data/tables": str(self.warehouse)}  # fmt: skip
        for written, here in replacements.items():
            commands = commands.replace(written, here)
        commands += " " + " ".join(f"--set {setting}" for setting in settings)
        environment = self.cluster.environment() | {"SPARK_HOME": str(self.spark_home), "TMPDIR": str(self.tmp)}
        environment["PATH"] = f"{self.spark_home / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        before, _, job = commands.rpartition("spark-submit")
        options = {"cwd": self.folder / "skyhash", "env": environment}
        subprocess.run(["bash", "-ec", before], **options, check=True)
        self.began = datetime.now(UTC)
        return subprocess.run(["bash", "-ec", f"spark-submit {job}"], **options, timeout=900, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)  # fmt: skip

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"


def readme_commands(job: str) -> str:
    """The indented lines of README's part "On a cluster" that run a job."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## On a cluster") : text.index("## Every night")]
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", section, re.MULTILINE)
    (found,) = [block for block in blocks if f"jobs/{job}.py" in block]
    return "\n".join(line[4:] for line in found.splitlines()).strip()
