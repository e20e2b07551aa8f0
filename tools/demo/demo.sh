#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The whole story on one machine, without an account and without the internet: hosts that the proxy refuses are
# registered by one run of the playbook, get through, and leave again. Ends 0 only if every step went as it should.
# `make demo` prepares the environment. QGNET_DEMO_WAY chooses the hosts: ssh, rootless, or loopback. With the argument
# "leases", the hosts lease proxies of a product, crawl through them, and get new ones when they have ended. With "gateway",
# three hosts crawl through gateways while all leases are replaced twice.
set -euo pipefail

readonly hosts=5 key=QGDEMO01
here=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
checkout=$(realpath -- "$here/../..")
lab=$checkout/tools/lab/lab.sh

fail() {
    printf '\nThe demo stopped: %s\n' "$*" >&2
    exit 1
}

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi

heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

story=${1:-register}
[[ $story == register || $story == leases || $story == gateway ]] ||
    fail "there is no story '$story': give leases, gateway, or nothing."

command -v ansible-playbook >/dev/null || fail "ansible-playbook is not on the PATH; start the demo with 'make demo'."
command -v curl >/dev/null || fail "curl is missing; on Debian or Ubuntu: apt-get install curl."
python=$(command -v python3) || fail "python3 is not on the PATH; start the demo with 'make demo'."
"$python" -c 'import requests, qgnet_simulator' 2>/dev/null ||
    fail "$python lacks requests or the simulator; start the demo with 'make demo'."
ansible-doc --type module --list qingguo.qgnet 2>/dev/null | grep -q qg_whitelist ||
    fail "Ansible does not find the collection qingguo.qgnet; start the demo with 'make demo'."

# Which hosts this machine can make.
way=${QGNET_DEMO_WAY:-} reason=
if [[ -z $way ]]; then
    if reason=$("$lab" check 2>&1); then
        way=ssh
    elif reason=$("$lab" rootless true 2>&1); then
        way=rootless
    else
        way=loopback
    fi
fi
if [[ $way == rootless ]]; then
    # The same again in a user namespace, where an ordinary user may make networks; SSH hosts work there, too.
    QGNET_DEMO_WAY=ssh exec "$lab" rootless bash "$here/demo.sh" "$story"
fi

temporary=${TMPDIR:-/tmp}
((${#temporary} <= 30)) || temporary=/tmp # the path of a socket must be short
work=$(mktemp -d "$temporary/qg-demo.XXXXXXXX")
export QGNET_LAB_DIR=$work/lab QGNET_LAB_PYTHON=$python
simulator=

finish() {
    local code=$?
    trap - EXIT INT TERM
    if [[ $way == ssh ]]; then
        "$lab" down || true
    elif [[ -n $simulator ]]; then
        kill "$simulator" 2>/dev/null || true
        wait "$simulator" 2>/dev/null || true
    fi
    rm -rf -- "$work"
    ((code != 0)) || echo "Hosts and simulator are stopped, nothing is left behind."
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- Two ways to have hosts. Each gives: start_hosts, control COMMAND..., on_host NUMBER CURL_ARGUMENT..., $url, $proxy
start_ssh_hosts() {
    echo "$hosts hosts in network namespaces, each with an SSH server and an address of its own; a bridge joins them."
    [[ $(id -u) == 0 ]] || echo "(Without root, all of it runs in a user namespace, which has no other network.)"
    "$lab" up "$hosts" >/dev/null || fail "the hosts could not be started."
    "$lab" simulator --key "$key" >/dev/null || fail "the simulator could not be started."
    inventory=$QGNET_LAB_DIR/inventory
    url=http://198.18.77.1:8080 proxy=http://198.18.77.1:3128
    sources=("$url/ip" "$url/json")
    echo "host1 has curl only, host2 wget only, host3 Python only: the role takes what is there."
}

start_loopback_hosts() {
    echo "$hosts hosts on this machine; each leaves from a loopback address of its own, 127.0.0.11 to 127.0.0.$((10 + hosts))."
    echo "(As root, or where users may make network namespaces, and with openssh-server installed, each host gets an SSH"
    echo "server and a network of its own.${reason:+ Here: ${reason#lab.sh: }})"
    local number ready=$work/simulator.json tries=400 arguments=()
    inventory=$work/inventory.yml
    printf 'demo:\n  vars:\n    ansible_connection: local\n    ansible_python_interpreter: %s\n  hosts:\n' "$python" >"$inventory"
    for ((number = 1; number <= hosts; number++)); do
        arguments+=(--map "127.0.0.$((10 + number))=203.0.113.$((10 + number))")
        printf '    host%s:\n' "$number" >>"$inventory"
    done
    "$python" -m qgnet_simulator --host 127.0.0.1 --port 0 --proxy-port 0 --key "$key" --ready-file "$ready" \
        "${arguments[@]}" </dev/null >"$work/simulator.log" 2>&1 &
    simulator=$!
    until [[ -s $ready ]]; do
        { ((tries-- > 0)) && kill -0 "$simulator" 2>/dev/null; } ||
            fail "the simulator did not start: $(tail -n 1 "$work/simulator.log")"
        sleep 0.05
    done
    url=$(field api_url <"$ready") proxy=$(field proxy_url <"$ready")
    # What Ansible runs here leaves from 127.0.0.1, so each host has an echo service of its own.
    for ((number = 1; number <= hosts; number++)); do
        sim PUT "/echo/host$number" "{\"answer\": \"203.0.113.$((10 + number))\"}"
    done
    sources=("$url/echo/{{ inventory_hostname }}" "$url/echo/{{ inventory_hostname }}?again")
    on_host 1 --output /dev/null "$url/ip" || fail "this system cannot send from 127.0.0.11; run the demo on Linux."
}

control() { if [[ $way == ssh ]]; then "$lab" run "$@"; else "$@"; fi; }

on_host() {
    local number=$1
    shift
    set -- --silent --max-time 10 --noproxy '' "$@"
    if [[ $way == ssh ]]; then
        # The lab puts a curl for onlookers on every host, beside the PATH.
        "$lab" ssh "host$number" "env -u ALL_PROXY -u http_proxy /run/lab/curl ${*@Q}"
    else
        env -u ALL_PROXY -u all_proxy -u http_proxy curl --interface "127.0.0.$((10 + number))" "$@"
    fi
}

# ---- Little helpers
field() { "$python" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

listed() {
    control curl --silent --max-time 10 --noproxy '*' "$url/_sim/state" |
        "$python" -c 'import json, sys; print(*sorted(json.load(sys.stdin)["keys"][sys.argv[1]]["whitelist"]))' "$key"
}

# try_proxy STATUS: every host asks through the proxy for the address that the world sees, and must get this status
try_proxy() {
    local number answer status words
    for ((number = 1; number <= hosts; number++)); do
        answer=$(on_host "$number" --proxy "$proxy" --write-out '\n%{http_code}' "$url/ip") || true
        status=${answer##*$'\n'}
        case $status in
        200) words="accepted by the proxy; sites see ${answer%%$'\n'*}" ;;
        407) words="rejected by the proxy (407)" ;;
        *) words="no sensible answer ($status)" ;;
        esac
        printf '  host%s, egress IP 203.0.113.%s: %s\n' "$number" $((10 + number)) "$words"
        [[ $status == "$1" ]] || fail "host$number should have got the status $1 from the proxy, and got $status."
    done
}

# play NAME CHANGED [ARGUMENT...]: run a playbook of the collection; so many hosts must have changed
play() {
    local name=$1 wanted=$2 count ok
    shift 2
    printf '$ ansible-playbook %s%s\n' "$name" "${*:+ $*}"
    control timeout 120 ansible-playbook --inventory "$inventory" --extra-vars "@$work/vars.yml" "$name" "$@" 2>&1 |
        tee "$work/output" || fail "$name failed."
    sed -i 's/\x1b\[[0-9;]*m//g' "$work/output"
    count=$(grep -cE '^host[0-9]+ +: ok=[0-9]+ +changed=[1-9]' "$work/output" || true)
    ok=$(grep -cE '^host[0-9]+ +: ok=[1-9][0-9]* +changed=[0-9]+ +unreachable=0 +failed=0' "$work/output" || true)
    ((ok == hosts)) || fail "$name went through on $ok of $hosts hosts."
    ((count == wanted)) || fail "$name changed something for $count hosts instead of $wanted."
}

expect_list() {
    local list
    list=$(listed) || fail "the simulator does not answer."
    echo "The whitelist now: ${list:-(empty)}"
    [[ $list == "$1" ]] || fail "the list should be: ${1:-(empty)}"
}

tell_register() {
    heading "Before: the proxy rejects every host"
    try_proxy 407

    heading "One run registers them all"
    play qingguo.qgnet.register "$hosts" --diff
    expect_list "$everyone"

    heading "After: the proxy accepts every host"
    try_proxy 200

    heading "The same run again changes nothing"
    play qingguo.qgnet.register 0 --diff
    expect_list "$everyone"

    heading "The hosts leave"
    play qingguo.qgnet.deregister "$hosts" --diff --extra-vars qg_all=true
    expect_list ""
    try_proxy 407
}

# sim METHOD PATH [JSON]: a control call
sim() {
    local method=$1 path=$2
    shift 2
    control curl --silent --fail --max-time 10 --noproxy '*' -X "$method" ${1:+--data "$1"} "$url/_sim$path" >/dev/null ||
        fail "the simulator refused $method $path."
}

# seen: the addresses that the site has seen in the last play, sorted
seen() { grep -oE 'was seen as [0-9.]+' "$work/output" | sort -u; }

tell_leases() {
    local first second again here_listed=
    export QG_PRODUCT=share
    printf 'page: %s\n' "$url/ip" >>"$work/vars.yml"
    sim PUT "/keys/$key" '{"plan": {"kind": "share", "channels": 5}}'

    heading "One run registers all hosts with the key"
    play qingguo.qgnet.register "$hosts" --diff
    expect_list "$everyone"
    if [[ $way == loopback ]]; then
        echo "(These hosts send through proxies from 127.0.0.1, which is therefore listed as well.)"
        sim PUT "/keys/$key" "{\"whitelist\": [\"127.0.0.1\", \"${everyone// /\", \"}\"]}"
        here_listed=127.0.0.1
    fi

    heading "One run leases a short-lived proxy for each host, and crawls"
    play "$here/leases.yml" 1
    first=$(seen)
    (($(wc -l <<<"$first") == hosts)) || fail "the site should have seen $hosts addresses."

    heading "The same run again leases nothing"
    play "$here/leases.yml" 0
    again=$(seen)
    [[ $again == "$first" ]] || fail "the hosts should have kept their proxies."

    heading "A minute later, the leases have ended: the run gets new ones"
    sim PUT /clock '{"advance": 70}'
    play "$here/leases.yml" 1
    second=$(seen)
    (($(wc -l <<<"$second") == hosts)) || fail "the site should have seen $hosts addresses."
    [[ $second != "$first" ]] || fail "the hosts should leave through new proxies."

    heading "The hosts leave"
    play qingguo.qgnet.deregister "$hosts" --diff --extra-vars qg_all=true
    expect_list "$here_listed"
}

tell_gateway() {
    [[ $way == ssh ]] || fail "this story needs hosts in network namespaces, as root or where users may make them."
    command -v haproxy >/dev/null || [[ -x /usr/sbin/haproxy ]] || fail "haproxy is missing; on Debian: apt-get install haproxy."
    sim PUT "/keys/$key" "{\"plan\": {\"channels\": 20}, \"whitelist\": [\"${everyone// /\", \"}\"]}"

    heading "Three hosts crawl through their gateways, and all leases are replaced twice"
    control "$python" "$here/gateway.py" --inventory "$inventory" --lab "$QGNET_LAB_DIR/lab" --url "$url" ||
        fail "a request was lost."
}

# ---- The story
everyone=$(for ((number = 1; number <= hosts; number++)); do printf ' 203.0.113.%s' $((10 + number)); done)
everyone=${everyone# }

heading "Hosts, and a simulated QG.net"
start_"$way"_hosts
echo "The simulator: API $url, proxy $proxy"

cat >"$work/ansible.cfg" <<'CONFIG'
[defaults]
nocows = true
retry_files_enabled = false
[diff]
context = 0
CONFIG
# A play against the real QG.net needs none of these, but for the key: they lead to the simulator.
cat >"$work/vars.yml" <<VARS
egress_whitelist_sources: ["${sources[0]}", "${sources[1]}"]
VARS
mkdir -m 700 "$work/state"
export ANSIBLE_CONFIG=$work/ansible.cfg QG_KEY=$key QG_API_URL=$url QG_STORE=$work/state
[[ -z $bold ]] || export ANSIBLE_FORCE_COLOR=true

"tell_$story"

heading "All went as it should"
