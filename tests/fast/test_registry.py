"""Finding kinds by name: those built in, and those of an installed package."""

import sys

import pytest

from skyhash.errors import ConfigError, InputError
from skyhash.registry import Registry

MODULE = """
from skyhash.settings import ArchiveSettings

class Telescope:
    class Settings(ArchiveSettings):
        filter: str = "red"

    def __init__(self, settings):
        self.settings = settings
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with an entry point, as an installer lays it down."""
    (tmp_path / "outsider.py").write_text(MODULE)
    info = tmp_path / "outsider-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[skyhash.archives]\ntelescope = outsider:Telescope\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("outsider", None)


def registry():
    return Registry("skyhash.archives", "archive.kind", {"solar_hmi": "skyhash.archives.solar.solar_hmi:SolarHmi"})


def test_an_installed_package_adds_a_kind(installed):
    assert registry().names() == ["solar_hmi", "telescope"]
    settings = registry().settings("telescope")(kind="telescope", path="/x")
    made = registry().make(settings)
    assert type(made).__name__ == "Telescope" and made.settings.filter == "red"


def test_an_unknown_kind_is_named_with_those_there_are(installed):
    with pytest.raises(ConfigError, match=r"archive\.kind: found 'sun', expected one of solar_hmi, telescope"):
        registry().get("sun")


def test_settings_may_be_read_without_the_class():
    two = Registry("none", "encoder.kind", {"x": "no.such.module:X skyhash.settings:EncoderSettings"})
    assert two.settings("x").__name__ == "EncoderSettings"
    with pytest.raises(ModuleNotFoundError):
        two.get("x")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import no_such_library", "outsider:Telescope (ModuleNotFoundError: No module named 'no_such_library')"),
        ("import os\nos.no_such_name", "outsider:Telescope (AttributeError: module 'os' has no attribute"),
        ("class Other: pass", "outsider:Telescope (AttributeError: module 'outsider' has no attribute 'Telescope')"),
        ("class Telescope: pass", "outsider:Telescope (AttributeError: "),
        ("1 / 0", "outsider:Telescope (ZeroDivisionError: "),
        ("def f(:", "outsider:Telescope (SyntaxError: "),
    ],
)
def test_a_broken_package_is_one_line_that_names_its_entry_point(installed, tmp_path, capsys, code, found):
    from skyhash import cli

    (tmp_path / "outsider.py").write_text(code + "\n")
    if "class Telescope" not in code:
        with pytest.raises(InputError, match=r"entry point telescope of skyhash\.archives: found outsider:Telescope "):
            registry().get("telescope")
    assert cli.main(["ingest", "--set", "archive.kind=telescope"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"skyhash ingest: entry point telescope of skyhash.archives: found {found}")
    assert printed.count("\n") == 1
