#!/bin/sh
# Run by the image of PostgreSQL when the volume is new: creates the role that the service works as.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$(cat /run/secrets/app_password)" \
  --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE callgate_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
SQL
