# SpeedDash in a container: `docker build -t speeddash .`, then `docker run -p 8765:8765 -v speeddash:/data speeddash`.
# Pin the base by its digest with `--build-arg BASE=python:3.13-slim@sha256:...`.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /source
RUN python -m venv /opt/speeddash
COPY requirements.lock ./
RUN /opt/speeddash/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE schema.sql ./
COPY assets assets
COPY speeddash speeddash
RUN /opt/speeddash/bin/pip install --no-cache-dir --no-deps . \
    && /opt/speeddash/bin/python -m compileall -q /opt/speeddash

FROM ${BASE}
# Only /data is written to: run it with a read-only file system, and a tmpfs at /tmp for imports.
RUN groupadd --system --gid 10001 speeddash \
    && useradd --system --uid 10001 --gid speeddash --home-dir /data --no-create-home --shell /usr/sbin/nologin speeddash \
    && install --directory --owner speeddash --group speeddash --mode 0700 /data
COPY --from=build /opt/speeddash /opt/speeddash
ENV PATH=/opt/speeddash/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SPEEDDASH_HOST=0.0.0.0 \
    SPEEDDASH_DATABASE_URL=sqlite:////data/speeddash.db
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8765
# Ready or waiting for its database: what has stopped answering is restarted.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/healthz', timeout=4)"]
ENTRYPOINT ["speeddash"]
CMD ["serve"]
