#!/bin/sh
# Calls a hook, waits until its deployment has ended, and says how. For CI systems; needs curl and nothing else.
#
# What to do stands in the environment:
#   STACKBLAZE_DEPLOY_HOOK                     the hook URL; or in its place
#   STACKBLAZE_SERVER, STACKBLAZE_HOOK_TOKEN   where the server is, and the token at the end of the URL
#   STACKBLAZE_IMAGE        an image that is built already: @sha256:…, :tag or in full   [default: build]
#   STACKBLAZE_BRANCH, STACKBLAZE_COMMIT       what to deploy, or what the image was built from
#   STACKBLAZE_NOTE         why, in one line
#   STACKBLAZE_CLEAR_CACHE  true: build afresh
#   STACKBLAZE_WAIT         false: do not wait for the end                               [default: true]
#   STACKBLAZE_TIMEOUT      seconds to wait at most                                      [default: 3900]
#   STACKBLAZE_KEY          Idempotency-Key: the same one deploys once                   [default: none]
#
# Exit codes: 0 succeeded (or accepted, where nobody waits), 1 failed, 2 refused or not reached, 3 not ended in time,
# 64 wrong use. Where GITHUB_OUTPUT or STACKBLAZE_OUTPUT names a file, it gets id, status, reason, url and digest; where
# GITHUB_STEP_SUMMARY does, it gets a summary.
set -eu

say() { printf '%s\n' "$*"; }
usage() {
    printf 'stackblaze: %s\n' "$*" >&2
    exit 64
}

hook="${STACKBLAZE_DEPLOY_HOOK:-}"
if [ -n "$hook" ]; then
    case "$hook" in
    http://*/deploy-hooks/?* | https://*/deploy-hooks/?*) ;;
    *) usage "STACKBLAZE_DEPLOY_HOOK is no hook URL: https://…/deploy-hooks/…" ;;
    esac
    server="${hook%/deploy-hooks/*}"
    token="${hook##*/deploy-hooks/}"
    token="${token%%[?/]*}"
else
    server="${STACKBLAZE_SERVER:-}"
    server="${server%/}"
    token="${STACKBLAZE_HOOK_TOKEN:-}"
fi
[ -n "$server" ] && [ -n "$token" ] ||
    usage "give STACKBLAZE_DEPLOY_HOOK, or STACKBLAZE_SERVER and STACKBLAZE_HOOK_TOKEN (is the secret there for this branch?)"

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The token goes in a file of our own, where no list of processes shows it.
umask 077
printf 'header = "Authorization: Bearer %s"\n' "$token" >"$folder/token"

# call FILE CURL-ARGUMENT...: the status; 000 where there was no answer.
call() {
    into="$1"
    shift
    : >"$into"
    curl -sS --connect-timeout 10 --max-time 60 -K "$folder/token" -o "$into" -w '%{http_code}' "$@" 2>"$folder/error" || true
}

# The first value of a field of the object in a file.
first() {
    grep -o "\"$1\":\"[^\"]*\"" "$2" 2>/dev/null | head -n 1 | sed 's/^"[^"]*":"//; s/"$//'
}

set --
for pair in "branch=${STACKBLAZE_BRANCH:-}" "commit=${STACKBLAZE_COMMIT:-}" "image=${STACKBLAZE_IMAGE:-}" \
    "note=${STACKBLAZE_NOTE:-}" "clear_cache=${STACKBLAZE_CLEAR_CACHE:-}"; do
    [ -z "${pair#*=}" ] || set -- "$@" --data-urlencode "$pair"
done
[ -z "${STACKBLAZE_KEY:-}" ] || set -- "$@" -H "Idempotency-Key: $STACKBLAZE_KEY" --retry 5 --retry-connrefused
code="$(call "$folder/answer" -X POST -G "$@" "$server/deploy-hooks")"
if [ "$code" != 202 ]; then
    case "$code" in
    000) say "stackblaze: $server was not reached: $(tail -n 1 "$folder/error")" >&2 ;;
    *) say "stackblaze: refused with $code: $(first detail "$folder/answer") ($(first code "$folder/answer"))" >&2 ;;
    esac
    exit 2
fi
id="$(first deploymentId "$folder/answer")"
page="$(first dashboardUrl "$folder/answer")"
say "deployment $id of $(first service "$folder/answer"): $page"

status=queued reason='' digest='' result=0
if [ "${STACKBLAZE_WAIT:-true}" != false ]; then
    until="$(($(date +%s) + ${STACKBLAZE_TIMEOUT:-3900}))"
    code=''
    while [ -z "$code" ]; do
        # The server holds each call; 503 means "not yet", and no answer that it, or what stands before it, restarts.
        code="$(call "$folder/end" "$server/deployments/$id/wait")"
        case "$code" in
        200) ;;
        424) result=1 ;;
        000 | 429 | 502 | 503 | 504)
            if [ "$(date +%s)" -ge "$until" ]; then
                say "stackblaze: $id has not ended in time; it goes on, see $page" >&2
                result=3
            else
                code=''
                sleep 1
            fi
            ;;
        *)
            say "stackblaze: asked how $id ended, the server answered $code" >&2
            result=2
            ;;
        esac
    done
    if [ "$result" -lt 2 ]; then
        status="$(first status "$folder/end")"
        reason="$(first reason "$folder/end")"
        digest="$(first imageDigest "$folder/end")"
        call "$folder/lines" --retry 5 --retry-connrefused -H 'Accept: text/plain' \
            "$server/deployments/$id/wait" >/dev/null
        # What a build has printed is no command to whoever reads this.
        stop="$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')"
        [ "${GITHUB_ACTIONS:-}" != true ] || say "::stop-commands::$stop"
        cat "$folder/lines"
        [ "${GITHUB_ACTIONS:-}" != true ] || say "::$stop::"
    fi
fi

output="${GITHUB_OUTPUT:-${STACKBLAZE_OUTPUT:-}}"
if [ -n "$output" ]; then
    printf 'id=%s\nstatus=%s\nreason=%s\nurl=%s\ndigest=%s\n' "$id" "$status" "$reason" "$page" "$digest" >>"$output"
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    {
        printf '### %s\n\n[%s](%s)' "$status${reason:+: $reason}" "$id" "$page"
        [ -z "$digest" ] || printf ', `%s`' "$digest"
        printf '\n'
        if [ "$result" = 1 ]; then
            # Indented, so that nothing in it is read as markup.
            printf '\n'
            sed 's/^/    /' "$folder/lines"
        fi
    } >>"$GITHUB_STEP_SUMMARY"
fi
exit "$result"
