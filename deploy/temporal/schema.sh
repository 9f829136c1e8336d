#!/bin/sh
# Makes and updates Temporal's two databases, with the tool and the schema of this Temporal version. Safe to repeat.
set -eu

for database in temporal temporal_visibility; do
  folder="${database#temporal_}"
  sql() { temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -u "$POSTGRES_USER" -p "$DB_PORT" --db "$database" "$@"; }
  sql create
  sql setup-schema -v 0.0
  sql update-schema -d "/etc/temporal/schema/postgresql/v12/$folder/versioned"
done
