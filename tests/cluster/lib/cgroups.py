"""The kernel's control groups, of either version: where they are, and where kubelet makes those of pods."""
import os, time
from pathlib import Path

from .common import STATE

ROOT = Path("/sys/fs/cgroup")
NEEDED = ["cpu", "memory", "pids"]  # kubelet does not start without them


def version():
    """1 also where the machine has both: what kubelet needs is there then."""
    return 2 if (ROOT / "cgroup.controllers").exists() else 1


def lacking():
    """What of a machine's control groups is missing for pods."""
    if version() == 2:
        have = (ROOT / "cgroup.controllers").read_text().split()
        return [f"controller {name}" for name in NEEDED if name not in have]
    return [f"{ROOT / name}" for name in NEEDED if not (ROOT / name).is_dir()]


def kubepods():
    """The groups above all pods: one, or one for each controller of version 1."""
    return [*ROOT.glob("kubepods"), *ROOT.glob("*/kubepods")]


def pods_of_others():
    return any(p.read_text() for root in kubepods() for p in root.rglob("cgroup.procs"))


def claim():
    """From here on the groups are ours to remove."""
    (STATE / "kubepods").touch()
    remove()


def remove():
    """Removes the kubelet's empty groups, when this cluster made them; returns what stays."""
    if not (STATE / "kubepods").exists():
        return []
    end = time.monotonic() + 100
    while kubepods() and time.monotonic() < end:
        for root in kubepods():
            for path, _, _ in os.walk(root, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    time.sleep(0.02)  # the last process is on its way out
    return [str(root) for root in kubepods()]
