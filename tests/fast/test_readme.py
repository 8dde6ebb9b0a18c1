"""README names only what is there: files, profiles, make targets, commands, settings."""

import re
from pathlib import Path

import pytest

from skyhash.config import load
from skyhash.options import GROUPS, JOBS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def named(pattern):
    return sorted(set(re.findall(pattern, TEXT, re.MULTILINE)))


@pytest.mark.parametrize("path", named(r"\b(?!jobs/JOB)(?:conf|jobs|lib|notebooks|docker|tests)/[\w/]*\w(?:\.\w+)?"))
def test_every_path_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("target", named(r"(?:^    |`)make ([a-z-]+)"))
def test_every_target_is_one_of_the_makefile(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", named(r"(?:^ {4}|`)skyhash ([a-z]+)\b"))
def test_every_command_is_one_of_the_program(command):
    assert command in {*GROUPS, *JOBS, "sql", "serve", "releases", "refine", "groups"}


@pytest.mark.parametrize("setting", named(r"`((?:archive|train|hash|neighbours|evaluate|release|maintain)\.\w+)[`=]"))
def test_every_setting_is_one_of_the_profiles(setting):
    """By its group's model; an archive's own settings are those of one of the profiles' kinds."""
    group, name = setting.split(".")
    profiles = [load(str(path), []) for path in sorted((ROOT / "conf").glob("*.yaml"))]
    assert any(name in type(getattr(profile, group)).model_fields for profile in profiles)


def test_something_is_named_in_each_way():
    for pattern in (r"conf/\w+\.yaml", r"make demo", r"`skyhash rebuild", r"`neighbours\.\w+`"):
        assert named(pattern), pattern
