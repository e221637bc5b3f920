#!/bin/sh
# The sample's deploy: a folder for each release, and one link that says which is served.
set -eu

release="releases/$(printf '%s' "$STACKBLAZE_DEPLOYMENT_ID" | tr _ -)"
mkdir -p "$SITE/releases"
cp -R dist "$SITE/$release"
ln -sfn "$release" "$SITE/current"
printf 'current -> %s\n' "$release"
