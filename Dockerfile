FROM python:3.13.15-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PATH=/venv/bin:$PATH

FROM base AS dependencies
RUN python -m venv /venv
COPY requirements.lock ./
# Wheels only: no package runs code of its own while the image is built.
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: -r requirements.lock

FROM base
# A fixed uid, so that a volume's files keep their owner from one image to the next.
RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --no-create-home --shell /usr/sbin/nologin app \
    && install --directory --owner=app --group=app /data
COPY --from=dependencies /venv /venv
WORKDIR /app
COPY kernel kernel
COPY services services
COPY activities activities
COPY workflows workflows
COPY client client
COPY messaging messaging
COPY choreography choreography
COPY subscribers subscribers
COPY observability observability
COPY schemas schemas
COPY audit audit
COPY wiring wiring
COPY cli cli
COPY web web
COPY settings.py worker.py starter.py catalogue.json ./
# The workflow sandbox imports the saga for every order, and cannot write its bytecode later.
RUN python -m compileall -q .
ENV DATA_DIR=/data
USER 10001:10001
ENTRYPOINT ["python", "worker.py"]
