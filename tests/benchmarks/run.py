"""Run the benchmarks and keep what they found.

Every number is a ratio to a peer that is timed in the same run on the same machine, beside its recall, the floor of
the arithmetic and the peak memory. Nothing here is a test: times drift, tests may not.

  python tests/benchmarks/run.py --quick                  small sizes, under five minutes on two cores
  python tests/benchmarks/run.py --full                   the sizes of the targets; needs 16 GiB and some minutes
  python tests/benchmarks/run.py --full --only growth     one part; the day's page keeps the others
  python tests/benchmarks/run.py --list                   what parts there are

Results go to tests/benchmarks/results/DATE-PROCESSOR/: results.md to read, results.json to compute with, plots. Run on
a machine that does nothing else. Peers that would take hours are asked some queries and scaled up; the table says so.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "lib")]


def parts() -> list[ModuleType]:
    """Modules of this folder that say NAME, ORDER, TITLE and run(size, machine, folder, tell), in order.

    `run` returns a `results.Part`, or yields what there is so far again and again.
    """
    found = []
    for file in sorted(HERE.glob("*.py")):
        if "\nNAME, ORDER, TITLE" in file.read_text(encoding="utf-8"):
            found.append(importlib.import_module(file.stem))
    return sorted(found, key=lambda module: module.ORDER)


def main() -> int:
    named = {module.NAME: module for module in parts()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--quick", action="store_const", const="quick", dest="size", help="small sizes, minutes")
    size.add_argument("--full", action="store_const", const="full", dest="size", help="the sizes of the targets")
    size.add_argument("--list", action="store_true", help="list the parts and stop")
    parser.add_argument("--only", action="append", choices=sorted(named), help="run this part; may be given again")
    parser.add_argument(
        "--case", default="", help="of all_pairs and training, only work that holds this in its name, e.g. 'solar 525'"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing further after so many minutes")
    parser.add_argument("--codes", type=Path, help="folder that keeps the codes for the next run")
    parser.add_argument("--out", type=Path, help="folder of the results instead of the day's own")
    asked = parser.parse_args()
    if asked.list:
        for name, module in named.items():
            print(f"{name:20}{module.TITLE}")
        return 0
    for module in named.values():
        if hasattr(module, "only"):
            module.only = asked.case
    return _run([named[name] for name in named if not asked.only or name in asked.only], asked)


def _run(modules: list[ModuleType], asked: argparse.Namespace) -> int:
    import results
    from machine import describe
    from ours import scratch

    begun = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - begun:6.0f} s] {text}", file=sys.stderr, flush=True)

    machine = describe()
    tell(f"{machine['cpu']}, {machine['cores']} cores: float32 {machine['float32_gflops']} GFLOP/s, "
         f"bfloat16 {machine['bfloat16_gflops']}, copying {machine['copy_gb_s']} GB/s")  # fmt: skip
    folder = asked.out or results.folder_of(machine, asked.size)
    late = begun + 60 * asked.minutes
    failed = 0
    with scratch() as data:
        if asked.codes:
            data = asked.codes
            data.mkdir(parents=True, exist_ok=True)
        for module in modules:
            if time.monotonic() > late:
                tell(f"{module.NAME} left out: the {asked.minutes:g} minutes are over")
                continue
            tell(module.TITLE)
            part = None
            try:
                found = module.run(asked.size, machine, data, tell)
                for part in [found] if isinstance(found, results.Part) else found:
                    results.write(folder, machine, asked.size, module.NAME, module.TITLE, part)
                    if time.monotonic() > late:
                        break
            except Exception as error:
                # the other parts are worth having
                failed += 1
                tell(f"{module.NAME} failed: {error}")
            if part:
                print(results.table(part.rows), part.text, "", sep="\n", flush=True)
    tell(f"results in {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
