#!/bin/sh
# Deploys an image, waits until it is ready, and checks it.
#   scripts/deploy.sh compose [--image IMAGE] [--dry-run]
#   scripts/deploy.sh kubernetes OVERLAY [--image IMAGE] [--dry-run]
# Environment: COSIGN_IDENTITY and COSIGN_ISSUER (the signature of IMAGE is verified first), NAMESPACE (default weir)
set -eu
cd "$(dirname "$0")/.."

target=${1:-}
[ $# -eq 0 ] || shift
overlay=
image=
namespace=${NAMESPACE:-weir}
dry=
while [ $# -gt 0 ]; do
  case $1 in
    --image) image=${2:?--image needs a name}; shift 2 ;;
    --dry-run) dry=1; shift ;;
    -*) echo "Unknown argument \"$1\". See scripts/deploy.sh --help." >&2; exit 2 ;;
    *)
      if [ "$target" != kubernetes ] || [ -n "$overlay" ]; then
        echo "Unknown argument \"$1\". See scripts/deploy.sh --help." >&2
        exit 2
      fi
      overlay=$1; shift ;;
  esac
done

run() {
  if [ -n "$dry" ]; then echo "+ $*"; else "$@"; fi
}

# Gateways and the migration have one image.
build() {
  if [ -n "$dry" ]; then
    echo "+ kubectl kustomize $folder"
  elif [ -n "$image" ]; then
    kubectl kustomize "$folder" > "$manifests.all"
    sed -E "s|image: [^ ]*/weir:[^ ]*|image: $image|" "$manifests.all" > "$manifests"
    rm -f "$manifests.all"
  else
    kubectl kustomize "$folder" > "$manifests"
  fi
}

# The job ends itself after its deadline.
migrated() {
  while :; do
    state=$(kubectl --namespace "$namespace" get job weir-migrate \
      --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')
    case $state in
      *Complete*) return 0 ;;
      *Failed*)
        kubectl --namespace "$namespace" logs job/weir-migrate >&2 || true
        echo 'The migration failed, and no gateway was changed.' >&2
        return 1
        ;;
    esac
    sleep 3
  done
}

if [ -n "$image" ] && [ -n "${COSIGN_IDENTITY:-}" ]; then
  run cosign verify --certificate-identity "$COSIGN_IDENTITY" \
    --certificate-oidc-issuer "${COSIGN_ISSUER:?set it beside COSIGN_IDENTITY}" "$image"
fi

case $target in
  compose)
    [ -n "$dry" ] || docker compose version > /dev/null 2>&1 || { echo 'docker compose is missing: install Docker with its Compose plugin.' >&2; exit 1; }
    [ -e .env ] || { echo 'There is no .env: run scripts/setup.sh first.' >&2; exit 1; }
    if [ -n "$image" ]; then
      export WEIR_IMAGE="$image"
      run docker compose pull weir
    else
      run docker compose build weir
    fi
    run docker compose up --detach --wait --wait-timeout 300
    # nginx must find the addresses of new containers.
    run docker compose exec nginx nginx -s reload
    run scripts/health-check.sh compose
    ;;
  kubernetes)
    folder=deploy/kubernetes/overlays/${overlay:?name an overlay of deploy/kubernetes/overlays}
    [ -d "$folder" ] || { echo "There is no $folder." >&2; exit 1; }
    [ -n "$dry" ] || command -v kubectl > /dev/null || { echo 'kubectl is missing: install it, and select the cluster.' >&2; exit 1; }
    manifests=$(mktemp)
    trap 'rm -f "$manifests"' EXIT
    build
    # A finished job cannot be changed.
    run kubectl --namespace "$namespace" delete job weir-migrate --ignore-not-found
    run kubectl apply --filename "$manifests" --selector weir.dev/phase=prepare
    if [ -n "$dry" ] || grep -q 'name: weir-migrate' "$manifests"; then run migrated; fi
    run kubectl apply --filename "$manifests"
    if ! run kubectl --namespace "$namespace" rollout status deployment/weir --timeout 10m; then
      run kubectl --namespace "$namespace" rollout undo deployment/weir
      echo 'The new version did not become ready; the previous one is back.' >&2
      exit 1
    fi
    run scripts/health-check.sh kubernetes
    ;;
  -h | --help | '') sed -n '2,5s/^# \{0,1\}//p' "$0"; [ -n "$target" ] || exit 2 ;;
  *) echo "Name compose or kubernetes, not \"$target\"." >&2; exit 2 ;;
esac
