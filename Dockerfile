# Two images of one binary:
#
#   docker build -t stackblaze .                            server, command line and deploy step: no shell, not root
#   docker build -t stackblaze-builder --target builder .   clone and build steps: git, BuildKit and the same binary
#
# Every base is an argument. A base that is replaced has to bring what its stage's comment says.

# Rust 1.95 or newer and a C compiler; on a libc that is not newer than that of the other two.
ARG BUILD_BASE=docker.io/library/rust:1.95-bookworm
# libc, libgcc and CA certificates.
ARG BASE=gcr.io/distroless/cc-debian12
# Go 1.26.8 or newer.
ARG GO_BASE=docker.io/library/golang:1.26-trixie
# git, git-lfs, ssh, rootlesskit, runc, newuidmap without its setuid bit, and a user 1000 who has ids below its own.
ARG BUILDER_BASE=packages

FROM ${BUILD_BASE} AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked

FROM ${GO_BASE} AS buildkit
WORKDIR /builder
COPY deploy/builder/go.mod deploy/builder/go.sum ./
RUN CGO_ENABLED=0 GOBIN=/programs go install -trimpath -ldflags="-s -w" tool

FROM docker.io/library/debian:13-slim AS packages
RUN apt-get update \
    && apt-get install --no-install-recommends -y \
        ca-certificates git git-lfs libcap2-bin openssh-client rootlesskit runc uidmap \
    && rm -rf /var/lib/apt/lists/*
# The builder has no privileges in its pod: it makes itself a user namespace, for which user 1000 needs ids of its own. A pod
# refuses setuid programs that become root; one capability each is what these two need.
RUN useradd --uid 1000 --create-home builder \
    && echo builder:100000:1000000000 > /etc/subuid \
    && echo builder:100000:1000000000 > /etc/subgid \
    && chmod 755 /usr/bin/newuidmap /usr/bin/newgidmap \
    && setcap cap_setuid=ep /usr/bin/newuidmap \
    && setcap cap_setgid=ep /usr/bin/newgidmap

FROM ${BUILDER_BASE} AS builder
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=buildkit /programs/ /usr/local/bin/
COPY --from=build /source/target/release/stackblaze /usr/local/bin/stackblaze
USER 1000:1000

FROM ${BASE}
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=build /source/target/release/stackblaze /usr/local/bin/stackblaze
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/stackblaze"]
