#!/bin/sh
# Runs once, when the data directory is made: two roles and the product's own database. Temporal makes its own two.
set -eu

psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
  --set aftercommit="$AFTERCOMMIT_DATABASE_PASSWORD" --set temporal="$TEMPORAL_DATABASE_PASSWORD" <<'SQL'
create role aftercommit login password :'aftercommit';
create role temporal login createdb password :'temporal';
create database aftercommit owner aftercommit;
SQL
