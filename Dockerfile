# Two images of one binary:
#
#   docker build -t stackblaze .                            server, command line and deploy step: no shell, not root
#   docker build -t stackblaze-builder --target builder .   clone and build steps: git, buildah and the same binary
#
# Every base is an argument. A base that is replaced has to bring what its stage's comment says.

# Rust 1.95 or newer and a C compiler; on a libc that is not newer than that of the other two.
ARG BUILD_BASE=docker.io/library/rust:1.95-bookworm
# libc, libgcc and CA certificates.
ARG BASE=gcr.io/distroless/cc-debian12
# git, ssh, buildah, netavark, newuidmap, a shell, and the files that stage `packages` writes.
ARG BUILDER_BASE=packages

FROM ${BUILD_BASE} AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked

# Debian 13, since the buildah of Debian 12 (1.28) forgets its cache behind the first ARG of a Dockerfile. Without netavark
# buildah builds nothing, though it makes no network for a build.
FROM docker.io/library/debian:13-slim AS packages
RUN apt-get update \
    && apt-get install --no-install-recommends -y buildah ca-certificates git netavark openssh-client uidmap \
    && rm -rf /var/lib/apt/lists/*
# buildah has no privileges in its pod: it makes itself a user namespace, for which root needs ids of its own. Names
# without a registry are Docker's, as users' Dockerfiles expect.
RUN echo root:100000:65536 > /etc/subuid \
    && echo root:100000:65536 > /etc/subgid \
    && mkdir -p /etc/containers/registries.conf.d \
    && echo 'unqualified-search-registries = ["docker.io"]' > /etc/containers/registries.conf.d/stackblaze.conf

FROM ${BUILDER_BASE} AS builder
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=build /source/target/release/stackblaze /usr/local/bin/stackblaze

FROM ${BASE}
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=build /source/target/release/stackblaze /usr/local/bin/stackblaze
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/stackblaze"]
