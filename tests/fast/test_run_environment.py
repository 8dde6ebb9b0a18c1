"""The package needs nothing but what requirements/run.txt and its companions install on a cluster."""

import ast
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "lib"
FILES = ("run", "no_deps", "horovod", "uv")  # what `make package` installs

# refuses whatever only the tests' tools bring, then imports every module
IMPORT_ALL = """
import importlib, importlib.machinery, json, pkgutil, sys
refused = set(json.loads(sys.argv[1]))

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            # looking for it is no fault (torch asks for much), importing it is
            return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        raise ModuleNotFoundError(f"{spec.name} is not in the run environment", name=spec.name)

    def exec_module(self, module):
        raise AssertionError(module)

sys.meta_path.insert(0, Refuse())
import skyhash
for module in pkgutil.walk_packages(skyhash.__path__, "skyhash."):
    importlib.import_module(module.name)
"""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_by_run():
    """Names of distributions."""
    lines = [line for name in FILES for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()]
    return {normal(found[1]) for line in lines if (found := re.match(r"([A-Za-z0-9._-]+)(?:\[.*\])?==", line))}


def test_every_import_even_within_functions_is_of_the_run_environment():
    allowed, providers = installed_by_run(), metadata.packages_distributions()
    missing = []
    for file in sorted(LIB.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for top in {name.partition(".")[0] for name in names} - {"skyhash", "__future__"} - sys.stdlib_module_names:
                if not {normal(one) for one in providers.get(top, ())} & allowed:
                    missing.append(f"{file.relative_to(LIB)}:{node.lineno}: {top}")
    assert not missing


def test_every_module_is_imported_where_only_these_are():
    allowed = installed_by_run()
    providers = metadata.packages_distributions()
    refused = [top for top, by in providers.items() if not {normal(one) for one in by} & allowed]
    assert "pytest" in refused
    command = [sys.executable, "-W", "ignore", "-c", IMPORT_ALL, json.dumps([n for n in refused if n != "skyhash"])]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(LIB), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
