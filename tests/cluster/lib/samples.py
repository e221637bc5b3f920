"""The git server's content: one repository with a branch for each way that a build can go."""
from .common import REGISTRY, STATE, clean_env, run

# The first RUN gives new text each time it really runs: the same text in two images means a layer from the cache.
DOCKERFILE = f"""FROM {REGISTRY}/busybox:latest
RUN cat /proc/sys/kernel/random/uuid > /layer.txt
COPY . /src
RUN sh /src/stamp.sh > /www/index.html && cp /layer.txt /www/layer.txt
"""
SERVE = 'CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]\n'
STAMP = r"""# Prints "sample BRANCH COMMIT" for the page; the commit comes from what clone left in .git.
cd /src || exit 1
head=$(cat .git/HEAD)
case $head in
    ref:*) ref=${head#ref: }; commit=$(cat ".git/$ref" 2>/dev/null || sed -n "s# $ref\$##p" .git/packed-refs) ;;
    *) commit=$head ;;
esac
echo "sample $(cat branch) $commit"
"""


def unseen(word):
    """A Dockerfile whose layers the builder's cache would find again though what they are made of has changed."""
    base = f"FROM {REGISTRY}/busybox:latest"
    return f"""{base} AS made
COPY branch /made
{base} AS untyped
RUN --mount=target=/given cat /given/branch > /out
{base} AS staged
RUN --mount=type=bind,from=made,source=/made,target=/given cat /given > /out
{base} AS written
ARG ANY=value
RUN <<END
echo {word} > /out
END
{base}
COPY branch /www/index.html
COPY --from=untyped /out /www/untyped.txt
COPY --from=staged /out /www/staged.txt
COPY --from=written /out /www/written.txt
"""


# branch → Dockerfile
BRANCHES = {
    "main": DOCKERFILE + SERVE,
    "feat/new-ui": DOCKERFILE + SERVE,
    "broken-build": DOCKERFILE + "RUN echo 'the build is about to fail'; exit 7\n" + SERVE,
    "broken-rollout": DOCKERFILE + 'CMD ["sh", "-c", "echo this process ends at once; exit 1"]\n',
    "never-ready": DOCKERFILE + 'CMD ["httpd", "-f", "-p", "8079", "-h", "/www"]\n',
    "slow-build": DOCKERFILE + "RUN echo 'sleeping for an hour'; sleep 3600\n" + SERVE,
    "one-line": DOCKERFILE + "RUN awk 'BEGIN { for (i = 0; i < 20000; i++) printf \"0123456789\" }'; exit 7\n" + SERVE,
    "unseen": unseen("unseen") + SERVE,
    "unseen-changed": unseen("unseen-changed") + SERVE,
    # 31 MB, then long enough for kubelet to rotate the log: who reads it only now gets the last line.
    "chatty": DOCKERFILE + "RUN awk 'BEGIN { for (i = 1; i <= 300000; i++) printf \"line %06d %s\\n\", i, "
                           "\"" + "0123456789" * 9 + "\" }'; sleep 8; echo 'last line'\n" + SERVE,
}


def git(folder, *argv):
    who = ["-c", "user.name=sample", "-c", "user.email=sample@example.invalid", "-c", "commit.gpgsign=false"]
    return run("git", *who, *argv, cwd=folder,
               env=clean_env(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null"))


def write_nested(folder, work):
    """A branch with a submodule beside the repository, where only those come who may read the private one."""
    lib = folder / "lib"
    lib.mkdir()
    git(lib, "init", "-q", "-b", "main")
    (lib / "word").write_text("out of the submodule\n")
    git(lib, "add", ".")
    git(lib, "commit", "-q", "-m", "A word")
    (folder / "private").mkdir()
    git(lib, "clone", "-q", "--bare", ".", folder / "private/lib.git")
    commit = git(lib, "rev-parse", "HEAD").strip()
    git(work, "checkout", "-q", "-b", "nested", "main")
    (work / "Dockerfile").write_text(f"FROM {REGISTRY}/busybox:latest\nCOPY lib/word /www/index.html\n" + SERVE)
    (work / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n')
    git(work, "add", ".")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    git(work, "commit", "-q", "-m", "A page of a submodule")


def write_git():
    folder = STATE / "git"
    work = folder / "work"
    work.mkdir(parents=True)
    git(work, "init", "-q", "-b", "main")
    for branch, dockerfile in BRANCHES.items():
        if branch != "main":
            git(work, "checkout", "-q", "-b", branch, "main")
        (work / "Dockerfile").write_text(dockerfile)
        (work / "stamp.sh").write_text(STAMP)
        (work / "branch").write_text(f"{branch}\n")
        git(work, "add", ".")
        git(work, "commit", "-q", "-m", f"A page of branch {branch}")
    write_nested(folder, work)
    git(work, "checkout", "-q", "main")
    for kind, script in (("public", "git"), ("private", "private")):
        repository = folder / kind / "sample.git"
        git(work, "clone", "-q", "--bare", ".", repository)
        git(work, "-C", repository, "config", "http.receivepack", "true" if kind == "private" else "false")
        # A step may ask for one commit only.
        git(work, "-C", repository, "config", "uploadpack.allowAnySHA1InWant", "true")
        cgi = folder / "http/cgi-bin" / script
        cgi.parent.mkdir(parents=True, exist_ok=True)
        cgi.write_text(f"#!/bin/sh\nGIT_PROJECT_ROOT={folder / kind} exec git http-backend\n")
        cgi.chmod(0o755)
