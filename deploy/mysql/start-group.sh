#!/usr/bin/env bash
# Start a replication group of MySQL servers, or start it again after all of them were down, and make SpeedDash's database and user.
# It may be run at any time: members that are online are left alone, and servers that are not join them.
#
#   HOSTS="db1 db2:3307 db3"     the servers, with deploy/mysql/group.cnf
#   ADMIN="root", MYSQL_PWD      a user that may do this from here, and its password
#   REPLICA_PASSWORD             of the user `replica`, with whom members copy from each other
#   DATABASE_PASSWORD            of the user `speeddash`
#   MYSQL="mysql"                the client's command
set -euo pipefail

export MYSQL_PWD
client=${MYSQL:-mysql}
online="SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid AND member_state = 'ONLINE'"

ask() { # HOST[:PORT] STATEMENTS
  local host=${1%%:*} port=3306
  [ "$host" = "$1" ] || port=${1##*:}
  # shellcheck disable=SC2086 - the command may have several words
  $client --protocol=tcp --host="$host" --port="$port" --user="${ADMIN:-root}" --connect-timeout=5 --batch --skip-column-names --execute="$2"
}

quoted() { # a string of SQL
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

for host in $HOSTS; do
  for ((second = 0; ; second++)); do
    problem=$(ask "$host" "SELECT 1" 2>&1 >/dev/null) && break
    # Codes from 2000 on are those of a server that cannot be reached, yet.
    if [ "$second" -ge 300 ] || [[ $problem != *"ERROR 2"* ]]; then
      echo "$host: $problem" >&2
      exit 1
    fi
    sleep 1
  done
done

running=
for host in $HOSTS; do
  [ "$(ask "$host" "$online")" = 0 ] || running=yes
done

for host in $HOSTS; do
  [ "$(ask "$host" "$online")" = 0 ] || continue
  # Each server has this user on its own account, so that an empty one is like the others.
  ask "$host" "STOP GROUP_REPLICATION; SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF; SET SQL_LOG_BIN = 0;
    CREATE USER IF NOT EXISTS replica@'%' IDENTIFIED BY $(quoted "$REPLICA_PASSWORD");
    GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO replica@'%';
    CHANGE REPLICATION SOURCE TO SOURCE_USER = 'replica', SOURCE_PASSWORD = $(quoted "$REPLICA_PASSWORD") FOR CHANNEL 'group_replication_recovery'"
done

if [ -z "$running" ]; then
  # The group begins with a server that has all transactions of the others.
  first=
  for candidate in $HOSTS; do
    has=$(ask "$candidate" "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')")
    first=$candidate
    for host in $HOSTS; do
      [ "$(ask "$host" "SELECT GTID_SUBSET(@@GLOBAL.gtid_executed, $(quoted "$has"))")" = 1 ] || first=
    done
    [ -z "$first" ] || break
  done
  if [ -z "$first" ]; then
    echo "No server has the transactions of all others; see the page Several servers of the documentation." >&2
    for host in $HOSTS; do
      echo "$host: $(ask "$host" "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')")" >&2
    done
    exit 1
  fi
  echo "The group begins with $first."
  ask "$first" "SET GLOBAL group_replication_bootstrap_group = ON; START GROUP_REPLICATION; SET GLOBAL group_replication_bootstrap_group = OFF"
fi

primary=
for host in $HOSTS; do
  if [ "$(ask "$host" "$online")" = 0 ]; then
    echo "$host joins."
    ask "$host" "START GROUP_REPLICATION"
  fi
  role=$(ask "$host" "SELECT member_role FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid")
  [ "$role" != PRIMARY ] || primary=$host
done

ask "$primary" "CREATE DATABASE IF NOT EXISTS speeddash;
  CREATE USER IF NOT EXISTS speeddash@'%' IDENTIFIED BY $(quoted "$DATABASE_PASSWORD");
  GRANT ALL ON speeddash.* TO speeddash@'%';
  GRANT SELECT ON performance_schema.replication_group_members TO speeddash@'%'"
echo "The group is online; its primary is $primary."
