#!/bin/sh
# Creates the namespace TEMPORAL_NAMESPACE unless it exists. What exists keeps its retention. May run twice.
set -eu

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
    echo "Namespace $TEMPORAL_NAMESPACE exists."
    exit
fi
# 30 days: how long a finished workflow's history can be looked at. The record of notices is kept in PostgreSQL.
temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d
