#!/bin/sh
# Creates the namespace TEMPORAL_NAMESPACE unless it exists. Safe to run twice: an existing one keeps its retention.
set -eu

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
    echo "Namespace $TEMPORAL_NAMESPACE exists."
    exit
fi
# Finished workflows' histories are kept for 30 days. The record of notifications is in PostgreSQL.
temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d
