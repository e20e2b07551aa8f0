#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The role proxy_gateway on a machine with a real systemd: the service, the timers of the control node, and their removal,
# while a crawler requests a page through leases of one minute. Needs root, mmdebstrap, systemd-container and a Debian
# mirror. QGNET_LAB_PYTHON names a Python that has the simulator. The root file system is kept in
# QGNET_SYSTEMD_ROOT (default .cache/systemd) for the next run. "make systemd" starts it.
set -euo pipefail

readonly namespace=qgsystemd key=QGDEMO01
checkout=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
root=${QGNET_SYSTEMD_ROOT:-$checkout/.cache/systemd}
log=$root.log
packages=systemd,systemd-sysv,dbus,iproute2,curl,python3,python3-requests,python3-apt,ansible-core,haproxy
simulator='' machine=''

fail() {
    printf 'gateway_systemd.sh: %s\n' "$*" >&2
    exit 1
}

finish() {
    local code=$?
    trap - EXIT
    [[ -z $machine ]] || kill "$machine" 2>/dev/null || true
    [[ -z $machine ]] || wait "$machine" 2>/dev/null || true
    [[ -z $simulator ]] || kill "$simulator" 2>/dev/null || true
    ip netns delete "$namespace" 2>/dev/null || true
    exit "$code"
}
trap finish EXIT

# inside COMMAND: run it in the machine
inside() {
    nsenter --target "$leader" --all env --ignore-environment HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        QG_KEY="$key" QG_API_URL=http://127.0.0.1:8080 bash -c "cd /root && $1"
}

# play PLAYBOOK ARGUMENT...: run a playbook, and show what is not "ok"
play() { inside "ansible-playbook --inventory hosts.yml $*" | grep -E 'changed|fatal|ERROR|RECAP'; }

# bought: the leases that the key has paid for; timers: the timers of refreshes
bought() { inside "curl --silent http://127.0.0.1:8080/_sim/state" | python3 -c "import json, sys; print(len(json.load(sys.stdin)['keys']['$key']['paid']))"; }
timers() { inside "systemctl list-timers --all --output=json 'qg-*'" | python3 -c "import json, sys; print(*(each['unit'] for each in json.load(sys.stdin)))"; }

# key_for TIMER: write the file with the key of a timer
key_for() { (umask 077 && printf 'QG_KEY=%s\nQG_API_URL=http://127.0.0.1:8080\n' "$key" >"$root/etc/$1.env"); }

for tool in mmdebstrap systemd-nspawn ip nsenter; do
    command -v "$tool" >/dev/null || fail "missing: $tool (Debian's packages: mmdebstrap systemd-container iproute2 util-linux)"
done
[[ $(id -u) == 0 ]] || fail "a machine with a systemd of its own needs root."
if [[ ! -e $root/etc/os-release ]]; then
    echo "A Debian is made in $root."
    mkdir -p "$(dirname -- "$root")"
    rm -rf -- "$root.new"
    mmdebstrap --quiet --variant=minbase --include="$packages" trixie "$root.new" >"$log" 2>&1 ||
        fail "no Debian could be made (on Ubuntu, apt-get install debian-archive-keyring): $(tail -n 5 "$log")"
    mv -- "$root.new" "$root"
fi

ip netns add "$namespace" || fail "this root may not make network namespaces."
ip -n "$namespace" link set lo up
# The machine shares this namespace, so the simulator is at its loopback address.
nsenter --net="/run/netns/$namespace" "${QGNET_LAB_PYTHON:-python3}" -m qgnet_simulator --port 8080 \
    --map 127.0.0.1=203.0.113.5 </dev/null >/dev/null 2>&1 &
simulator=$!
collection=/usr/share/ansible/collections/ansible_collections/qingguo/qgnet
# A run that failed has left its gateway, and an earlier checkout its state.
rm -rf -- "$root"/etc/qg-* "$root"/etc/systemd/system/{,*.wants/}qg-* "$root/root/.ansible"
mkdir -p "$root$collection" "$root/root/group_vars"
cat >"$root/root/hosts.yml" <<'YAML'
crawlers:
  hosts:
    here:
      ansible_connection: local
      ansible_python_interpreter: /usr/bin/python3
YAML
cat >"$root/root/group_vars/crawlers.yml" <<'YAML'
qg_product: share
proxy_gateway_count: 3
YAML
cat >"$root/root/gateway.yml" <<'YAML'
- name: Serve crawlers with fresh proxies
  hosts: crawlers
  gather_facts: false
  roles: [qingguo.qgnet.proxy_gateway]
YAML
cat >"$root/root/crawl.py" <<'PYTHON'
import http.client, sys, time
exits, failures, count, end = set(), 0, 0, time.time() + float(sys.argv[1])
while time.time() < end:
    count += 1
    connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=30)
    if count % 2:
        connection.set_tunnel("d.qg.net", 80)
    try:
        connection.request("GET", "/ip" if count % 2 else "http://d.qg.net/ip")
        answer = connection.getresponse()
        exits.add(answer.read())
        failures += answer.status != 200
    except OSError:
        failures += 1
    connection.close()
    time.sleep(0.1)
print(f"{count} requests, {failures} failures, {len(exits)} exits")
sys.exit(bool(failures) or len(exits) < 6)
PYTHON

systemd-nspawn --quiet -D "$root" --register=no --keep-unit --network-namespace-path="/run/netns/$namespace" \
    --bind-ro="$checkout:$collection:norbind" --boot </dev/null >"$log" 2>&1 &
machine=$!
leader='' ready=''
for ((tries = 0; tries < 120; tries++)); do
    leader=$(pgrep --parent "$machine" | head -n 1) || true
    [[ -n $leader ]] && inside true 2>/dev/null && inside "systemctl is-system-running" 2>/dev/null | grep -qE 'running|degraded' && ready=1 && break
    kill -0 "$machine" 2>/dev/null || break
    sleep 0.5
done
[[ -n $ready ]] || fail "systemd did not start (systemd-nspawn does not work in most containers): $(tail -n 5 "$log")"
inside "curl --silent --retry 20 --retry-connrefused -X PUT http://127.0.0.1:8080/_sim/keys/$key \
    -d '{\"plan\": {\"kind\": \"share\", \"channels\": 12}, \"whitelist\": [\"203.0.113.5\"]}'" >/dev/null
other=$(inside "systemctl show --property MainPID --value haproxy")

# Another program has the port at first. After several starts, systemd refuses one for ten seconds.
nsenter --net="/run/netns/$namespace" python3 -m http.server --bind 127.0.0.1 3128 >/dev/null 2>&1 &
taken=$!
said=$(play gateway.yml || true)
kill "$taken"
wait "$taken" || true
[[ $said == *'Address already in use'* ]] || fail "a port in use is not named: $said"
[[ $(bought) == 0 ]] || fail "leases were bought before the gateway could run"
sleep 10

SECONDS=0
play gateway.yml
inside "curl --silent --fail --proxy http://127.0.0.1:3128 http://d.qg.net/ip"
echo "the first request was answered $SECONDS seconds after the playbook began"
said=$(play qingguo.qgnet.refresh_timer --extra-vars qg_hosts=crawlers || true)
[[ $said == *'was not installed'*'qg_key'* ]] || fail "a first run without the key is not named: $said"
left=$(inside "ls /etc/systemd/system | grep qg-refresh" || true)
[[ -z $left ]] || fail "a timer whose first run failed is left: $left"
key_for qg-refresh-crawlers
key_for qg-refresh-here
play qingguo.qgnet.refresh_timer --extra-vars qg_hosts=crawlers
play qingguo.qgnet.refresh_timer --extra-vars qg_hosts=here
play qingguo.qgnet.refresh_timer --extra-vars "'qg_timer_name=qg-refresh-here qg_timer_state=absent'"
[[ $(timers) == qg-refresh-crawlers.timer ]] || fail "two timers are not apart: $(timers)"
before=$(bought)
inside "python3 crawl.py 150" || fail "requests failed, or the timer replaced no leases"
echo "in 150 seconds, three leases of a minute took $(($(bought) - before)) purchases; at least 7.5 are needed"
inside "journalctl --unit=qg-refresh-crawlers --lines=30 --output=cat --no-pager"

# A run that fails is a failed service, and the gateway serves on.
inside "curl --silent http://127.0.0.1:8080/_sim/faults -d '{\"path\": \"/share/query\", \"kind\": \"status\", \"http_status\": 403, \"times\": -1}'" >/dev/null
for ((tries = 0; tries < 60; tries++)); do
    inside "systemctl is-failed --quiet qg-refresh-crawlers" && break
    sleep 0.5
done
((tries < 60)) || fail "a failed refresh is not a failed service"
inside "curl --silent --fail --proxy http://127.0.0.1:3128 http://d.qg.net/ip"
inside "curl --silent --request DELETE http://127.0.0.1:8080/_sim/faults" >/dev/null

inside "exec timeout 300 python3 -m http.server --bind 127.0.0.1 9101 </dev/null >/dev/null 2>&1 & echo \$! >/run/other.pid; sleep 2"
[[ $(play gateway.yml --extra-vars proxy_gateway_metrics=127.0.0.1:9101 || true) == *"already in use"* ]] || fail "a reload that failed was not reported"
inside "kill \$(cat /run/other.pid)"
play gateway.yml --extra-vars proxy_gateway_metrics=127.0.0.1:9101 || fail "a reload that failed was not repaired"
# Its removal takes the timer along.
play gateway.yml --extra-vars proxy_gateway_state=absent
play gateway.yml --extra-vars proxy_gateway_state=absent | grep -q 'changed=0' || fail "a second removal changed something"
left=$(inside "ls -d /etc/qg-* /run/qg-proxy-* /etc/systemd/system/qg-* 2>/dev/null" || true)
[[ -z $left ]] || fail "files are left: $left"
[[ $(inside "systemctl show --property MainPID --value haproxy") == "$other" ]] || fail "the other HAProxy was changed"
echo "all went as it should; the HAProxy that was there before still runs"
