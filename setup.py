"""The package skyhash: `pip install .` for the console script, `python setup.py package` for spark-submit."""

import re
import zipfile
from pathlib import Path

from setuptools import Command, find_packages, setup

ROOT = Path(__file__).resolve().parent
LIB = ROOT / "lib"
SHIPPED = (".py", ".html", ".css")  # the code and the pages' templates
VERSION = re.search(r'__version__ = "(.+)"', (LIB / "skyhash" / "__init__.py").read_text()).group(1)
# petastorm and horovod are not named: their own, outdated pins contradict torch's (see requirements/no_deps.in)
REQUIRED = re.findall(r"^[a-z].*$", (ROOT / "requirements" / "run.in").read_text(), re.MULTILINE)


class Package(Command):
    """Zip the package for spark-submit's --py-files."""

    description = "write skyhash-VERSION.zip for --py-files"
    user_options = [("folder=", None, "where the zip goes")]  # noqa: RUF012  setuptools reads it from the class

    def initialize_options(self):
        self.folder = str(ROOT / "dist")

    def finalize_options(self):
        self.folder = Path(self.folder)

    def run(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"skyhash-{VERSION}.zip"
        part = target.with_suffix(".part")
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(f for f in (LIB / "skyhash").rglob("*") if f.suffix in SHIPPED and f.is_file()):
                # a fixed time: equal code gives an equal zip
                entry = zipfile.ZipInfo(file.relative_to(LIB).as_posix(), (1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
        part.replace(target)


setup(
    name="skyhash",
    version=VERSION,
    description="Similarity tables for astronomical image archives, built by Spark",
    license="BSD-3-Clause",
    python_requires=">=3.11,<3.12",
    package_dir={"": "lib"},
    packages=find_packages("lib"),
    package_data={"skyhash": ["pages/*.html", "pages/*.css"]},
    install_requires=REQUIRED,
    entry_points={"console_scripts": ["skyhash = skyhash.cli:main"]},
    cmdclass={"package": Package},
)
