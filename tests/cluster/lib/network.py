"""The one process that owns the cluster's namespaces, and the way into them."""
import ctypes, os, sys, time
from pathlib import Path

from .common import CACHE, GIT_HTTP, GIT_PASSWORD, GIT_USER, KUBE, NODE, PRIVATE_REGISTRY, REGISTRY, \
    REGISTRY_PASSWORD, REGISTRY_USER, SERVICE, STATE, Fail, clean_env, run

libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWPID, NEWNET = 0x20000, 0x20000000, 0x40000000


# ---------------------------------------------------------------- pids
# A pid is recorded with its start time as the machine sees it: a pid used again is never killed.

def start_time(pid):
    """None when the process is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def record(name, pid):
    (STATE / "pids" / name).write_text(f"{pid} {start_time(pid)}")


def alive(name):
    """The recorded pid while that process lives, or None."""
    try:
        pid, started = (STATE / "pids" / name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(pid) == started else None


def init_pid():
    pid = alive("init")
    if not pid:
        raise Fail(f"no cluster is up in {STATE} (tests/cluster/cluster up)")
    return pid


# ---------------------------------------------------------------- namespaces

def start_init():
    """Make pid 1 of new pid, mount and network namespaces.

    Killing it ends every process of the cluster, with all their mounts and interfaces.
    """
    r, w = os.pipe()
    middle = os.fork()
    if middle == 0:
        try:
            os.setsid()
            if libc.unshare(NEWNS | NEWNET | NEWPID):
                raise OSError(ctypes.get_errno(), "unshare (root is needed)")
            pid = os.fork()
            if pid:
                os.write(w, f"{pid} ".encode())
                os._exit(0)
            be_init(w)
        except BaseException as e:
            os.write(w, f"failed: {e}".encode())
        finally:
            os._exit(1)
    os.close(w)
    os.waitpid(middle, 0)
    said = b""
    while b"ready" not in said:
        part = os.read(r, 4096)
        if not part:
            break
        said += part
    os.close(r)
    pid, _, rest = said.decode().partition(" ")
    if rest != "ready":
        raise Fail(f"namespaces: {said.decode()}")
    record("init", int(pid))


def be_init(w):
    os.closerange(0, 1)
    run("mount", "--make-rprivate", "/")
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for d in ("lib", "log"):
        run("mount", "--bind", STATE / f"var-{d}", f"/var/{d}")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "node0", "type", "bridge")
    run("ip", "addr", "add", f"{NODE}/24", "dev", "node0")
    # The apiserver listens on all addresses: its Service address needs no kube-proxy.
    run("ip", "addr", "add", f"{SERVICE}/32", "dev", "node0")
    run("ip", "link", "set", "node0", "up")
    log = os.open(STATE / "logs/init.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(w, b"ready")
    for fd in (1, 2):
        os.dup2(log, fd)
    os.closerange(3, 65536)
    os.chdir("/")
    while True:  # reap orphans, among them containerd's shims
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.2)


def setns(pid, kind, flag):
    with open(f"/proc/{pid}/ns/{kind}") as f:
        if libc.setns(f.fileno(), flag):
            raise OSError(ctypes.get_errno(), f"setns {kind}")


def in_net(*argv):
    # Not `ip netns exec`: that mounts /sys anew, and the cgroup mounts are gone.
    return ["nsenter", f"--net=/proc/{init_pid()}/ns/net", "--", *map(str, argv)]


def http_get(url, limit=5):
    return run(*in_net(sys.executable, "-c", "import sys, urllib.request as u; "
               "print(u.urlopen(sys.argv[1], timeout=3).read().decode())", url), limit=limit)


# ---------------------------------------------------------------- the caller's side

def addresses():
    """What a test needs to know, as `env` prints it and `exec` sets it."""
    return {
        "KUBECONFIG": f"{STATE}/conf/admin.kubeconfig",
        "CLUSTER_LEVEL": "L1" if (STATE / "api-only").exists() else "L2",
        "CLUSTER_NODE": NODE,
        "CLUSTER_API": f"https://{NODE}:443",
        "CLUSTER_CA": f"{STATE}/pki/ca.crt",
        "CLUSTER_ADMIN_CERT": f"{STATE}/pki/admin.crt",
        "CLUSTER_ADMIN_KEY": f"{STATE}/pki/admin.key",
        "CLUSTER_REGISTRY": REGISTRY,
        "CLUSTER_PRIVATE_REGISTRY": PRIVATE_REGISTRY,
        "CLUSTER_REGISTRY_USER": REGISTRY_USER,
        "CLUSTER_REGISTRY_PASSWORD": REGISTRY_PASSWORD,
        "CLUSTER_GIT_DAEMON": f"git://{NODE}/sample.git",
        "CLUSTER_GIT_HTTP": f"{GIT_HTTP}/git/sample.git",
        "CLUSTER_GIT_PRIVATE": f"{GIT_HTTP}/private/sample.git",
        "CLUSTER_GIT_USER": GIT_USER,
        "CLUSTER_GIT_PASSWORD": GIT_PASSWORD,
        "CLUSTER_BUILD_NAMESPACE": "builds",
        "CLUSTER_APP_NAMESPACE": "apps",
        "CLUSTER_LOGS": f"{STATE}/logs",
        "CLUSTER_BIN": f"{KUBE}/bin",
    }


def inside_env():
    return clean_env(**addresses(), STACKBLAZE_CLUSTER_DIR=str(STATE), STACKBLAZE_CLUSTER_CACHE=str(CACHE),
                     PATH=f"{KUBE / 'bin'}:{os.environ.get('PATH', '')}")


def kubectl(*argv, limit=60, **options):
    return run(*in_net(KUBE / "bin/kubectl", *argv), limit=limit, env=inside_env(), **options)
