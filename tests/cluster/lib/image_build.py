"""`image build`: a project's Dockerfile, built by BuildKit in a pod, with its stage `build` replaced by a built binary."""
import argparse, io, json, os, subprocess, tarfile, time
from pathlib import Path

from .common import BUILDKIT, KUBE, PROJECT, REGISTRY, Fail, run, say
from .network import in_net, inside_env, kubectl

NAMESPACE = "image-builds"
CONTEXT = "context"
# Where the project's Dockerfile has what its stage `buildkit` makes.
PROGRAMS = "programs"
BUILD = """set -e
cd /src && mkdir -p home run
export HOME=/src/home XDG_RUNTIME_DIR=/src/run
at=unix:///src/run/buildkitd.sock
printf '[worker.oci]\\ngc = false\\n[registry."%s"]\\nhttp = true\\n' "$REGISTRY" >buildkitd.toml
rootlesskit buildkitd --rootless --oci-worker-no-process-sandbox --oci-worker-net=host --cdi-disabled --addr "$at" \
    --root /store/root --config buildkitd.toml --otel-socket-path /src/run/otel.sock >buildkitd.log 2>&1 &
daemon=$!
until buildctl --addr "$at" debug workers >/dev/null 2>&1; do
    kill -0 "$daemon" || { cat buildkitd.log; exit 1; }
    sleep 0.1
done
buildctl --addr "$at" build --frontend dockerfile.v0 --progress=plain --local context=context --local dockerfile=. \
    --metadata-file metadata.json --output "type=image,name=$REF,push=true,compression=uncompressed" "$@"
"""


def main(argv):
    p = argparse.ArgumentParser(prog="cluster image build", description=__doc__)
    p.add_argument("--target", help="stage to build; default: the last")
    p.add_argument("--tag", required=True, help=f"NAME[:TAG], pushed to {REGISTRY}")
    p.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")
    p.add_argument("--binary", type=Path, help="what stage `build` would make; stage `buildkit` is the one that `install` built")
    p.add_argument("--file", type=Path, default=PROJECT / "Dockerfile")
    p.add_argument("--context", type=Path, help="default: the Dockerfile's folder")
    o = p.parse_args(argv)
    if not o.file.is_file():
        raise Fail(f"there is no {o.file}")
    if any("=" not in a for a in o.build_arg):
        raise Fail("--build-arg is KEY=VALUE")
    text = o.file.read_text()
    stages = replaced(text, o.binary) if o.binary else {}
    options = [w for argument in o.build_arg for w in ("--opt", f"build-arg:{argument}")]
    if o.target:
        options += ["--opt", f"target={o.target}"]
    # A named context takes the place of the stage of that name, so that neither it nor its base is needed.
    for name in stages:
        options += ["--opt", f"context:{name}=local:{name}", "--local", f"{name}={name}"]
    ref = f"{REGISTRY}/{o.tag}" if ":" in o.tag else f"{REGISTRY}/{o.tag}:latest"
    context = (o.context or o.file.parent).resolve()
    print(f"{ref.rpartition(':')[0]}@{build(text, context, stages, options, ref)}")


def replaced(text, binary):
    """What stands for stages that would need a network: by stage, files by their paths there."""
    places = copied_from(text, "build")
    if not places:
        raise Fail("no stage copies anything from the stage `build`")
    stages = {"build": {place: binary for place in places}}
    if copied_from(text, "buildkit"):
        stages["buildkit"] = {f"{PROGRAMS}/{name}": BUILDKIT / "bin" / name for name in ("buildctl", "buildkitd")}
    return stages


def copied_from(text, stage):
    words = [line.split() for line in text.splitlines()]
    copies = [w for w in words if w and w[0].upper() == "COPY" and f"--from={stage}" in w]
    return sorted({place.lstrip("/") for w in copies for place in [p for p in w[1:] if not p.startswith("--")][:-1]})


# ---------------------------------------------------------------- the pod

def build(text, context, stages, options, ref):
    name = f"build-{os.getpid()}-{int(time.time())}"
    begun = time.monotonic()
    kubectl("apply", "--server-side", "-f", "-", input=json.dumps(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
    kubectl("create", "-f", "-", input=json.dumps(pod(name, ref)))
    try:
        kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "--timeout=120s", f"pod/{name}", limit=130)
        inside = [KUBE / "bin/kubectl", "-n", NAMESPACE, "exec", name, "--"]
        send = in_net(*inside[:4], "-i", *inside[4:], "tar", "-xf", "-", "-C", "/src")
        p = subprocess.Popen(send, stdin=subprocess.PIPE, env=inside_env())
        write_files(p.stdin, text, context, stages)
        p.stdin.close()
        if p.wait(timeout=300):
            raise Fail("the build context could not be sent")
        done = subprocess.run(in_net(*inside, "sh", "-c", BUILD, "sh", *options),
                              env=inside_env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800)
        if done.returncode:
            raise Fail(f"the build failed:\n{done.stdout[-6000:]}")
        told = json.loads(run(*in_net(*inside, "cat", "/src/metadata.json"), env=inside_env()))
    finally:
        kubectl("-n", NAMESPACE, "delete", "pod", name, "--wait=false", "--grace-period=1")
    say(f"built and pushed {ref} in {time.monotonic() - begun:.1f} s")
    return told["containerimage.digest"]


def pod(name, ref):
    """A pod with the rights of the product's own build step."""
    unconfined = {"type": "Unconfined"}
    rights = {"runAsUser": 1000, "runAsGroup": 1000, "allowPrivilegeEscalation": True,
              "capabilities": {"drop": ["ALL"], "add": ["SETUID", "SETGID"]},
              "seccompProfile": unconfined, "appArmorProfile": unconfined}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
        "activeDeadlineSeconds": 3600, "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": n, "emptyDir": {}} for n in ("src", "store")],
        "containers": [{"name": "builder", "image": f"{REGISTRY}/builder-base:latest", "command": ["sleep", "3600"],
                        "securityContext": rights, "volumeMounts": [
                            {"name": "src", "mountPath": "/src"}, {"name": "store", "mountPath": "/store"}],
                        "env": [{"name": "REF", "value": ref}, {"name": "REGISTRY", "value": REGISTRY}]}]}}


def write_files(out, dockerfile, context, stages):
    """The Dockerfile, the context's files that git tracks or would track (every file where there is no git), the stages."""
    try:
        names = run("git", "ls-files", "-coz", "--exclude-standard", cwd=context).split("\0")
    except Fail:
        names = [str(f.relative_to(context)) for f in context.rglob("*") if f.is_file()]
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for name in names:
            if name and (context / name).is_file():
                tar.add(context / name, arcname=f"{CONTEXT}/{name}", filter=anybody)
        folder = tarfile.TarInfo(CONTEXT)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for stage, files in stages.items():
            for place, file in files.items():
                tar.add(file, arcname=f"{stage}/{place}", filter=executable)
        info, data = tarfile.TarInfo("Dockerfile"), dockerfile.encode()
        info.size, info.mode = len(data), 0o644
        tar.addfile(info, io.BytesIO(data))


def anybody(info):
    info.uid = info.gid = 1000
    return info


def executable(info):
    info.mode = 0o755
    return anybody(info)
