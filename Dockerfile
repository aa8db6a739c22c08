# One image per service: docker build --build-arg SERVICE=gateway -t minirag-gateway .
# A release sets BASE to the tag together with its digest.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG SERVICE=gateway
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /src
COPY pyproject.toml requirements.lock README.md ./
COPY services services
COPY shared shared
# The lock constrains versions and hashes; only what this service's extra names is installed.
RUN uv venv /opt/minirag \
 && uv pip install --python /opt/minirag/bin/python --no-cache --verify-hashes \
      --constraint requirements.lock ".[${SERVICE}]"

FROM ${BASE}
ARG SERVICE=gateway
COPY --from=build /opt/minirag /opt/minirag
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin minirag \
 && install -d -o minirag -g minirag /var/lib/minirag
ENV PATH=/opt/minirag/bin:$PATH PYTHONUNBUFFERED=1 MINIRAG_SERVICE=${SERVICE}
USER 10001
WORKDIR /var/lib/minirag
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 CMD ["minirag", "healthcheck"]
ENTRYPOINT ["minirag"]
CMD ["run"]
