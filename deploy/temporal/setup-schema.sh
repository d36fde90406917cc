#!/bin/sh
# Creates Temporal's two databases and brings their tables up to this image's version. May run twice, and runs again
# with every `docker compose up`: that is how an upgrade migrates. SQL_HOST and SQL_USER say where.
set -eu

SQL_PASSWORD=$(cat /run/secrets/temporal_password)
export SQL_PASSWORD

for store in temporal visibility; do
    database=temporal
    [ "$store" = temporal ] || database="temporal_$store"
    temporal-sql-tool --database "$database" create
    # Writes version 0.0 only where there is none yet.
    temporal-sql-tool --database "$database" setup-schema --version 0.0
    temporal-sql-tool --database "$database" update-schema \
        --schema-dir "${SCHEMAS:-/etc/temporal/schema}/postgresql/v12/$store/versioned"
done
