"""The machine and its floors: no search can be faster than its multiplications or its copies."""

from __future__ import annotations

import platform
import re
import time
from pathlib import Path
from typing import Any

from measure import Clock, alone, cores

SIDE = 4096
SLOW_GFLOPS = 10
COPIED = 1 << 28


def describe() -> dict[str, Any]:
    """Model, cores, memory, and the measured rates.

    Returns
    -------
    dict
        cpu, cores, memory_gb, float32_gflops and bfloat16_gflops (matrix product on all cores), copy_gb_s (bytes copied
        a second, all cores), extensions (of the processor, those that matter here), python, libraries.
    """
    found = alone(_rates).found
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    name = re.search(r"model name\s*: (.*)", info)
    family = re.search(r"cpu family\s*: (\d+)", info)
    flags = re.search(r"flags\s*: (.*)", info)
    has = set(flags[1].split()) if flags else set()
    import psutil

    return {
        "cpu": (name[1].strip() if name else platform.processor()) + (f" family {family[1]}" if family else ""),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "extensions": [one for one in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "avx512_vpopcntdq") if one in has],
        "python": platform.python_version(),
        **found,
    }


def _rates(clock: Clock) -> dict[str, Any]:
    import faiss
    import numpy as np
    import pyspark
    import torch

    torch.set_num_threads(cores())
    rates: dict[str, Any] = {}
    for name, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        # a processor without instructions for bfloat16 takes minutes for a large product
        for side in (SIDE // 16, SIDE):
            one = torch.randn(side, side).to(kind)
            made = torch.empty(side, side, dtype=kind)
            with clock.timed(name):
                seconds = _best_of(lambda one=one, made=made: torch.mm(one, one, out=made))
            rates[f"{name}_gflops"] = round(2 * side**3 / seconds / 1e9, 1)
            if rates[f"{name}_gflops"] < SLOW_GFLOPS:
                break
    source = torch.ones(COPIED // 4)
    target = torch.empty_like(source)
    rates["copy_gb_s"] = round(COPIED / _best_of(lambda: target.copy_(source)) / 1e9, 1)
    libraries = {"numpy": np.__version__, "torch": torch.__version__, "faiss": faiss.__version__}
    return rates | {"libraries": libraries | {"pyspark": pyspark.__version__}}


def _best_of(action: Any, times: int = 3) -> float:
    action()
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - begun)
    return best


def floor_seconds(machine: dict[str, Any], n: int, d: int, k: int) -> dict[str, float]:
    """What the arithmetic and the writing of the lists take at least, seconds on all cores.

    Returns
    -------
    dict
        float32: n n d operations (each pair once, a multiplication and an addition per number); bfloat16 likewise;
        lists: n k neighbours of 12 bytes copied once.
    """
    operations = float(n) * n * d
    return {
        "float32": operations / (machine["float32_gflops"] * 1e9),
        "bfloat16": operations / (machine["bfloat16_gflops"] * 1e9),
        "lists": n * min(k, n - 1) * 12 / (machine["copy_gb_s"] * 1e9),
    }
