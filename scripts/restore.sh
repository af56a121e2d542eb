#!/bin/sh
# Restores a backup. With compose, gateways are stopped first and started afterwards.
#   scripts/restore.sh [compose|local] LOCATION [options of weir restore]
# LOCATION: a folder, or s3://bucket/prefix. Options: --dry-run, --at TIME, --force, --files FOLDER, and others.
# Environment: WEIR_BACKUP_PASSPHRASE or WEIR_BACKUP_KEY_FILE (decrypt), AWS_* (bucket)
set -eu
cd "$(dirname "$0")/.."

where=
case ${1:-} in
  -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  compose | local) where=$1; shift ;;
esac
case ${1:-} in
  '' | -*) echo 'Name the backup: scripts/restore.sh LOCATION. See scripts/restore.sh --help.' >&2; exit 2 ;;
esac
if [ -z "$where" ]; then
  where=local
  if command -v docker > /dev/null && [ -n "$(docker compose ps --all --quiet weir 2> /dev/null)" ]; then where=compose; fi
fi

case $where in
  compose)
    docker compose version > /dev/null 2>&1 || { echo 'docker compose is missing: install Docker with its Compose plugin.' >&2; exit 1; }
    dry=
    for option in "$@"; do [ "$option" != --dry-run ] || dry=1; done
    if [ -z "$dry" ]; then
      docker compose stop weir
      # A restore that fails has changed nothing, so gateways start again either way.
      trap 'docker compose start weir' EXIT
    fi
    docker compose up --detach --wait postgres redis
    docker compose run --rm --no-deps --no-TTY --user "$(id -u):$(id -g)" \
      ${WEIR_BACKUP_PASSPHRASE:+--env WEIR_BACKUP_PASSPHRASE} \
      ${WEIR_BACKUP_KEY_FILE:+--env WEIR_BACKUP_KEY_FILE} --env WEIR_DATA_DIR=/tmp/weir \
      --volume "$PWD:/installation" --workdir /installation weir restore "$@"
    ;;
  local)
    if [ -n "${WEIR:-}" ]; then exec "$WEIR" restore "$@"; fi
    if command -v weir > /dev/null; then exec weir restore "$@"; fi
    exec node bin/weir.mjs restore "$@"
    ;;
esac
