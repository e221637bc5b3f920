"""`install`: Debian packages, and the programs of Kubernetes, etcd and Tekton as Go builds."""
import os, shutil, subprocess
from pathlib import Path

from .common import BUILDKIT, CACHE, HERE, IMAGES, KUBE, PROJECT, TEKTON, Fail, locked, run, say

# Programs that both levels need, and the package of each; the full cluster's packages on top.
TOOLS = {"ip": "iproute2", "nsenter": "util-linux", "openssl": "openssl", "git": "git"}
FULL_PACKAGES = ["containerd", "runc", "docker-registry", "busybox-static", "containernetworking-plugins",
                 "mmdebstrap"]
GO_AT_LEAST = (1, 26, 4)
KUBE_PROGRAMS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"]


def built(folder):
    return (folder / "done").exists()


def missing_packages(api_only):
    missing = [package for program, package in TOOLS.items() if not shutil.which(program)]
    if not api_only:
        if not shutil.which("dpkg-query"):
            return missing + FULL_PACKAGES
        have = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *FULL_PACKAGES],
                              capture_output=True, text=True).stdout.splitlines()
        missing += [p for p in FULL_PACKAGES if f"{p} installed" not in have]
    return missing


def go_version():
    """The Go on the PATH as numbers, or None."""
    go = shutil.which("go")
    if not go:
        return None
    word = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, cwd="/").stdout.strip()
    numbers = word.removeprefix("go").split("-")[0].split(".")
    try:
        return tuple(int(n) for n in (*numbers, 0)[:3])
    except ValueError:
        return None


def install(api_only):
    from . import images
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "install.lock"):
        missing = missing_packages(api_only)
        if missing:
            say(f"apt: {' '.join(missing)}")
            apt_get("update")
            apt_get("install", "--no-install-recommends", *missing)
        go_build(KUBE, HERE / "kube", build_kube)
        go_build(TEKTON, HERE / "tekton", build_tekton)
        if not api_only:
            go_build(BUILDKIT, PROJECT / "deploy/builder", build_tools)
            if not built(IMAGES):
                images.build_all()
    say(f"installed in {CACHE}: {KUBE.name}, {TEKTON.name}{'' if api_only else f', {IMAGES.name}'}")


def apt_get(*argv, limit=900):
    if not shutil.which("apt-get"):
        raise Fail(f"there is no apt-get here; needed: {' '.join(argv)}")
    # RUNLEVEL=1 keeps the packages' own services from starting.
    return run("apt-get", "-y", "-q", *argv, limit=limit,
               env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"})


def go_build(target, source, build):
    name = target.name.partition("-")[0]
    if built(target):
        return
    if (go_version() or (0,)) < GO_AT_LEAST:
        raise Fail("Go 1.26.4 or newer is needed on the PATH (https://go.dev/dl)")
    say(f"building {name} (minutes)")
    shutil.rmtree(target, ignore_errors=True)
    (target / "bin").mkdir(parents=True)
    own = os.environ.get("STACKBLAZE_CLUSTER_GOCACHE")
    gocache = Path(own or target / "gocache")
    env = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(gocache), "GOBIN": str(target / "bin"),
           "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath", "GOWORK": "off"}
    build(target, lambda *a: run("nice", "-n", "10", "go", *a, cwd=source, env=env, limit=3600))
    if not own:
        shutil.rmtree(gocache)
    (target / "done").touch()
    say(f"built {name}")


def build_kube(target, go):
    # Without a stamp the servers call themselves v0.0.0, and Tekton refuses that version.
    version = go("list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").strip()
    major, minor = version[1:].split(".")[:2]
    stamp = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean",
             "gitCommit": "test-cluster", "buildDate": "2026-01-01T00:00:00Z"}
    flags = "-s -w " + " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in stamp.items())
    go("build", "-ldflags", flags, "-o", target / "bin/kube", ".")
    say("built the four servers")
    go("build", "-ldflags", flags, "-o", target / "bin/kubectl", "k8s.io/kubernetes/cmd/kubectl")
    go("build", "-ldflags", "-s -w", "-o", target / "bin/etcd", "go.etcd.io/etcd/server/v3")
    for name in KUBE_PROGRAMS:
        (target / "bin" / name).symlink_to("kube")


def build_tools(_target, go):
    """The tools that the go.mod names; as the Dockerfile's stage does it."""
    go("install", "-ldflags", "-s -w", "tool")


def build_tekton(target, go):
    build_tools(target, go)
    source = go("list", "-m", "-f", "{{.Dir}}", "github.com/tektoncd/pipeline").strip()
    shutil.copytree(Path(source) / "config", target / "config", copy_function=shutil.copyfile)
    run("chmod", "-R", "u+w", target / "config")
