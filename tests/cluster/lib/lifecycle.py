"""`up`, `down` and `status`."""
import json, os, re, shutil, signal
from pathlib import Path

from . import certs, cgroups, network, samples, settings, tekton
from .build import built
from .common import IMAGES, KUBE, REGISTRY, STATE, TEKTON, Fail, locked, run, say, wait
from .network import alive, http_get, kubectl
from .processes import API_ONLY, FULL, spawn

# kubelet sets these for the whole machine.
SYSCTLS = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
           "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"]
# A folder with this file in it is ours to empty.
MARK = STATE / ".stackblaze-cluster"
FOLDERS = ["pids", "logs", "pki", "conf", "tekton", "var-lib", "var-log", "registry", "registry-private", "etcd"]


def lock():
    return locked(STATE.with_name(STATE.name + ".lock"))


def up(api_only):
    if os.geteuid():
        raise Fail("root is needed (tests/cluster/cluster check tells what else)")
    for folder in (KUBE, TEKTON, *(() if api_only else (IMAGES,))):
        if not built(folder):
            raise Fail("not installed yet (tests/cluster/cluster install)")
    with lock():
        names = API_ONLY if api_only else FULL
        if alive("init") and all(alive(n) for n in names) and "ok" in kubectl("get", "--raw=/readyz", limit=20):
            return say("up already")
        clean()
        prepare(api_only)
        try:
            start(api_only)
        except Fail:
            say("up failed; what was started is left for a look (status, down)")
            raise
        say(f"up; state and logs in {STATE}")


def prepare(api_only):
    for bad in ("/run", "/var/run", "/var/lib", "/var/log", "/proc"):
        if str(STATE).startswith(bad + "/"):
            raise Fail(f"STACKBLAZE_CLUSTER_DIR cannot lie under {bad}: the cluster has its own {bad}")
    if len(str(STATE)) > 80:
        raise Fail("STACKBLAZE_CLUSTER_DIR is too long for a socket path (80 characters at most)")
    if not api_only and cgroups.pods_of_others():
        raise Fail("another kubelet's pods run on this machine; one full cluster at a time, --api-only may run beside it")
    if STATE.exists() and any(STATE.iterdir()) and not MARK.exists():
        raise Fail(f"{STATE} is not empty and no cluster's folder")
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(parents=True)
    MARK.touch()
    for folder in FOLDERS:
        (STATE / folder).mkdir(parents=True, mode=0o700 if folder == "etcd" else 0o755)
    if api_only:
        return (STATE / "api-only").touch()
    (STATE / "sysctl.json").write_text(json.dumps({k: Path("/proc/sys", k).read_text().strip() for k in SYSCTLS}))
    cgroups.claim()


def start(api_only):
    network.start_init()
    spawn_and("etcd")
    certs.write_pki()
    certs.write_kubeconfigs()
    settings.write_settings()
    tekton.write_tekton()
    say("namespaces, certificates and settings are ready")
    wait_for("etcd", 30, lambda: "true" in http_get("http://127.0.0.1:2379/health"))
    spawn_and("kube-apiserver")
    if not api_only:
        # A real copy: the registry rewrites its link files in place.
        run("cp", "-a", "--reflink=auto", IMAGES / "docker", STATE / "registry/docker")
        samples.write_git()
        spawn_and("registry", "registry-private", "git-daemon", "git-http", "containerd")
    wait_for("kube-apiserver", 120, lambda: "ok" in kubectl("get", "--raw=/readyz", limit=20))
    say("apiserver answers")
    spawn_and("kube-controller-manager")
    if not api_only:
        spawn_and("kube-scheduler")
        wait_for("registry", 30, lambda: http_get(f"http://{REGISTRY}/v2/"))
        wait_for("containerd", 60, (STATE / "containerd.sock").exists)
        spawn_and("kubelet")
    apply_tekton()
    spawn_and("tekton-webhook", "tekton-controller")
    if not api_only:
        wait_for("kubelet", 120, lambda: "True" in kubectl(
            "get", "node", "node", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"))
        say("node is Ready")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(tekton.objects(api_only)))
    wait_for("tekton-webhook", 120, lambda: kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(tekton.PROBE)))
    say("Tekton accepts a PipelineRun")
    wait("service accounts", 60, lambda: kubectl("-n", "builds", "get", "serviceaccount", "default"))
    if not api_only:
        kubectl("-n", "apps", "rollout", "status", "deployment/api", "--timeout=600s", limit=130)
        say("Deployment apps/api has 2 ready pods")


def apply_tekton():
    folder = STATE / "tekton"
    kubectl("apply", "--server-side", "-f", folder / "00-100-namespace.yaml", limit=60)
    # Client-side apply has no room for the CRDs in its annotation.
    kubectl("apply", "--server-side", "--force-conflicts", "-f", folder, limit=180)
    kubectl("wait", "--for=condition=Established", "--timeout=300s", "crd",
            "-l", "app.kubernetes.io/part-of=tekton-pipelines", limit=70)
    say("Tekton's files are applied")


def spawn_and(*names):
    for name in names:
        spawn(name)


def wait_for(name, limit, test):
    wait(name, limit, test, ended=lambda: not alive(name), log=name)


# ---------------------------------------------------------------- down

def down():
    with lock():
        was = clean()
    say(f"down; logs are kept in {STATE / 'logs'}" if was else "was not up")


def clean():
    """Kill init, and with it everything in its pid namespace; put the machine back. True when it was up."""
    pid = alive("init")
    if pid:
        os.kill(pid, signal.SIGKILL)
        wait("end of the cluster's processes", 60, lambda: network.start_time(pid) is None)
    left = cgroups.remove()
    saved = STATE / "sysctl.json"
    if saved.exists():
        for key, value in json.loads(saved.read_text()).items():
            if Path("/proc/sys", key).read_text().strip() != value:
                Path("/proc/sys", key).write_text(value)
    if left:
        raise Fail(f"cgroups that could not be removed: {left}")
    if MARK.exists():
        for entry in STATE.iterdir():
            if entry.is_dir() and entry.name != "logs":
                shutil.rmtree(entry, ignore_errors=True)
            elif not entry.is_dir() and entry != MARK:
                entry.unlink()
    return bool(pid)


# ---------------------------------------------------------------- status

def status():
    pid = alive("init")
    print(f"state {STATE}\ninit  {pid or 'not running'}")
    ok = bool(pid)
    for name in [n for n in FULL if (STATE / "pids" / n).exists()]:
        p = alive(name)
        ok &= bool(p)
        used = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{p}/status").read_text()) if p else None
        print(f"{name:24} {f'pid {p}' if p else 'DEAD':12} {int(used[1]) // 1024 if used else 0:5} MiB")
    if alive("kube-apiserver"):
        print(kubectl("get", "nodes,pods", "-A", "-o", "wide"))
    return 0 if ok else 1
