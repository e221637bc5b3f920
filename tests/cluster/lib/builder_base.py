"""The builder's base image: the stage of the project's Dockerfile that installs packages, carried out without a builder.

Its release of Debian is bootstrapped from this machine's mirrors, and its commands run inside, as they stand there.
"""
import json, os, re, shlex, shutil

from .build import apt_get, built
from .common import CACHE, HERE, PROJECT, Fail, digest, run, say

STAGE = "packages"
# Debian's images are named by number, its mirrors by word.
RELEASES = {"12": "bookworm", "13": "trixie", "14": "forky"}
# What the slim images leave out.
UNWANTED = ["doc", "info", "locale", "man"]


def root():
    """The root folder of the stage; made once for each release and commands."""
    release, commands = stage((PROJECT / "Dockerfile").read_text())
    target = CACHE / f"builder-{digest(HERE / 'lib/builder_base.py', text=json.dumps([release, commands]))}"
    if not built(target):
        say(f"bootstrapping Debian {release} (a minute or two)")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        bootstrap(release, commands, target / "root")
        (target / "done").touch()
    return target / "root"


def stage(text):
    """Release and commands of the Dockerfile's stage."""
    text = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    found = re.search(rf"^FROM (\S+) AS {STAGE}$(.*?)(?=^FROM |\Z)", text, re.M | re.S)
    if not found:
        raise Fail(f"the Dockerfile has no stage {STAGE}")
    number = re.fullmatch(r"(?:.*/)?debian:(\d+)(?:-slim)?", found[1])
    if not number or number[1] not in RELEASES:
        raise Fail(f"{found[1]} is no release of Debian that is known here: {RELEASES}")
    instructions = [line for line in found[2].splitlines() if line.strip()]
    for instruction in instructions:
        if not instruction.startswith("RUN "):
            raise Fail(f"stage {STAGE} may have nothing but RUN, since it is not built by a builder: {instruction}")
    return RELEASES[number[1]], [instruction[4:] for instruction in instructions]


def bootstrap(release, commands, folder):
    hooks = [f'--customize-hook=chroot "$1" /bin/sh -c {shlex.quote(command)}' for command in commands]
    unwanted = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNWANTED]
    run("mmdebstrap", "--mode=root", "--variant=minbase", *unwanted, *hooks, release, folder, *sources(release),
        limit=1800, env=os.environ)


def sources(release):
    """This machine's mirrors of Debian, for another release."""
    apt_get("update")
    lines = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(CODENAME)",
                "Created-By: Packages", "Component: main").splitlines()
    found = {tuple(line.split()[1:]) for line in lines if line.startswith("Debian ")}
    # The code name of an archive of updates is that of the release with a word behind it.
    return sorted(f"deb {uri} {re.sub(r'^[a-z]+', release, name)} main" for uri, name in found
                  if re.match(f"({'|'.join(RELEASES.values())})(-updates|-security)?$", name))
