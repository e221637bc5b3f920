"""The base images, written straight into the registry's folder layout: no builder and no running registry."""
import hashlib, json, shutil, subprocess

from . import builder_base
from .build import apt_get
from .common import BUILDKIT, IMAGES, KUBE, TEKTON, run, say

# What a Rust program linked to glibc needs.
MINIMAL = ["base-files", "libc6", "libgcc-s1", "ca-certificates", "tzdata"]
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\nnonroot:x:65532:65532::/home/nonroot:/bin/sh\n"
GROUP = "root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n"
LABEL = "stackblaze test cluster"


def blob(data):
    name = hashlib.sha256(data).hexdigest()
    path = IMAGES / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return f"sha256:{name}"


def link(path, name):
    path.mkdir(parents=True, exist_ok=True)
    (path / "link").write_text(name)


def image(name, root, **config):
    """Make the folder root the only layer of name:latest."""
    layer = subprocess.run(["tar", "-C", root, "--numeric-owner", "--sort=name", "--mtime=@0",
                            "--xattrs", "--xattrs-include=security.capability", "--exclude=./dev/*", "-c", "."],
                           check=True, stdout=subprocess.PIPE).stdout
    layer_name = blob(layer)
    settings = json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], **config},
        "rootfs": {"type": "layers", "diff_ids": [layer_name]}, "history": [{"created_by": LABEL}]}).encode()
    settings_name = blob(settings)
    kind = "application/vnd.oci.image."
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", "digest": settings_name, "size": len(settings)},
        "layers": [{"mediaType": kind + "layer.v1.tar", "digest": layer_name, "size": len(layer)}]}).encode()
    manifest_name = blob(manifest)
    repository = IMAGES / "docker/registry/v2/repositories" / name
    for part in (layer_name, settings_name):
        link(repository / "_layers/sha256" / part[7:], part)
    link(repository / "_manifests/revisions/sha256" / manifest_name[7:], manifest_name)
    link(repository / "_manifests/tags/latest/current", manifest_name)
    link(repository / "_manifests/tags/latest/index/sha256" / manifest_name[7:], manifest_name)
    say(f"image {name}: {len(layer) / 1e6:.0f} MB")


def build_all():
    shutil.rmtree(IMAGES, ignore_errors=True)
    work = IMAGES / "work"
    busybox = busybox_root(work / "busybox")
    image("pause", busybox, Cmd=["/bin/sleep", "infinity"])
    image("busybox", busybox, Cmd=["/bin/sh"])
    (busybox / "www/index.html").write_text("v0\n")
    image("api", busybox, Cmd=["httpd", "-f", "-p", "8080", "-h", "/www"])
    for tool in ("entrypoint", "nop", "workingdirinit"):
        app = work / tool / "ko-app"
        app.mkdir(parents=True)
        shutil.copy2(TEKTON / "bin" / tool, app / tool)
        image(tool, work / tool, Entrypoint=[f"/ko-app/{tool}"], User="65532")
    shutil.copy2(KUBE / "bin/kubectl", busybox / "bin/kubectl")
    image("kubectl", busybox, Cmd=["/bin/sh"])
    builder = builder_base.root()
    for program in ("buildctl", "buildkitd"):
        shutil.copy2(BUILDKIT / "bin" / program, builder / "usr/local/bin" / program)
    image("builder-base", builder, Cmd=["/bin/sh"])
    debs = download(work / "debs", *MINIMAL)
    minimal = debian_root(work / "minimal", [d for d in debs if d.name.split("_")[0] in MINIMAL])
    image("minimal", minimal, User="65532")
    shutil.rmtree(work)
    (IMAGES / "done").touch()


def busybox_root(root):
    for folder in ("bin", "etc", "tmp", "www", "root"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy2("/bin/busybox", root / "bin/busybox")
    for applet in run("/bin/busybox", "--list").split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    return root


def download(debs, *packages):
    """The packages and all they depend on, with the machine's own apt settings and none of its installed packages."""
    (debs / "partial").mkdir(parents=True)
    (debs / "status").touch()
    apt_get("update")
    apt_get("install", "--download-only", "--no-install-recommends", "-o", f"Dir::State::status={debs / 'status'}",
            "-o", f"Dir::Cache::archives={debs}", "-o", "Debug::NoLocking=true", *packages)
    return sorted(debs.glob("*.deb"))


def debian_root(root, debs):
    """Unpack packages without running their scripts."""
    for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "proc", "sys", "dev", "src", "run", "tmp", "var/tmp"):
        (root / folder).mkdir(parents=True)
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / folder).symlink_to(f"usr/{folder}")
    for deb in debs:
        subprocess.run(f"dpkg-deb --fsys-tarfile '{deb}' | tar -C '{root}' -x --keep-directory-symlink "
                       "--exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale "
                       "--exclude=./usr/share/info --exclude=./usr/share/bash-completion", shell=True, check=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    certificates = b"".join(p.read_bytes() for p in sorted((root / "usr/share/ca-certificates").rglob("*.crt")))
    (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    (root / "etc/ssl/certs/ca-certificates.crt").write_bytes(certificates)
    return root
