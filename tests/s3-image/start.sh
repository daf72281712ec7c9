#!/usr/bin/env bash
# One Ceph monitor, one OSD that keeps everything in memory, and the S3 gateway: an S3 server that always starts empty.
#   environment: ACCESS_KEY, SECRET_KEY, PORT (of the gateway), MONITOR_PORT, MEMORY_BYTES (default 6 GiB),
#   ADDRESS (where the gateway listens, default 127.0.0.1)
# Commands come over standard input, a line each: "kill" kills the gateway with SIGKILL, "start" starts it again on the
# data that is there. Each is answered with a line, "killed" or "ready"; the first "ready" comes by itself. At the end
# of the input everything ends: so nothing outlives the test that wanted it, however that test ends.
set -euo pipefail

FOLDER=/ceph
STARTED_SECONDS_MAX=60
mkdir -p "$FOLDER"/{monitor,osd,run}
cluster=$(cat /proc/sys/kernel/random/uuid)
osd=$(cat /proc/sys/kernel/random/uuid)
monitor_address="v2:127.0.0.1:$MONITOR_PORT"

# - The pools have one copy and few placement groups: there is one OSD, and fewer start faster.
# - The short intervals make the monitor agree with itself in milliseconds instead of seconds.
# - The free space that the monitor looks at is that of the machine's disk, on which nothing is stored.
# - tcp_nodelay: without it each small answer waits 40 ms.
# - Garbage is collected at once: in memory a deleted object must not count for two hours.
# - No metadata cache: its news would wait up to 30 s for an answer of the gateway that was killed.
cat >"$FOLDER/ceph.conf" <<CONF
[global]
fsid = $cluster
mon host = $monitor_address
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
keyring = $FOLDER/keyring
run dir = $FOLDER/run
log file = $FOLDER/\$name.log
admin socket = $FOLDER/run/\$name.\$pid.asok
osd objectstore = memstore
memstore device bytes = ${MEMORY_BYTES:-6442450944}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd class load list = *
osd class default list = *
osd mon report interval = 1
mon allow pool size one = true
mon osd min up ratio = 0
mon tick interval = 1
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.05
paxos min wait = 0.02
rgw frontends = beast endpoint=${ADDRESS:-127.0.0.1}:$PORT tcp_nodelay=1
rgw enable usage log = false
rgw cache enabled = false
rgw gc obj min wait = 5
rgw gc processor period = 5
CONF

with() {
  local program=$1
  shift
  "$program" -c "$FOLDER/ceph.conf" "$@"
}

# wait_until WHAT CMD…: every 50 ms; on the limit the logs say why.
wait_until() {
  local what=$1 deadline=$((SECONDS + STARTED_SECONDS_MAX))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 20 "$FOLDER"/*.log >&2
      echo "not within $STARTED_SECONDS_MAX s: $what" >&2
      exit 1
    fi
    sleep 0.05
  done
}

monitor_answers() { timeout 5 ceph -c "$FOLDER/ceph.conf" -s; }
osd_is_up() { with ceph osd stat | grep -q '1 up'; }
gateway_answers() { curl -s -o /dev/null "http://127.0.0.1:$PORT/"; }

start_gateway() {
  with radosgw -n client.admin -f >/dev/null 2>&1 &
  gateway=$!
  wait_until "the gateway" gateway_answers
}

monmaptool --create --fsid "$cluster" --addv a "[$monitor_address]" "$FOLDER/monmap" >/dev/null
ceph-authtool --create-keyring "$FOLDER/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
ceph-authtool "$FOLDER/keyring" --gen-key -n client.admin \
  --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
with ceph-mon --mkfs -i a --monmap "$FOLDER/monmap" --keyring "$FOLDER/keyring" --mon-data "$FOLDER/monitor"
with ceph-mon -i a --mon-data "$FOLDER/monitor" --setuser root --setgroup root -f >/dev/null 2>&1 &
wait_until "the monitor" monitor_answers

with ceph osd new "$osd" >/dev/null
with ceph auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' mgr 'allow profile osd' \
  >>"$FOLDER/keyring" 2>/dev/null
with ceph-osd -i 0 --mkfs --osd-uuid "$osd" --osd-data "$FOLDER/osd" >/dev/null 2>&1
with ceph-osd -i 0 --osd-data "$FOLDER/osd" -f >/dev/null 2>&1 &
wait_until "the OSD" osd_is_up

start_gateway
with radosgw-admin user create --uid=test --display-name=test \
  --access-key="$ACCESS_KEY" --secret-key="$SECRET_KEY" >/dev/null 2>&1
echo ready

while read -r command; do
  case $command in
    kill)
      kill -KILL "$gateway"
      wait "$gateway" 2>/dev/null || true
      echo killed
      ;;
    start)
      start_gateway
      echo ready
      ;;
    *) echo "unknown command: $command" ;;
  esac
done
