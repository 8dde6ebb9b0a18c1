"""The rooms, skyhash's packages and modules: which may import which. A crossing fails here, with its file and line."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "lib" / "skyhash"
SPARK = {"pyspark", "delta", "petastorm", "horovod"}
FOUNDATION = {"errors", "tables", "config", "settings", "job_settings", "registry", "files", "listing", "locations"}
KINDS = {"archives", "pixels", "nets", "scores", "simulated", "splits"}  # rooms whose __init__ holds a registry
BASE = {"errors", "settings", "registry"}

# room -> (own rooms it may import, foreign packages it may never import)
ROOMS = {
    "archives": ({"pixels", "tables", "files", "compiled", *BASE}, SPARK | {"torch"}),
    "simulated": ({"archives", "pixels", "tables", "compiled", "solar_rotation", *BASE}, SPARK | {"torch"}),
    "pixels": ({"compiled", *BASE}, SPARK | {"torch", "sunpy", "pathlib", "os"}),
    # a descriptor of a pretrained network lives in nets: it takes an image and the checks of pixels
    "nets": ({"pixels", "solar_rotation", "files", *BASE}, SPARK | {"pathlib", "os"}),
    "coders": ({"errors"}, SPARK | {"torch", "pathlib", "os"}),
    "topk": ({"errors", "compiled"}, SPARK | {"pathlib", "yaml", "pydantic"}),
    "scores": (BASE, SPARK | {"torch", "pathlib", "os"}),
    "splits": (BASE, SPARK | {"torch", "pathlib", "os"}),
    "pages": ({"errors", "scores"}, SPARK | {"torch"}),
    "spark": ({*KINDS, "coders", "topk", *FOUNDATION}, {"matplotlib", "jinja2"}),
    "stages": ({*KINDS, "coders", "topk", "pages", "spark", "experiments", "studies", *FOUNDATION}, set()),
    "compiled": (set(), SPARK | {"torch", "yaml", "pydantic"}),
    "errors": (set(), SPARK | {"torch", "numpy", "yaml", "pydantic"}),
    "settings": (set(), SPARK | {"torch", "numpy", "yaml"}),
    "registry": ({"errors"}, SPARK | {"torch", "numpy", "yaml", "pydantic"}),
    "files": ({"errors"}, SPARK | {"torch", "numpy", "yaml", "pydantic"}),
    "listing": ({"errors", "files"}, SPARK | {"torch", "numpy", "yaml", "pydantic"}),
    "locations": ({"errors", "files"}, SPARK | {"torch", "numpy", "yaml", "pydantic"}),
    "tables": ({"errors"}, SPARK | {"torch", "pydantic"}),
    "job_settings": ({"settings", "splits"}, SPARK | {"torch", "numpy", "yaml"}),
    "config": ({*KINDS, *BASE, "files", "job_settings"}, SPARK | {"torch", "numpy"}),
    "cli": ({"commands", "options", *FOUNDATION}, SPARK | {"torch", "numpy"}),
    "commands": ({"experiments", "options", "studies", "stages", "spark", *FOUNDATION}, {"torch", "numpy"}),
    "options": ({"stages", "scores", *FOUNDATION}, {"torch", "numpy"}),
    "solar_rotation": (set(), SPARK | {"torch", "numpy"}),
    "experiments": ({"config", "files", *BASE}, SPARK | {"torch", "numpy"}),
    "studies": ({"config", "experiments", *BASE}, SPARK | {"torch", "numpy"}),
}
# The inner rooms of a room, from the ground up: a file may import its own inner room and those of lower layers. A file
# named here is an inner room of its own; all other files are the ground: everyone may import them, they import none of
# these.
LAYERS = {
    # an archive knows the formats, but no other archive
    "archives": [
        {"formats"},
        {"solar", "allsky", "cifar10", "galaxy10", "image_folder", "interferometer", "radio_galaxies"},
    ],
    "stages": [{"runs"}, {"images", "models"}, {"neighbours", "evaluation"}, {"releases"}, {"chain"}],
    "topk": [{"vectors"}, {"filters"}, {"candidates"}, {"exact"}, {"planning"}, {"blocked"}],
    "spark": [{"storage"}, {"neighbours", "training"}, {"udfs"}],
}

# Files and folders that may open files by themselves, and whose files these are. All others take a user's files through
# `skyhash.files`, so that a path may be a URI wherever a user names one.
OPENS_FILES = {
    "files.py": "the one way to a user's files",
    "listing.py": "lists an archive's files",
    "locations.py": "the one way to what skyhash writes: the warehouse, models, reports",
    "compiled.py": "numba's cache, beside the package",
    "spark/storage/lease.py": "this machine's processes, in /proc",
    "spark/storage/lease_records.py": "a lease by links of a local file system",
    "spark/storage/store.py": "the work folder",
    "spark/thrift_server.py": "a scratch folder of its own",
    "stages/neighbours/neighbour_methods.py": "the work folder of a search",
    "spark/training/launcher.py": "the package's own archive",
    "spark/training/loop.py": "the work folder of a training",
    "spark/training/snapshot.py": "the work folder of a training",
    "spark/neighbours/code_files.py": "the work folder of a search",
    "spark/neighbours/code_layout.py": "the work folder of a search",
    "spark/neighbours/code_staging.py": "the work folder of a search",
    "spark/neighbours/extend_tasks.py": "the work folder of a search",
    "spark/neighbours/filter_columns.py": "the work folder of a search",
    "spark/neighbours/hash_tables.py": "the work folder of a search",
    "spark/neighbours/partial_lists.py": "the work folder of a search",
    "spark/neighbours/task_memory.py": "this process, in /proc",
    "spark/neighbours/tasks.py": "the work folder of a search",
    "stages/models/train.py": "the work folder of a training",
    "stages/neighbours/neighbour_plan.py": "the work folder of a search",
    "stages/neighbours/neighbour_search.py": "the work folder of a search",
    "stages/images/simulate.py": "a simulated archive, written to a local folder",
    "simulated": "a simulated archive, written to a local folder",
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
            elif (node.module or "") in {f"skyhash.{room}" for room in LAYERS}:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
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


def inner_crossings(package: Path, room: str) -> list[str]:
    """Imports from a lower layer of the room into an upper one, or between two inner rooms of one layer."""
    layer_of = {inner: layer for layer, rooms in enumerate(LAYERS[room], 1) for inner in rooms}
    found = []
    for file in sorted((package / room).rglob("*.py")):
        own = file.relative_to(package / room).parts[0].removesuffix(".py")
        for line, name in imports(file):
            parts = name.split(".")
            if parts[:2] != ["skyhash", room] or len(parts) < 3 or parts[2] == own:
                continue
            if layer_of.get(parts[2], 0) >= max(layer_of.get(own, 0), 1):
                found.append(f"{file.relative_to(package)}:{line}: {room}/{own} imports {room}/{parts[2]}")
    return found


def test_every_file_belongs_to_a_known_room():
    unknown = {room_of(f) for f in PACKAGE.rglob("*.py")} - set(ROOMS) - {"__init__"}
    assert not unknown


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_no_room_imports_what_it_may_not(room):
    files = [f for f in PACKAGE.rglob("*.py") if room_of(f) == room]
    assert files, f"the room {room} is empty"
    assert not [line for file in files for line in crossings(file)]


@pytest.mark.parametrize("room", sorted(LAYERS))
def test_no_inner_room_imports_a_higher_layer(room):
    there = {f.relative_to(PACKAGE / room).parts[0] for f in (PACKAGE / room).rglob("*.py")}
    known = set().union(*LAYERS[room])
    assert {name for name in there if not name.endswith(".py")} <= known <= {name.removesuffix(".py") for name in there}
    assert not inner_crossings(PACKAGE, room)


@pytest.mark.parametrize(
    ("file", "line", "crosses"),
    [
        ("topk/vectors/x.py", "from skyhash.topk.exact import knn", True),
        ("topk/vectors/x.py", "import skyhash.topk.filters.pair_filter", True),
        ("topk/exact/x.py", "def f():\n    from skyhash.topk.blocked.search import group_lists", True),
        ("topk/threads.py", "from skyhash.topk import vectors", True),
        ("topk/blocked/x.py", "from skyhash.topk.exact import knn", False),
        ("topk/exact/x.py", "from skyhash.topk.exact import knn", False),
        ("topk/vectors/x.py", "from skyhash.topk import threads", False),
        ("spark/training/x.py", "from skyhash.spark.neighbours import tasks", True),
        ("spark/storage/x.py", "from skyhash.spark.udfs import reading", True),
        ("spark/udfs/x.py", "from skyhash.spark.storage import store", False),
    ],
)
def test_an_inner_crossing_is_found(tmp_path, file, line, crosses):
    source = tmp_path / file
    source.parent.mkdir(parents=True)
    source.write_text(line + "\n")
    assert bool(inner_crossings(tmp_path, file.split("/")[0])) == crosses


NAMES = {"open", "Path"}
OS_CALLS = {f"os.{name}" for name in ("stat", "open", "walk", "listdir", "replace", "remove", "makedirs")}
NUMPY_CALLS = {"np.load", "np.memmap", "np.fromfile"}


def opens(node: ast.AST) -> bool:
    """Whether a node opens, looks at or changes a file by its path."""
    if isinstance(node, ast.Attribute):
        return ast.unparse(node).startswith(("shutil.", "os.path", "glob."))
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    # numpy reads from memory (io.BytesIO) everywhere
    in_memory = bool(node.args) and "BytesIO" in ast.unparse(node.args[0])
    return name in NAMES | OS_CALLS or (name in NUMPY_CALLS and not in_memory)


def file_calls(file: Path) -> list[int]:
    """Lines of a file that open, look at or change files by their paths."""
    return sorted({node.lineno for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if opens(node)})


def opens_files(file: str) -> bool:
    return any(file == allowed or file.startswith(allowed + "/") for allowed in OPENS_FILES)


def test_a_users_files_are_opened_in_one_place():
    names = [file.relative_to(PACKAGE).as_posix() for file in sorted(PACKAGE.rglob("*.py"))]
    found = [f"{name}:{line}" for name in names if not opens_files(name) for line in file_calls(PACKAGE / name)]
    assert not found, "use skyhash.files for a user's file; for a folder of ours add it to OPENS_FILES with the reason"


def test_every_exception_for_opening_files_is_needed():
    for allowed in OPENS_FILES:
        files = [PACKAGE / allowed] if allowed.endswith(".py") else sorted((PACKAGE / allowed).rglob("*.py"))
        assert any(file_calls(file) for file in files), allowed


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("f = open('a')", 1), ("p = Path(x) / 'a'", 1), ("shutil.rmtree(x)", 1), ("os.path.isfile(x)", 1),
        ("os.stat(x)", 1), ("np.load(path)", 1), ("np.load(io.BytesIO(data))", 0), ("source.open()", 0),
        ("PurePosixPath(x).name", 0),
    ],
)  # fmt: skip
def test_an_opened_file_is_found(tmp_path, text, lines):
    (tmp_path / "x.py").write_text(text + "\n")
    assert len(file_calls(tmp_path / "x.py")) == lines


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
