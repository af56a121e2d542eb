#!/bin/sh
# Backs up this installation: databases, usage, configuration, .env, certificates, Compose files and those of nginx.
#   scripts/backup.sh [compose|local] [LOCATION] [options of weir backup]
# LOCATION: a folder (default: backups/YYYY-MM-DD-HH-MM-SS), or s3://bucket/prefix. compose is the default while its containers run.
# Environment: WEIR_BACKUP_PASSPHRASE or WEIR_BACKUP_KEY_FILE (encrypt), AWS_* (bucket)
set -eu
cd "$(dirname "$0")/.."

where=
location=
case ${1:-} in
  -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  compose | local) where=$1; shift ;;
esac
case ${1:-} in
  '' | -*) location=backups/$(date -u +%Y-%m-%d-%H-%M-%S) ;;
  *) location=$1; shift ;;
esac
if [ -z "$where" ]; then
  where=local
  if command -v docker > /dev/null && [ -n "$(docker compose ps --quiet weir 2> /dev/null)" ]; then where=compose; fi
fi

# Folders are created for their owner only.
umask 077
case $location in s3://*) ;; *) mkdir -p "$(dirname "$location")" ;; esac
for path in .env certs docker-compose.yml docker-compose.gpu.yml docker-compose.monitoring.yml deploy/nginx deploy/compose; do
  [ ! -e "$path" ] || set -- --include "$path" "$@"
done

case $where in
  compose)
    docker compose version > /dev/null 2>&1 || { echo 'docker compose is missing: install Docker with its Compose plugin.' >&2; exit 1; }
    # The data folder of the image belongs to user 1000 alone, and this container runs as you. The databases are in PostgreSQL.
    exec docker compose run --rm --no-deps --no-TTY --user "$(id -u):$(id -g)" \
      ${WEIR_BACKUP_PASSPHRASE:+--env WEIR_BACKUP_PASSPHRASE} \
      ${WEIR_BACKUP_KEY_FILE:+--env WEIR_BACKUP_KEY_FILE} --env WEIR_DATA_DIR=/tmp/weir \
      --volume "$PWD:/installation" --workdir /installation weir backup "$location" "$@"
    ;;
  local)
    if [ -n "${WEIR:-}" ]; then exec "$WEIR" backup "$location" "$@"; fi
    if command -v weir > /dev/null; then exec weir backup "$location" "$@"; fi
    exec node bin/weir.mjs backup "$location" "$@"
    ;;
esac
