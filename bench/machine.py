"""The machine the figures are from, and what a tree of processes takes of it."""

import os
import platform
from pathlib import Path

import psutil


def facts() -> dict[str, str]:
    """What a reader needs to compare."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "CPU": f"{os.cpu_count()} x {model}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load before": f"{os.getloadavg()[0]:.1f} (other work on the machine makes figures worse)",
    }


def memory(pid: int) -> dict[str, float]:
    """MB of a process and all below it: RSS counts shared pages in each, PSS once."""
    root = psutil.Process(pid)
    rss = pss = 0
    for process in (root, *root.children(recursive=True)):
        try:
            found = process.memory_full_info()
        except psutil.Error:
            continue  # ended meanwhile
        rss += found.rss
        pss += found.pss
    return {"rss_mb": rss / 1e6, "pss_mb": pss / 1e6}
