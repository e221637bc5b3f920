"""`check`: can this machine run the cluster? Exit code 0: L1 and L2; 3: L1 only; 4: neither."""
import os, shutil, subprocess
from pathlib import Path

from . import build, cgroups
from .common import CACHE, IMAGES, KUBE, STATE, TEKTON
from .network import alive

GIGA = 10 ** 9


def check():
    both, full = for_both(), for_full()
    for level, reasons in (("L1", both), ("L2", both + full)):
        print(f"{level} (API only):" if level == "L1" else f"{level} (with pods):", "no" if reasons else "yes")
    for reason in both:
        print(f"missing for L1 and L2: {reason}")
    for reason in full:
        print(f"missing for L2: {reason}")
    if not both + full and cgroups.version() == 2:
        print("note for L2: this machine has control groups of version 2 only, where this cluster was never tried")
    return 4 if both else 3 if full else 0


def for_both():
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        return [f"Linux on x86_64 (this is {os.uname().sysname} on {os.uname().machine})"]
    missing = []
    if os.geteuid():
        missing.append("root: the cluster makes namespaces of its own (run as root, or in a privileged container)")
    elif not works("unshare", "--mount", "--net", "--pid", "--fork", "true"):
        missing.append("the right to make mount, network and pid namespaces (CAP_SYS_ADMIN)")
    elif not works("unshare", "--net", "ip", "link", "add", "b0", "type", "bridge"):
        missing.append("the kernel's bridge device, or CAP_NET_ADMIN")
    unbuilt = [f.name for f in (KUBE, TEKTON) if not build.built(f)]
    if unbuilt and (build.go_version() or (0,)) < build.GO_AT_LEAST:
        found = build.go_version()
        missing.append("Go 1.26.4 or newer on the PATH, from https://go.dev/dl "
                       f"(found: {'.'.join(map(str, found)) if found else 'none'})")
    missing += packages(build.missing_packages(api_only=True))
    wanted = 6 * GIGA if unbuilt else GIGA // 2
    missing += [f"{wanted / GIGA:.1f} GB of free disk at {place} ({free(place) / GIGA:.1f} GB are free)"
                for place in {CACHE, STATE.parent} if free(place) < wanted]
    return missing + memory(3 * GIGA if unbuilt else GIGA)


def for_full():
    missing = packages(build.missing_packages(api_only=False))
    lacking = cgroups.lacking()
    if lacking:
        missing.append(f"the kernel's control groups at {cgroups.ROOT}: {', '.join(lacking)}")
    if "overlay" not in Path("/proc/filesystems").read_text():
        missing.append("the kernel's overlay file system")
    if not os.geteuid() and not works("unshare", "--net", "ip", "link", "add", "v0", "type", "veth", "peer", "v1"):
        missing.append("the kernel's veth device")
    if not build.built(IMAGES) and not shutil.which("dpkg-deb"):
        missing.append("dpkg-deb and apt-get: the images are made from Debian packages")
    if not build.built(IMAGES) and free(CACHE) < 3 * GIGA // 2:
        missing.append(f"1.5 GB of free disk at {CACHE} for the images ({free(CACHE) / GIGA:.1f} GB are free)")
    if free(STATE.parent) < 3 * GIGA:
        missing.append(f"3 GB of free disk at {STATE.parent} ({free(STATE.parent) / GIGA:.1f} GB are free)")
    if not alive("kubelet") and cgroups.pods_of_others():
        missing.append("an idle machine: another kubelet's pods run here, and there is one `kubepods` cgroup")
    return missing + memory(2 * GIGA)


def packages(names):
    """As root on Debian `install` gets them by itself."""
    if not names or (shutil.which("apt-get") and os.geteuid() == 0):
        return []
    return [f"packages: {' '.join(names)}; on Debian, as root: apt-get install {' '.join(names)}"]


def works(*argv):
    try:
        return subprocess.run(argv, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def free(place):
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def memory(wanted):
    if alive("init"):
        return []
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            have = int(line.split()[1]) * 1024
            return [] if have >= wanted else [f"{wanted // GIGA} GB of free memory ({have / GIGA:.1f} GB are free)"]
    return []
