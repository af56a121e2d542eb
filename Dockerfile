# syntax=docker/dockerfile:1
# The release workflow passes this image with its digest.
ARG BUILDER=node:24-bookworm-slim

FROM ${BUILDER} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error
COPY console/package.json console/package-lock.json console/
RUN npm ci --prefix console --legacy-peer-deps --no-audit --no-fund --loglevel=error
COPY guide/package.json guide/package-lock.json guide/
RUN npm ci --prefix guide --no-audit --no-fund --loglevel=error
COPY . .
# Only modules that the gateway can load are kept, with the runtime.
RUN node scripts/release.mjs runtime /image/usr/lib/weir \
  && node scripts/release.mjs sbom /image/usr/share/doc/weir/sbom.cdx.json
# The C library, certificate authorities and time zones of the builder's Debian, and nothing else.
RUN sh deploy/image/base.sh /image \
  && mkdir -p /data/weir /volumes/backups && chmod 700 /data/weir /volumes/backups

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=
LABEL org.opencontainers.image.title="Weir" \
  org.opencontainers.image.description="LLM inference gateway: one API in front of every model provider and engine." \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.source="${SOURCE}"
COPY --from=build /image /
# The gateway's user owns the data folder, and the one for a volume of backups: a volume that is new gets their owner.
COPY --from=build --chown=1000:1000 /data /var/lib
COPY --from=build --chown=1000:1000 /volumes /
# Variables that the runtime reads before it starts: scripts/setup.mjs says why.
ENV BUN_CONFIG_MAX_HTTP_REQUESTS=65336 \
  BUN_RUNTIME_TRANSPILER_CACHE_PATH=0 \
  MIMALLOC_PURGE_DELAY=20000 \
  HOME=/var/lib/weir \
  NODE_ENV=production \
  SERVER_HOST=0.0.0.0 \
  WEIR_CONFIG=/etc/weir/weir.yaml \
  WEIR_DATA_DIR=/var/lib/weir
USER 1000:1000
WORKDIR /var/lib/weir
VOLUME ["/var/lib/weir"]
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/weir", "health"]
ENTRYPOINT ["/usr/bin/weir"]
CMD ["serve"]
