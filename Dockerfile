# One image for the worker, the API and the commands; docker-compose.yml says which runs where.
# The tests run on this version of Python.
FROM python:3.11.15-slim-trixie AS packages

COPY requirements/app.txt /requirements.txt
# --without-pip: the image gets only the environment, and nothing is installed there later.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check --only-binary :all: \
        --require-hashes -r /requirements.txt


FROM python:3.11.15-slim-trixie

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin app

COPY --from=packages /venv /venv

WORKDIR /app
COPY activities activities
COPY api api
COPY channels channels
COPY commands commands
COPY contracts contracts
COPY csv_import csv_import
COPY db db
COPY runtime runtime
COPY temporal temporal
COPY texts texts
COPY workflows workflows
COPY deploy/__init__.py deploy/check_worker.py deploy/
COPY cli.py settings.py worker.py pyproject.toml ./
# What `cli.py --version` says: docker build --build-arg COMMIT=$(git rev-parse --short=12 HEAD)
ARG COMMIT=
RUN echo "$COMMIT" > COMMIT
# The processes cannot write bytecode here, and the health check starts one every half minute.
RUN python -m compileall -q .

USER app
STOPSIGNAL SIGTERM
CMD ["python", "worker.py"]
