"""Makes an environment's torch work without NVIDIA's libraries, which are most of its size: for nodes without a GPU.

    python docker/without_cuda.py ENVIRONMENT

torch's build for Linux names NVIDIA's libraries as needed and does not load without them, although nothing of them is
called on a machine without a GPU. Each that is absent gets a stand-in of some kilobytes, of the same name and symbol
versions, whose functions say so and abort. A line of start-up hides a GPU that the node may have. At the end torch
computes something, so that a build that needs more fails here.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = re.compile(r"lib(cu(?!da\.)|nv|nccl)\w*\.so\.\d+")  # not the driver's libcuda
ABSENT = """
#include <stdio.h>
#include <stdlib.h>
static void absent(void) { fputs("torch called CUDA, but this environment was packed without it\\n", stderr); abort(); }
"""
HIDE = "import os; os.environ['CUDA_VISIBLE_DEVICES'] = ''\n"
TRY = """
import torch, torchvision, horovod.torch
assert not torch.cuda.is_available()
layer = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 2))
layer(torch.ones(2, 1, 8, 8)).sum().backward()
torch.optim.Adam(layer.parameters()).step()
torchvision.ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5)
torch.linalg.svd(torch.eye(3)), torch.fft.rfft(torch.ones(8)), torch.ones(4, 4).bfloat16() @ torch.ones(4, 4).bfloat16()
"""


def read(option: str, library: Path) -> str:
    return subprocess.run(["readelf", "-W", option, library], check=True, capture_output=True, text=True).stdout


def wanted(libraries: list[Path]) -> dict[str, dict[str, set[str]]]:
    """Names of NVIDIA's libraries that these name as needed -> versions -> names of the functions wanted of them."""
    found: dict[str, dict[str, set[str]]] = {}
    for library in libraries:
        for name in re.findall(r"\(NEEDED\)\s+Shared library: \[(.+)\]", read("-d", library)):
            if OURS.fullmatch(name):
                found.setdefault(name, {})
        needs = re.findall(r"(File|Name): (\S+)", read("-V", library).partition("Version needs")[2])
        file, file_of = "", {}
        for key, value in needs:
            file = value if key == "File" else file
            if key == "Name" and OURS.fullmatch(file):
                file_of[value] = file
                found.setdefault(file, {}).setdefault(value, set())
        for symbol, version in re.findall(r" UND (\w+)(?:@(\S+))?", read("--dyn-syms", library)):
            if version in file_of:
                found[file_of[version]][version].add(symbol)
            elif not version:
                # a library without versions is known by the start of its functions' names: ncclSend is libnccl's
                own = [name for name in found if symbol.lower().startswith(name[3:].partition(".")[0].lower())]
                found.get(max(own, key=len, default=""), {}).setdefault("", set()).add(symbol)
    return found


def stand_in(folder: Path, name: str, versions: dict[str, set[str]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        source, script = Path(scratch) / "absent.c", Path(scratch) / "versions"
        functions = sorted(set().union(*versions.values()))
        source.write_text(ABSENT + "".join(f'void {f}(void) __attribute__((alias("absent")));\n' for f in functions))
        named = {version: symbols for version, symbols in versions.items() if version}
        script.write_text("".join(f"{v} {{ global: {'; '.join(sorted(f)) or '*'}; }};\n" for v, f in named.items()))
        options = [f"-Wl,--version-script={script}"] if named else []
        command = ["gcc", "-w", "-shared", "-fPIC", f"-Wl,-soname,{name}", *options, source, "-o", folder / name]
        subprocess.run(command, check=True)


def main() -> None:
    environment = Path(sys.argv[1])
    packages = environment / "lib" / "python3.11" / "site-packages"
    own = packages / "torch" / "lib"
    for former in own.glob("lib*.so*"):
        if OURS.fullmatch(former.name):
            former.unlink()
    present = {file.name for file in packages.rglob("*.so*")}
    for name, versions in wanted(sorted(own.glob("lib*.so"))).items():
        if name not in present:
            stand_in(own, name, versions)
    (packages / "without_cuda.pth").write_text(HIDE)
    subprocess.run([environment / "bin" / "python", "-I", "-W", "error::UserWarning:torch", "-c", TRY], check=True)


if __name__ == "__main__":
    main()
