"""The rooms of the house: who may import whom. A crossing fails here, with its file and line."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "lib" / "skyhash"
SPARK = {"pyspark", "delta", "petastorm", "horovod"}
FOUNDATION = {"errors", "tables", "config"}

# room -> (own rooms it may import, foreign packages it may never import)
ROOMS = {
    "archives": ({"pixels", "tables", "errors", "compiled"}, SPARK | {"torch"}),
    "simulated": ({"archives", "pixels", "tables", "errors", "compiled"}, SPARK | {"torch"}),
    "pixels": ({"errors", "compiled"}, SPARK | {"torch", "sunpy", "pathlib", "os"}),
    "nets": ({"errors"}, SPARK | {"pathlib", "os"}),
    "codes": ({"errors"}, SPARK | {"torch", "pathlib", "os"}),
    "topk": ({"errors", "compiled"}, SPARK | {"pathlib", "yaml", "pydantic"}),
    "scores": ({"errors"}, SPARK | {"torch", "pathlib", "os"}),
    "pages": ({"errors", "scores"}, SPARK | {"torch"}),
    "spark": (
        {"archives", "pixels", "nets", "codes", "topk", "scores", *FOUNDATION},
        {"matplotlib", "jinja2"},
    ),
    "stages": (
        {"archives", "simulated", "pixels", "nets", "codes", "topk", "scores", "pages", "spark", *FOUNDATION},
        set(),
    ),
    "experiments": ({"errors"}, SPARK | {"torch", "numpy"}),
    "compiled": (set(), SPARK | {"torch", "yaml", "pydantic"}),
    "errors": (set(), SPARK | {"torch", "numpy", "yaml", "pydantic"}),
    "tables": ({"errors"}, SPARK | {"torch", "pydantic"}),
    "config": ({"errors"}, SPARK | {"torch", "numpy"}),
    "cli": ({"commands", *FOUNDATION}, SPARK | {"torch", "numpy"}),
    "commands": ({"stages", "spark", *FOUNDATION}, {"torch", "numpy"}),
}


def imports(file: Path):
    """(line, dotted name) of every import of a file, those inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import; name the room"
            if node.module == "skyhash":
                yield from ((node.lineno, f"skyhash.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def crossings(file: Path) -> list[str]:
    room = room_of(file)
    allowed, never = ROOMS[room]
    found = []
    for line, name in imports(file):
        top, _, rest = name.partition(".")
        if top == "skyhash" and rest:
            other = rest.split(".")[0]
            if other != room and other not in allowed and other != "__version__":
                found.append(f"{file.relative_to(PACKAGE)}:{line}: {room} imports skyhash.{other}")
        elif top in never:
            found.append(f"{file.relative_to(PACKAGE)}:{line}: {room} imports {top}")
    return found


def test_every_file_belongs_to_a_known_room():
    unknown = {room_of(f) for f in PACKAGE.rglob("*.py")} - set(ROOMS) - {"__init__"}
    assert not unknown


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_no_room_imports_what_it_may_not(room):
    files = [f for f in PACKAGE.rglob("*.py") if room_of(f) == room]
    assert files, f"the room {room} is empty"
    assert not [line for file in files for line in crossings(file)]


def test_jobs_are_thin():
    for file in sorted((PACKAGE.parents[1] / "jobs").glob("*.py")):
        assert {name for _, name in imports(file)} == {"sys", "skyhash.cli"}, file.name
        assert "spark-submit jobs/" + file.name in (ast.get_docstring(ast.parse(file.read_text())) or ""), file.name


def test_a_crossing_is_found(tmp_path):
    bad = PACKAGE / "topk" / "nowhere.py"
    source = tmp_path / "nowhere.py"
    source.write_text("def f():\n    import pyspark.sql\n")
    assert list(imports(source)) == [(2, "pyspark.sql")]
    assert "pyspark" in ROOMS[room_of(bad)][1]
