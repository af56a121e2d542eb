#!/bin/sh
# Prepares this folder for `docker compose up -d`: .env with random secrets, and a certificate for tests.
# Existing files stay as they are.
#   scripts/setup.sh [--domain NAME] [--dry-run]
set -eu
cd "$(dirname "$0")/.."

domain=localhost
dry=
while [ $# -gt 0 ]; do
  case $1 in
    --domain) domain=${2:?--domain needs a name}; shift 2 ;;
    --dry-run) dry=1; shift ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "Unknown argument \"$1\". See scripts/setup.sh --help." >&2; exit 2 ;;
  esac
done

command -v openssl > /dev/null || { echo 'openssl is missing: install it, and run this again.' >&2; exit 1; }

if [ -e .env ]; then
  echo '.env exists: kept.'
elif [ -n "$dry" ]; then
  echo 'Would write .env with random secrets.'
else
  umask 077
  while IFS= read -r line; do
    case $line in
      WEIR_ADMIN_KEY= | WEIR_SECRET= | POSTGRES_PASSWORD= | REDIS_PASSWORD=)
        secret=$(openssl rand -hex 32)
        printf '%s%s\n' "$line" "$secret" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done < .env.example > .env.new
  mv .env.new .env
  echo 'Wrote .env with random secrets, readable by you only. Keep WEIR_SECRET apart from backups.'
fi

if [ -e certs/tls.crt ] && [ -e certs/tls.key ]; then
  echo 'certs/tls.crt and certs/tls.key exist: kept.'
elif [ -e certs/tls.crt ] || [ -e certs/tls.key ]; then
  echo 'certs/ has only one of tls.crt and tls.key: add the other, or remove it. Nothing was changed there.' >&2
  exit 1
elif [ -n "$dry" ]; then
  echo "Would write a self-signed certificate for $domain to certs/."
else
  mkdir -p certs
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
    -subj "/CN=$domain" -addext "subjectAltName=DNS:$domain,IP:127.0.0.1" \
    -keyout certs/tls.key -out certs/tls.crt 2> /dev/null
  # nginx runs as a user of its own in its container, which must read both.
  chmod 755 certs
  chmod 644 certs/tls.crt certs/tls.key
  echo "Wrote a self-signed certificate for $domain to certs/, valid for 90 days. Replace it before others use it."
fi

echo 'Next: docker compose up -d'
