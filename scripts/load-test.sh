#!/bin/sh
# Load of a running gateway with Locust or k6, or of a local one with Weir's own load test.
#
#   scripts/load-test.sh                        local installation: npm run load
#   scripts/load-test.sh locust http://host:8080 [locust options]
#   scripts/load-test.sh k6 http://host:8080 [k6 options]
#
# Needs WEIR_API_KEY for a running gateway.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tool=${1:-local}
[ $# -eq 0 ] || shift

need() {
  command -v "$1" >/dev/null 2>&1 || {
    echo "load-test: $1 is not in PATH. $2" >&2
    exit 127
  }
}

case $tool in
  -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
  local) exec npm --prefix "$root" run -s load -- "$@" ;;
  locust | k6) ;;
  *)
    echo "load-test: unknown tool \"$tool\". Use local, locust or k6; see scripts/load-test.sh --help." >&2
    exit 2
    ;;
esac
url=${1:?"load-test: the URL of the gateway is missing, such as http://localhost:8080"}
shift
: "${WEIR_API_KEY:?load-test: set WEIR_API_KEY to a key of the gateway}"
export WEIR_API_KEY
if [ "$tool" = locust ]; then
  need locust 'Install it: pip install locust.'
  exec locust -f "$root/loadtest/locustfile.py" --headless -u 100 -r 20 -t 60s -H "$url" "$@"
fi
need k6 'Install it: go install go.k6.io/k6@latest.'
exec k6 run -e "BASE_URL=$url" "$root/loadtest/k6.js" "$@"
