"""The package for nodes without a GPU: which requirements it leaves out, and what stands in for NVIDIA's libraries."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TORCH = Path(importlib.util.find_spec("torch").origin).parent / "lib"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("without_cuda", ROOT / "docker" / "without_cuda.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(file):
    return set(re.findall(r"^([a-z][\w.-]*)==", file.read_text(), re.MULTILINE))


def test_only_nvidias_packages_are_left_out(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements", ignore=shutil.ignore_patterns("run_cpu.txt"))
    subprocess.run(["make", "-s", "requirements/run_cpu.txt"], cwd=tmp_path, check=True)
    whole, lighter = (names(tmp_path / "requirements" / f"{name}.txt") for name in ("run", "run_cpu"))
    assert whole - lighter == {n for n in whole if re.match("nvidia-|cuda-|triton", n)} - {"nvidia-cuda-runtime"}
    assert lighter < whole and "torch" in lighter


@pytest.mark.skipif(not (TORCH / "libtorch_cuda.so").exists(), reason="this torch was built without CUDA")
def test_a_stand_in_has_every_function_that_torch_names_and_calling_one_says_why(script, tmp_path):
    wanted = script.wanted([TORCH / "libtorch_cpu.so", TORCH / "libtorch_cuda.so"])
    assert {name.partition(".")[0] for name in wanted} >= {"libcublas", "libcudnn", "libcupti", "libnccl", "libcudart"}
    assert "libcuda.so.1" not in wanted
    for name, function in (("libcupti", "cuptiFinalize"), ("libnccl", "ncclAllReduce")):
        (full,) = [one for one in wanted if one.startswith(f"{name}.")]
        script.stand_in(tmp_path, full, wanted[full])
        code = f"import ctypes; f = ctypes.CDLL({str(tmp_path / full)!r}).{function}; print('loaded', flush=True); f()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "loaded\n" and done.returncode != 0
        assert done.stderr.startswith("torch called CUDA, but this environment was packed without it")
