"""`image build`: a project's Dockerfile, built by buildah in a pod, with its stage `build` replaced by a built binary."""
import argparse, io, json, os, re, subprocess, tarfile, time
from pathlib import Path

from .common import PROJECT, REGISTRY, Fail, run, say
from .network import in_net, inside_env, kubectl
from .common import KUBE

NAMESPACE = "image-builds"
BINARY = ".stackblaze-test-binary"  # in the build context, beside the project's files
BUILD = """set -e
buildah bud --isolation chroot --storage-driver overlay --tls-verify=false -f /tmp/Dockerfile "$@" -t "$REF" /src/context
buildah push -q --storage-driver overlay --tls-verify=false --digestfile /tmp/digest "$REF"
"""


def main(argv):
    p = argparse.ArgumentParser(prog="cluster image build", description=__doc__)
    p.add_argument("--target", help="stage to build; default: the last")
    p.add_argument("--tag", required=True, help=f"NAME[:TAG], pushed to {REGISTRY}")
    p.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")
    p.add_argument("--binary", type=Path, help="what stage `build` would make")
    p.add_argument("--file", type=Path, default=PROJECT / "Dockerfile")
    p.add_argument("--context", type=Path, help="default: the Dockerfile's folder")
    o = p.parse_args(argv)
    if not o.file.is_file():
        raise Fail(f"there is no {o.file}")
    if any("=" not in a for a in o.build_arg):
        raise Fail("--build-arg is KEY=VALUE")
    arguments = dict(a.split("=", 1) for a in o.build_arg)
    text = rewrite(o.file.read_text(), o.target, arguments, o.binary is not None)
    context = (o.context or o.file.parent).resolve()
    ref = f"{REGISTRY}/{o.tag}" if ":" in o.tag else f"{REGISTRY}/{o.tag}:latest"
    print(f"{ref.rpartition(':')[0]}@{build(text, context, o.binary, arguments, ref)}")


# ---------------------------------------------------------------- the Dockerfile

class Stage:
    def __init__(self, lines, base, name):
        self.lines, self.base, self.name = lines, base, name

    def needs(self):
        """Stages that this one may build upon."""
        named = re.findall(r"--(?:from|mount=\S*from)=([^\s,]+)", "\n".join(self.lines))
        return {self.base, *named}


def rewrite(text, target, arguments, has_binary):
    """Keep the target and what it needs; with a binary, stage `build` only holds that.

    buildah would build every stage up to the target, also those that need a network.
    """
    head, stages = parse(text, arguments)
    if not stages:
        raise Fail("the Dockerfile has no FROM")
    last = stages[-1] if target is None else next((s for s in stages if s.name == target), None)
    if last is None:
        raise Fail(f"the Dockerfile has no stage {target}; it has {', '.join(s.name for s in stages)}")
    if has_binary:
        replace_build(stages)
    wanted, todo = set(), [last]
    while todo:
        stage = todo.pop()
        if stage.name not in wanted:
            wanted.add(stage.name)
            todo += [s for s in stages if s.name in stage.needs()]
    kept = [s for s in stages[:stages.index(last) + 1] if s.name in wanted]
    return "\n".join([*head, *(line for s in kept for line in s.lines)]) + "\n"


def parse(text, arguments):
    """The lines before the first FROM, and the stages; a base image's variables are filled in."""
    known, head, stages = {}, [], []
    for line in text.splitlines():
        arg = re.match(r"\s*ARG\s+(\w+)(?:=(.*))?\s*$", line, re.I)
        start = re.match(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", line, re.I)
        if start:
            base = re.sub(r"\$\{?(\w+)\}?", lambda m: known.get(m[1], ""), start[1])
            stages.append(Stage([f"FROM {base} AS {start[2] or f'stage{len(stages)}'}"], base,
                                start[2] or f"stage{len(stages)}"))
        elif stages:
            stages[-1].lines.append(line)
        else:
            if arg:
                known[arg[1]] = arguments.get(arg[1], (arg[2] or "").strip("'\""))
            head.append(line)
    return head, stages


def replace_build(stages):
    stage = next((s for s in stages if s.name == "build"), None)
    if stage is None:
        raise Fail("--binary replaces the stage `build`, and the Dockerfile has none")
    places = set()
    for other in stages:
        for line in other.lines:
            copied = re.match(r"\s*COPY\s+(.*)$", line, re.I)
            if copied and "--from=build" in copied[1].split():
                places |= set([w for w in copied[1].split() if not w.startswith("--")][:-1])
    if not places:
        raise Fail("no stage copies anything from the stage `build`")
    stage.base = "scratch"
    stage.lines = ["FROM scratch AS build", *(f"COPY {BINARY} {place}" for place in sorted(places))]


# ---------------------------------------------------------------- the pod

def build(text, context, binary, arguments, ref):
    name = f"build-{os.getpid()}-{int(time.time())}"
    begun = time.monotonic()
    kubectl("apply", "--server-side", "-f", "-", input=json.dumps(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
    kubectl("create", "-f", "-", input=json.dumps(pod(name)))
    try:
        kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "--timeout=120s", f"pod/{name}", limit=130)
        inside = [KUBE / "bin/kubectl", "-n", NAMESPACE, "exec", name, "--"]
        send = in_net(*inside[:4], "-i", *inside[4:], "sh", "-c", "mkdir -p /src/context && tar -xf - -C /src/context")
        p = subprocess.Popen(send, stdin=subprocess.PIPE, env=inside_env())
        write_context(p.stdin, context, binary, text)
        p.stdin.close()
        if p.wait(timeout=300):
            raise Fail("the build context could not be sent")
        options = [w for k, v in arguments.items() for w in ("--build-arg", f"{k}={v}")]
        script = BUILD.replace('"$REF"', ref)
        done = subprocess.run(in_net(*inside, "sh", "-c", f"mv /src/context/.Dockerfile /tmp/Dockerfile\n{script}", "sh", *options),
                              env=inside_env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800)
        if done.returncode:
            raise Fail(f"buildah failed:\n{done.stdout[-6000:]}")
        digest = run(*in_net(*inside, "cat", "/tmp/digest"), env=inside_env()).strip()
    finally:
        kubectl("-n", NAMESPACE, "delete", "pod", name, "--wait=false", "--grace-period=1")
    say(f"built and pushed {ref} in {time.monotonic() - begun:.1f} s")
    return digest


def pod(name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
        "activeDeadlineSeconds": 3600, "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": n, "emptyDir": {}} for n in ("src", "store")],
        "containers": [{"name": "buildah", "image": f"{REGISTRY}/builder-base:latest", "command": ["sleep", "3600"],
                        "env": [{"name": "HOME", "value": "/tmp"}], "volumeMounts": [
                            {"name": "src", "mountPath": "/src"}, {"name": "store", "mountPath": "/var/lib/containers"}]}]}}


def write_context(out, context, binary, dockerfile):
    """Files that git tracks or would track; every file where there is no git."""
    try:
        names = run("git", "ls-files", "-coz", "--exclude-standard", cwd=context).split("\0")
    except Fail:
        names = [str(f.relative_to(context)) for f in context.rglob("*") if f.is_file()]
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for name in names:
            if name and (context / name).is_file():
                tar.add(context / name, arcname=name)
        if binary:
            tar.add(binary, arcname=BINARY, filter=executable)
        info = tarfile.TarInfo(".Dockerfile")
        data = dockerfile.encode()
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))


def executable(info):
    info.mode, info.uid, info.gid = 0o755, 0, 0
    return info
