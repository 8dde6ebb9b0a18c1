"""Kept machine code follows the content of all sources it is made from, and works where the package is read-only."""

import importlib.util
import os
import shutil

import pytest

from skyhash import compiled
from skyhash.compiled import cache_folder


@pytest.fixture
def package(tmp_path):
    """A package whose loops take a function from another module, by way of a third; one module has no part in them."""
    made = tmp_path / "package"
    (made / "room").mkdir(parents=True)
    (made / "room" / "loops.py").write_text("from package.room import (\n    middle,\n)\n")
    (made / "room" / "middle.py").write_text("import os\n\nfrom package.numbers import ONE, TWO as two\n")
    (made / "numbers.py").write_text("ONE = 1\n")
    (made / "other.py").write_text("THREE = 3\n")
    return made


def folder_of(package):
    """As a new process sees it."""
    cache_folder.cache_clear()
    compiled._imported.cache_clear()
    return cache_folder(package / "room" / "loops.py", package)


def test_machine_code_follows_the_content_of_what_is_imported(package):
    first = folder_of(package)
    assert first.is_dir() and package in first.parents
    (package / "other.py").write_text("THREE = 33\n")
    os.utime(package / "numbers.py", (0, 0))
    assert folder_of(package) == first, "neither times nor modules that are not imported count"
    for changed in ("numbers.py", "room/middle.py", "room/loops.py"):
        before = folder_of(package)
        (package / changed).write_text((package / changed).read_text() + "# another one of the same length\n")
        after = folder_of(package)
        assert after != before and after.is_dir() and not before.exists(), changed


def test_the_user_cache_serves_a_package_that_cannot_be_written_to(package, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (package / "__pycache__").write_text("no folder can be made here, not even by root")
    made = folder_of(package)
    assert made.is_dir() and tmp_path / "cache" in made.parents
    copy = tmp_path / "copy" / "package"
    shutil.copytree(package, copy)
    assert folder_of(copy).parent != made.parent and made.is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(package / "__pycache__"))
    assert folder_of(package) is None


@pytest.mark.parametrize(
    "line",
    [
        "from package.numbers import ONE  # why",
        "from package.numbers import (  # why\n    ONE,\n)",
        "import package.numbers",
        "from package import numbers as n",
        "from .. import numbers",
        "from ..numbers import ONE",
        "def late():\n    from package.numbers import ONE\n",
    ],
)
def test_every_form_of_an_import_is_followed(package, line):
    (package / "room" / "loops.py").write_text(f"{line}\n")
    first = folder_of(package)
    (package / "numbers.py").write_text("ONE = 2\n")
    assert folder_of(package) != first


def test_functions_of_other_packages_are_compiled_without_a_cache(package, tmp_path):
    (tmp_path / "plugin.py").write_text("ONE = 1\n")
    assert cache_folder(tmp_path / "plugin.py", package) is None


def test_two_installs_share_no_folder_of_the_users_choice(package, tmp_path, monkeypatch):
    monkeypatch.setattr(compiled.SETTINGS, "CACHE_DIR", str(tmp_path / "chosen"))
    made = folder_of(package)
    assert tmp_path / "chosen" in made.parents
    copy = tmp_path / "copy" / "package"
    shutil.copytree(package, copy)
    assert folder_of(copy).parent != made.parent and made.is_dir()


def test_a_user_without_a_home_has_no_cache(package, monkeypatch):
    (package / "__pycache__").write_text("no folder can be made here, not even by root")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert folder_of(package) is None


def test_a_zip_keeps_nothing(tmp_path):
    archive = tmp_path / "package.zip"
    archive.write_bytes(b"")
    assert cache_folder(archive / "skyhash" / "loops.py", archive / "skyhash") is None


def test_machine_code_that_is_kept_is_used_again(package, monkeypatch):
    monkeypatch.setattr(compiled, "PACKAGE", package)
    source = package / "twice.py"
    source.write_text("from skyhash.compiled import compiled\n\n\n@compiled\ndef twice(n):\n    return 2 * n\n")
    hits = []
    for _ in range(2):
        spec = importlib.util.spec_from_file_location("package.twice", source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.twice(2) == 4
        hits.append(sum(module.twice.stats.cache_hits.values()))
    assert hits == [0, 1]
    assert list(cache_folder(source, package).rglob("*.nbi"))
