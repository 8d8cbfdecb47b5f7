#!/bin/sh
# Starts the evaluator of a container: its key goes where the command looks for it, readable by nobody else, and out of
# the environment.
set -eu
: "${OUTERLOOP_COORDINATOR:?is needed: the URL of the coordinator}"
data=${OUTERLOOP_DATA:-.outerloop-evaluator}
given=${OUTERLOOP_KEY_FILE:-/run/secrets/evaluator-key}

mkdir -p "$data"
umask 077
if [ -n "${OUTERLOOP_EVALUATOR_KEY:-}" ]; then
  printf '%s\n' "$OUTERLOOP_EVALUATOR_KEY" >"$data/key"
elif [ -e "$given" ]; then
  cat "$given" >"$data/key"
elif [ ! -e "$data/key" ]; then
  echo "no key: mount one at $given or set OUTERLOOP_EVALUATOR_KEY; \`outerloop key\` makes one" >&2
  exit 1
fi
unset OUTERLOOP_EVALUATOR_KEY

root=$(cd "$(dirname "$0")/../.." && pwd)
# exec: signals reach the evaluator itself.
exec node "$root/bin/outerloop.js" evaluator --coordinator "$OUTERLOOP_COORDINATOR" --data-dir "$data" \
  ${OUTERLOOP_RUN:+--run "$OUTERLOOP_RUN"}
