"""How the project is set up: pins, the package, the Makefile, the image, and messages on a bare machine."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
PINNED = r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9_.-]+", name).group()).lower()


def entries(text: str) -> list[str]:
    """The requirements of a file: comments left out, continued lines kept together."""
    lines = "\n".join(line for line in text.splitlines() if line and not line.lstrip().startswith("#"))
    return re.split(r"\n(?! )", lines)


@pytest.mark.parametrize("source", sorted(REQUIREMENTS.glob("*.in")), ids=lambda f: f.name)
def test_every_requirement_is_pinned_with_a_hash(source):
    pinned = entries(source.with_suffix(".txt").read_text())
    assert not [entry for entry in pinned if not re.fullmatch(PINNED, entry)]
    wanted = {plain(entry) for entry in entries(source.read_text()) if not entry.startswith("-r")}
    assert wanted <= {plain(entry) for entry in pinned}


def test_an_entry_without_a_hash_is_found():
    pinned, bare = entries("# by uv\na==1 \\\n    --hash=sha256:" + "0" * 64 + "\nb==2\n")
    assert re.fullmatch(PINNED, pinned) and not re.fullmatch(PINNED, bare)


def test_the_environment_of_a_cluster_is_the_one_that_was_tested():
    tested = set(entries((REQUIREMENTS / "dev.txt").read_text()))
    assert set(entries((REQUIREMENTS / "run.txt").read_text())) <= tested


def test_three_jars_have_a_checksum():
    lines = (REQUIREMENTS / "jars.sha256").read_text().splitlines()
    assert len(lines) == 3 and all(re.fullmatch(r"[0-9a-f]{64}  \S+\.jar", line) for line in lines)
    version = re.search(r"^delta-spark==(\S+)", (REQUIREMENTS / "run.txt").read_text(), re.MULTILINE).group(1)
    assert any(line.endswith(f"io.delta_delta-spark_2.13-{version}.jar") for line in lines)


def setup_py(*arguments: str) -> None:
    subprocess.run([sys.executable, "setup.py", "-q", *arguments], cwd=ROOT, check=True, capture_output=True)


def test_metadata_names_the_console_script_and_what_it_needs(tmp_path):
    setup_py("egg_info", "--egg-base", str(tmp_path))
    (made,) = tmp_path.glob("*.egg-info")
    facts = HeaderParser().parsestr((made / "PKG-INFO").read_text())
    assert facts["Name"] == "skyhash" and facts["Version"] == import_module("skyhash").__version__
    assert facts["Requires-Python"] == ">=3.11,<3.12"
    direct = {plain(entry) for entry in entries((REQUIREMENTS / "run.in").read_text())}
    assert {plain(entry) for entry in facts.get_all("Requires-Dist")} == direct
    module, function = re.search(r"skyhash = (\S+):(\S+)", (made / "entry_points.txt").read_text()).groups()
    assert callable(getattr(import_module(module), function))


def test_the_zip_holds_every_module_and_only_the_package(tmp_path):
    for folder in ("one", "two"):
        setup_py("package", "--folder", str(tmp_path / folder))
    one, two = sorted(tmp_path.glob("*/skyhash-*.zip"))
    assert one.read_bytes() == two.read_bytes()
    names = zipfile.ZipFile(one).namelist()
    lib = ROOT / "lib"
    modules = {f.relative_to(lib).as_posix() for f in (lib / "skyhash").rglob("*.py")}
    others = {f.relative_to(lib).as_posix() for f in (lib / "skyhash" / "pages").glob("*.html")}
    assert len(names) == len(set(names)) and set(names) == modules | others
    code = (
        "import skyhash; from importlib.resources import files; print(skyhash.__file__)\n"
        "files('skyhash.pages').joinpath('page.html').read_text()"
    )
    done = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(one)!r})\n{code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.startswith(str(one))


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make (\S+) +\S", shown, re.MULTILINE)) == targets
    assert {"demo", "test", "test-fast", "check", "bench", "package", "requirements"} <= targets


def test_everything_that_the_image_copies_exists():
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    sources = [part for line in lines if line.startswith("COPY ") for part in line.split()[1:-1]]
    assert sources and not [source for source in sources if not (ROOT / source).exists()]
    needed = {"Makefile", "setup.py", "lib", "jobs", "conf", "requirements", "docker"}
    assert needed <= set(sources)


def test_the_cluster_of_images_is_one_master_and_two_workers():
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    assert set(services) == {"master", "worker", "job"} and services["worker"]["deploy"]["replicas"] == 2
    builds = {(s["build"]["context"], s["build"]["dockerfile"]) for s in services.values()}
    assert builds == {("..", "docker/Dockerfile")}
    assert all(s["image"] == "skyhash" for s in services.values())


def test_no_host_and_no_place_of_one_machine_is_named():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout: no list of the project's own files")
    paths = "|".join([re.escape(str(ROOT)), r"(?<![\w.])/" + r"work/", r"(?<![\w.])/" + r"root/"])
    recipe = ("Makefile", "docker/", "requirements/", "setup.py", "pyproject.toml", ".ci/")
    found = []
    for name in filter(None, tracked.stdout.split("\0")):
        file = ROOT / name
        if not file.is_file() or b"\0" in (content := file.read_bytes()):
            continue
        text = content.decode()
        found += [f"{name}: {hit}" for hit in re.findall(paths, text)]
        if name.startswith(recipe):
            found += [
                f"{name}: {hit}" for hit in re.findall(r"https?://\S+|-index-url[= ]\S+|-find-links[= ]\S+", text)
            ]
    assert not [hit for hit in found if "--no-emit" not in hit]


@pytest.fixture
def machine(tmp_path):
    """Runs a script of docker/ on a PATH that has a shell's tools and nothing else unless it is added."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "grep", "head", "id", "mktemp", "readlink", "rm", "sed", "tail"):
        (tools / name).symlink_to(shutil.which(name))

    def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", ROOT / "docker" / script, *arguments], capture_output=True, text=True, check=False,
            env={"PATH": str(tools), "JVMS": str(tmp_path / "jvms"), **environment},
        )  # fmt: skip

    return run


def java(home: Path, version: str) -> Path:
    """A program that answers `java -version` as that version does."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{shutil.which('bash')}\necho 'openjdk version \"{version}\" 2024-01-16' >&2\n")
    program.chmod(0o755)
    return home


def test_a_machine_without_java_and_compiler_is_shown_one_command(machine):
    done = machine("system.sh", sys.executable)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "run as root: apt-get install -y openjdk-17-jre-headless g++ make procps" in done.stderr


def test_another_python_is_reported_in_one_line(machine):
    done = machine("system.sh", "/nonexistent/python")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "expected 3.11" in done.stderr


@pytest.mark.parametrize("version, suits", [("1.8.0_402", False), ("11.0.22", False), ("17.0.10", True),
                                            ("21.0.2", True), ("25", False)])  # fmt: skip
def test_only_a_java_that_spark_runs_on_is_taken(machine, tmp_path, version, suits):
    home = java(tmp_path / "own", version)
    done = machine("java_home.sh", JAVA_HOME=str(home))
    assert (done.returncode, done.stdout) == ((0, f"{home}\n") if suits else (1, ""))


def test_a_suitable_java_is_found_behind_one_that_is_too_new(machine, tmp_path):
    good = java(tmp_path / "jvms" / "java-17", "17.0.10")
    done = machine("java_home.sh", JAVA_HOME=str(java(tmp_path / "new", "25")))
    assert done.stdout == f"{good}\n"


def step(body: str) -> subprocess.CompletedProcess:
    script = f". docker/step.sh; set -e; work() {{ {body} }}; step 'doing it' work; echo after"
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False,
                          env=os.environ)  # fmt: skip


def test_a_step_is_one_line():
    done = step("echo noise; echo more >&2;")
    assert done.returncode == 0 and re.fullmatch(r"setup: doing it \.\.\. \d+ s\nafter\n", done.stdout)
    assert done.stderr == ""


def test_a_failure_in_the_middle_of_a_step_stops_it_and_shows_why():
    done = step("echo why; (exit 7); echo not reached;")
    assert done.returncode == 7 and done.stdout == "setup: doing it ... failed\n" and done.stderr == "why\n"
