"""What every part shares: where things lie, running commands, waiting, locks."""
import fcntl, hashlib, os, subprocess, time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
PROJECT = HERE.parent.parent
STATE = Path(os.environ.get("STACKBLAZE_CLUSTER_DIR") or "/tmp/stackblaze-cluster").resolve()
CACHE = Path(os.environ.get("STACKBLAZE_CLUSTER_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stackblaze-cluster").resolve()

NODE, SERVICE = "10.77.0.1", "10.96.0.1"
REGISTRY = f"{NODE}:5000"
PRIVATE_REGISTRY = f"{NODE}:5001"
GIT_HTTP = f"http://{NODE}:8000/cgi-bin"
GIT_USER, GIT_PASSWORD = "git-user", "git-password"
REGISTRY_USER, REGISTRY_PASSWORD = "registry-user", "registry-password"

T0 = time.monotonic()
# The limits named in these files are those of an idle machine; a busy one gets this many times as long.
PATIENCE = 5


class Fail(Exception):
    """Something the reader of the message can act on."""


def say(text):
    print(f"[{time.monotonic() - T0:6.1f}s] {text}", flush=True)


def clean_env(**extra):
    """The caller's environment without proxies: there is no way out of the cluster's network."""
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k != "KUBECONFIG"}
    return {**env, **extra}


def run(*argv, limit=60, **options):
    """Run a command to its end and return what it printed; a failure shows all of it."""
    argv = [str(a) for a in argv]
    options.setdefault("env", clean_env())
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    try:
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           timeout=limit * PATIENCE, **options)
    except subprocess.TimeoutExpired:
        raise Fail(f"{argv[0]} took longer than {limit * PATIENCE} s: {' '.join(argv)[:300]}")
    except FileNotFoundError as e:
        raise Fail(f"{e.filename} is not installed")
    if p.returncode:
        raise Fail(f"{' '.join(argv)[:300]}\nexit {p.returncode}\n{p.stdout[-2000:]}{p.stderr[-4000:]}")
    return p.stdout


def wait(what, limit, test, ended=None, log=None):
    """Poll test() until it is true; at the limit, or once ended() is true, fail with the end of the log."""
    end, why = time.monotonic() + limit * PATIENCE, ""
    while True:
        try:
            if test():
                return
            why = ""
        except (Fail, OSError, ValueError) as e:
            why = str(e)
        dead = ended is not None and ended()
        if dead or time.monotonic() > end:
            file = STATE / "logs" / f"{log}.log"
            tail = "\n".join(file.read_text(errors="replace").splitlines()[-15:]) if log and file.exists() else ""
            raise Fail(f"{what}: {'the process ended' if dead else f'not within {limit * PATIENCE} s'}. {why}\n{tail}")
        time.sleep(0.1)


@contextmanager
def locked(path):
    """One at a time; a second caller waits. The lock goes with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another {path.name}")
            fcntl.flock(f, fcntl.LOCK_EX)
        yield


def digest(*paths, text=""):
    h = hashlib.sha256(text.encode())
    for p in paths:
        h.update(p.read_bytes())
    return h.hexdigest()[:12]


# What `install` makes lies in folders named by the hash of what it is made from.
KUBE = CACHE / f"kube-{digest(*(HERE / 'kube' / f for f in ('go.mod', 'go.sum', 'main.go')))}"
TEKTON = CACHE / f"tekton-{digest(*(HERE / 'tekton' / f for f in ('go.mod', 'go.sum')))}"
BUILDKIT = CACHE / f"buildkit-{digest(*(PROJECT / 'deploy/builder' / f for f in ('go.mod', 'go.sum')))}"
IMAGES = CACHE / ("images-" + digest(HERE / "lib/images.py", HERE / "lib/builder_base.py", PROJECT / "Dockerfile",
                                     text=KUBE.name + TEKTON.name + BUILDKIT.name))
