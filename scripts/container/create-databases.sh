#!/bin/bash
# Run by the PostgreSQL image when it starts on an empty volume: Airflow and the ledger get a database each, owned by a
# user who can do nothing else.
set -euo pipefail

psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
  --set=airflow_password="$AIRFLOW_DB_PASSWORD" --set=ledger_password="$LEDGER_DB_PASSWORD" <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE setpoint LOGIN PASSWORD :'ledger_password';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE setpoint OWNER setpoint;
REVOKE CONNECT ON DATABASE airflow FROM PUBLIC;
REVOKE CONNECT ON DATABASE setpoint FROM PUBLIC;
SQL
