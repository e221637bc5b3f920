#!/bin/sh
# The sample's build: a few coloured lines over about three seconds.
set -eu

say() { printf '\033[36m==>\033[0m %s\n' "$1"; }
ok() { printf '  \033[32m✓\033[0m %s\n' "$1"; }

say "Building $STACKBLAZE_SERVICE from branch $STACKBLAZE_BRANCH"
if [ -e "$STACKBLAZE_CACHE_DIR/warm" ]; then
  ok "cache is warm: a build was here before"
else
  ok "cache is empty: the first build, or clear_cache was asked for"
fi
touch "$STACKBLAZE_CACHE_DIR/warm"
sleep 0.6

say "Bundling"
rm -rf dist
mkdir dist
cp index.html style.css dist/
sleep 0.8
ok "index.html, style.css"

say "Checking"
sleep 0.8
if ! grep -q '</html>' dist/index.html; then
  printf '  \033[31merror:\033[0m index.html: line %s: </html> is missing\n' "$(($(wc -l < dist/index.html)))" >&2
  exit 1
fi
ok "pages are whole"

say "Stamping"
sleep 0.8
sed -e "s/@COMMIT@/$STACKBLAZE_COMMIT/" -e "s|@BRANCH@|$STACKBLAZE_BRANCH|" \
  -e "s/@DEPLOYMENT@/$STACKBLAZE_DEPLOYMENT_ID/" index.html > dist/index.html
printf '%s files\n' "$(find dist -type f | wc -l | tr -d ' ')"
