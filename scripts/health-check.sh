#!/bin/sh
# Checks a gateway, its providers and its monitoring. Exits with 1 if anything is down.
#   scripts/health-check.sh [compose|kubernetes|URL] [--monitoring]
# Environment: WEIR_ADMIN_KEY (shows each provider), WEIR_CA (certificate authority of a URL), NAMESPACE (default weir)
set -eu
cd "$(dirname "$0")/.."

environment=
monitoring=
while [ $# -gt 0 ]; do
  case $1 in
    --monitoring) monitoring=1 ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "Unknown argument \"$1\". See scripts/health-check.sh --help." >&2; exit 2 ;;
    *)
      [ -z "$environment" ] || { echo "Name one environment, not \"$environment\" and \"$1\"." >&2; exit 2; }
      environment=$1 ;;
  esac
  shift
done
environment=${environment:-compose}

failed=0
row() { printf '%-28s %-5s %s\n' "$1" "$2" "${3:-}"; [ "$2" = ok ] || failed=1; }

# The key is read from standard input, so that other users do not see it in the list of processes.
get() {
  set -- --silent --show-error --max-time 10 "$@"
  [ -z "${WEIR_CA:-}" ] || set -- --cacert "$WEIR_CA" "$@"
  if [ -n "${WEIR_ADMIN_KEY:-}" ]; then
    printf 'header = "Authorization: Bearer %s"\n' "$WEIR_ADMIN_KEY" | curl --config - "$@"
  else
    curl "$@"
  fi
}

case $environment in
  compose)
    docker compose version > /dev/null 2>&1 || { echo 'docker compose is missing: install Docker with its Compose plugin.' >&2; exit 1; }
    [ ! -e .env ] || WEIR_ADMIN_KEY=${WEIR_ADMIN_KEY:-$(sed -n 's/^WEIR_ADMIN_KEY=//p' .env)}
    WEIR_CA=${WEIR_CA:-certs/tls.crt}
    url=https://localhost:${HTTPS_PORT:-443}
    containers=$(docker compose ps --all --format '{{.Service}} {{.Name}} {{.Health}}')
    [ -n "$containers" ] || { echo 'No container runs: docker compose up -d' >&2; exit 1; }
    while read -r service name health; do
      [ "$health" = healthy ] && state=ok || state=DOWN
      row "$service $name" "$state" "${health:-not running}"
    done <<EOF
$containers
EOF
    ;;
  kubernetes)
    pods=$(kubectl --namespace "${NAMESPACE:-weir}" get pods --no-headers --field-selector status.phase!=Succeeded)
    [ -n "$pods" ] || { echo "No pod runs in the namespace ${NAMESPACE:-weir}." >&2; exit 1; }
    while read -r name ready state _; do
      [ "${ready%/*}" = "${ready#*/}" ] && up=ok || up=DOWN
      row "$name" "$up" "$state"
    done <<EOF
$pods
EOF
    exit $failed
    ;;
  http://* | https://*) url=$environment ;;
  *) echo "Name compose, kubernetes or a URL, not \"$environment\"." >&2; exit 2 ;;
esac

if get --fail --output /dev/null "$url/health/ready" 2> /dev/null; then row gateway ok "$url"; else row gateway DOWN "$url"; fi

health=$(get "$url/health" 2> /dev/null || true)
providers=$(printf '%s' "$health" | tr -d '\n' | sed -n 's/.*"models":{\([^}]*\)}.*/\1/p' | tr ',' '\n' | tr -d '" ')
if [ -n "$providers" ]; then
  for one in $providers; do
    case $one in *:true) row "model ${one%:*}" ok ;; *) row "model ${one%:*}" DOWN ;; esac
  done
elif [ -z "${WEIR_ADMIN_KEY:-}" ]; then
  echo 'Set WEIR_ADMIN_KEY to see each model.' >&2
fi

if [ -n "$monitoring" ]; then
  for pair in prometheus=http://127.0.0.1:9090/-/ready alertmanager=http://127.0.0.1:9093/-/ready grafana=http://127.0.0.1:3000/api/health; do
    if curl --silent --fail --max-time 5 --output /dev/null "${pair#*=}"; then row "${pair%%=*}" ok; else row "${pair%%=*}" DOWN; fi
  done
fi
exit $failed
