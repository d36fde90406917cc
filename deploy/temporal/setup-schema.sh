#!/bin/sh
# Creates Temporal's two databases and updates their tables to this image's version. Safe to run twice: every
# `docker compose up` runs it, and so migrates after an upgrade. SQL_HOST and SQL_USER name the server.
set -eu

SQL_PASSWORD=$(cat /run/secrets/temporal_password)
export SQL_PASSWORD

for store in temporal visibility; do
    database=temporal
    [ "$store" = temporal ] || database="temporal_$store"
    temporal-sql-tool --database "$database" create
    # Writes version 0.0 only if there is no version yet.
    temporal-sql-tool --database "$database" setup-schema --version 0.0
    temporal-sql-tool --database "$database" update-schema \
        --schema-dir "${SCHEMAS:-/etc/temporal/schema}/postgresql/v12/$store/versioned"
done
