# One image per service: docker build --build-arg SERVICE=chat -t minirag-chat:0.1.0 .
# docs/adr/0016-one-image-per-service.md tells how a release renews the digest.
ARG PYTHON_IMAGE=docker.io/library/python:3.11.15-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba

FROM ${PYTHON_IMAGE} AS build
ARG SERVICE
# Further extras of pyproject.toml, for example `minilm` for ingest and chat.
ARG EXTRAS=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY requirements.lock pyproject.toml README.md ./
# The installer comes from the same lock as what it installs.
RUN awk '/^uv==/ { take = 1 } take { print } take && !/\\$/ { exit }' requirements.lock > uv.lock \
    && python -m venv /uv \
    && /uv/bin/pip install --require-hashes --only-binary :all: -r uv.lock
# The service's extra and the core, resolved inside the lock: what is not in it, or has another
# hash, ends the build. Wheels only, so nothing is compiled.
RUN test -n "${SERVICE}" \
    && /uv/bin/uv venv --python /usr/local/bin/python /opt/minirag \
    && /uv/bin/uv pip install --python /opt/minirag/bin/python --require-hashes \
        --constraint requirements.lock --only-binary :all: -r pyproject.toml \
        --extra "${SERVICE}" --extra telemetry ${EXTRAS:+--extra "${EXTRAS}"}
COPY shared ./shared
COPY services/__init__.py ./services/
COPY services/${SERVICE} ./services/${SERVICE}
# The libraries of the dashboard and the widget; npm stays in this stage.
RUN if [ "${SERVICE}" = gateway ]; then \
        /uv/bin/pip install --require-hashes --only-binary :all: -r services/gateway/ui/nodejs.lock \
        && /uv/bin/python -m shared.cli.vendor; fi
RUN /uv/bin/uv pip install --python /opt/minirag/bin/python --no-deps \
    --build-constraints requirements.lock .

FROM ${PYTHON_IMAGE}
ARG SERVICE
LABEL org.opencontainers.image.title="minirag-${SERVICE}" \
      org.opencontainers.image.version="0.1.0"
RUN groupadd --gid 10001 minirag \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin minirag
COPY --from=build /opt/minirag /opt/minirag
# HOME: libraries that look for a cache must find a place that can be written. MINIRAG_SECRETS_DIR
# is where secrets are mounted, and no secret.
# hadolint ignore=DL3064
ENV PATH=/opt/minirag/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MINIRAG_SERVICE=${SERVICE} \
    MINIRAG_SECRETS_DIR=/run/secrets \
    MINIRAG_HEARTBEAT_FILE=/tmp/minirag.alive
USER 10001:10001
WORKDIR /tmp
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --start-interval=2s --retries=3 \
    CMD ["minirag", "healthcheck"]
ENTRYPOINT ["minirag"]
CMD ["run"]
