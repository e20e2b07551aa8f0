#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A lab of SSH hosts on one Linux machine. Every host has a network namespace, an address, a host name and an
# sshd of its own; a bridge in one more namespace, the controller's, joins them. Nothing touches the machine's own network.
set -euo pipefail

readonly subnet=198.18.77 # RFC 2544: for tests of network devices, routed nowhere
readonly gateway=$subnet.1 # the bridge: here the simulator listens
readonly public=203.0.113  # RFC 5737: how the simulator sees the hosts
readonly first=10          # host 1 is .11
readonly api_port=8080 proxy_port=3128
readonly path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

self=$(realpath -- "${BASH_SOURCE[0]}")
checkout=$(realpath -- "$(dirname -- "$self")/../..")
PATH=$PATH:/usr/sbin:/sbin

usage() {
    cat <<'USAGE'
usage: lab.sh check              say what this machine lacks for a lab, if anything
       lab.sh up N               make N hosts (1 to 200)
       lab.sh run COMMAND...     run a command in the controller's namespace
       lab.sh ssh HOST [COMMAND...]  log in to a host, such as host1, or run a command there
       lab.sh inventory          print the hosts as an Ansible inventory (JSON, as from an inventory script)
       lab.sh simulator [ARG...] start the simulator on the bridge (QGNET_LAB_PYTHON names its Python), print its ready file
       lab.sh door               make the simulator reachable on a loopback port outside of the lab, print its URL
       lab.sh down               stop and remove everything
       lab.sh rootless COMMAND...  run a command, such as a script that uses this one, in a user namespace of its own: there
                                 the above works without root; the command has no network, and no process outlives it
The lab lives in the directory QGNET_LAB_DIR; without it, QGNET_LAB_NAME (default: lab) chooses one of this checkout.
Labs in different directories do not know of each other.
USAGE
}

die() {
    printf 'lab.sh: %s\n' "$*" >&2
    exit 1
}

# The default directory belongs to this user and this checkout, so that two checkouts can have a lab each.
short_hash() { printf '%s' "$1" | sha256sum | cut -c1-8; }
temporary=${TMPDIR:-/tmp}
((${#temporary} <= 30)) || temporary=/tmp # see make_directory for why it must be short
dir=$(realpath -m -- "${QGNET_LAB_DIR:-$temporary/qg-${QGNET_LAB_NAME:-lab}-$(id -u)-$(short_hash "$checkout")}")
# Names follow from the directory alone: `down` finds what a broken `up` left, whatever became of the directory.
lab=qg$(short_hash "$dir")

host_namespace() { printf '%s-%s' "$lab" "$1"; }
host_address() { printf '%s.%s' "$subnet" $((first + $1)); }
public_address() { printf '%s.%s' "$public" $((first + $1)); }

# What a host has to ask the web with: the first three have one tool only, the others all of them.
host_tools() {
    case $1 in
    1) echo curl ;;
    2) echo wget ;;
    3) echo python3 ;;
    *) echo all ;;
    esac
}

namespaces() { ip netns list | cut -d' ' -f1 | grep -E "^$lab(-[0-9]+)?\$" || true; }
is_up() { [[ -f $dir/hosts ]] && namespaces | grep -qx "$lab"; }
need_up() { is_up || die "no lab in $dir: start one with 'lab.sh up 5'"; }

# Bounded waits: patience SECONDS, then `until ...; do tick || give up; done`.
patience() { deadline=$((SECONDS + $1 + 1)); }
tick() { ((SECONDS < deadline)) && sleep 0.05; }

check_programs() {
    local tool missing=()
    for tool in ip nsenter unshare mount hostname ssh ssh-keygen sshd curl wget python3; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    ((${#missing[@]} == 0)) ||
        die "missing: ${missing[*]} (Debian's packages: openssh-server openssh-client iproute2 util-linux hostname curl wget python3)"
}

check_rights() {
    local capabilities
    capabilities=$((16#$(sed -n 's/^CapEff:\s*//p' /proc/self/status)))
    # CAP_NET_ADMIN is bit 12, CAP_SYS_ADMIN is bit 21.
    { (((capabilities >> 12 & 1) && (capabilities >> 21 & 1))) && [[ -w /run && (! -e /run/netns || -w /run/netns) ]]; } ||
        die "network namespaces need root; without it, try 'lab.sh rootless COMMAND...'"
}

make_directory() {
    [[ $dir =~ ^[A-Za-z0-9/._-]+$ ]] || die "the path $dir has characters that ssh's options cannot take: set QGNET_LAB_DIR"
    # ssh puts its control sockets below this directory, and the path of a socket is short by nature.
    ((${#dir} <= 60)) || die "the path $dir is too long for ssh's sockets: set QGNET_LAB_DIR to a shorter one"
    [[ ! -e $dir ]] || die "$dir exists already: remove it, or set QGNET_LAB_DIR to another path"
    mkdir -p -- "$(dirname -- "$dir")"
    mkdir -m 700 -- "$dir" # without -p: fails if someone else was faster
    : >"$dir/.lab"
    mkdir -- "$dir/cp"
}

make_network() {
    ip netns add "$lab"
    ip -n "$lab" link set lo up
    ip -n "$lab" link add br0 type bridge
    ip -n "$lab" address add "$gateway/24" dev br0
    ip -n "$lab" link set br0 up
}

make_host() {
    local number=$1 namespace files=$dir/host$1
    namespace=$(host_namespace "$number")
    ip netns add "$namespace"
    ip -n "$lab" link add "host$number" type veth peer name eth0 netns "$namespace"
    ip -n "$lab" link set "host$number" master br0 up
    ip -n "$namespace" link set lo up
    ip -n "$namespace" address add "$(host_address "$number")/24" dev eth0
    ip -n "$namespace" link set eth0 up

    mkdir -- "$files"
    ssh-keygen -q -t ed25519 -N '' -C "host$number" -f "$files/host_key"
    printf '%s %s\n' "$(host_address "$number")" "$(cut -d' ' -f1,2 "$files/host_key.pub")" >>"$dir/known_hosts"
    cp -- "$dir/id.pub" "$files/authorized_keys"
    # The environment names a proxy that is not there: whoever asks for the host's address must not go through it.
    cat >"$files/sshd_config" <<CONFIG
ListenAddress $(host_address "$number")
Port 22
HostKey /run/lab/host_key
AuthorizedKeysFile /run/lab/authorized_keys
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
PidFile none
MaxStartups 100:30:200
Subsystem sftp internal-sftp
SetEnv http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9
CONFIG
    # A session of its own, for the caller's process group may get signals that are not meant for the hosts.
    setsid nsenter --net="/run/netns/$namespace" \
        unshare --mount --uts --pid --fork --mount-proc --kill-child \
        bash "$self" _host "$number" "$(host_tools "$number")" "$files" </dev/null >"$files/log" 2>&1 &
    host_pids[number]=$!
}

# hide PATTERN...: for this host there are no programs of these names. A directory that has one of them is covered
# by a directory of links to all of its other programs. (An empty file in a program's place would not do: some
# shells find it.)
hide() {
    local directory pattern file cover=0
    local -a found
    while read -r -d: directory; do
        found=()
        for pattern in "$@"; do
            while read -r -d '' file; do
                found+=("${file##*/}")
            done < <(find -H "$directory" -maxdepth 1 -name "$pattern" -print0 2>/dev/null)
        done
        ((${#found[@]})) || continue
        cover=$((cover + 1))
        mkdir -p "/run/lab/real$cover" "/run/lab/cover$cover"
        mount --bind "$directory" "/run/lab/real$cover"
        find "/run/lab/real$cover" -mindepth 1 -maxdepth 1 -exec ln -s -t "/run/lab/cover$cover" -- {} +
        (cd "/run/lab/cover$cover" && rm -- "${found[@]}")
        mount --bind "/run/lab/cover$cover" "$directory"
    done <<<"$path:"
}

# The first process of a host, in namespaces of its own.
host() {
    local number=$1 tools=$2 files=$3 sshd
    hostname "qg-host$number"
    sshd=$(command -v sshd)
    # Everything that the host needs goes into a /run of its own; the control node's files vanish from its sight.
    mkdir -- "$files/run"
    mount -t tmpfs -o mode=0755 tmpfs "$files/run"
    mkdir -m 0755 -- "$files/run/sshd" "$files/run/lab"
    cp -- "$files"/{host_key,authorized_keys,sshd_config} "$files/run/lab/"
    # Tests look through the host's eyes with this curl, which is not on the PATH.
    cp -- "$(readlink -f -- "$(PATH=$path command -v curl)")" "$files/run/lab/curl"
    mount --rbind "$files/run" /run
    if [[ $(id -u) == 0 ]]; then
        # sshd lets nobody in whose account is locked, as root's is on some systems.
        printf '%s:*:20000::::::\n' root sshd >/run/lab/shadow
        chmod 0600 /run/lab/shadow
        mount --bind /run/lab/shadow /etc/shadow
    fi
    case $tools in
    curl) hide wget 'python*' ;;
    wget) hide curl 'python*' ;;
    python3) hide curl wget ;;
    esac
    mount -t tmpfs -o mode=1777 tmpfs /tmp
    mount -t tmpfs -o mode=1777 tmpfs /var/tmp
    # A home in /tmp has gone with it.
    mkdir -p -- "$HOME"
    mount -t tmpfs -o mode=0700 tmpfs "$HOME"
    cd /
    exec "$sshd" -D -e -f /run/lab/sshd_config
}

answers() {
    local greeting
    # shellcheck disable=SC2016  # the inner shell opens the connection, for it is in the right namespace
    greeting=$(nsenter --net="/run/netns/$lab" timeout 2 bash -c 'head -c 4 <"/dev/tcp/$1/22"' _ "$1" 2>/dev/null) || return 1
    [[ $greeting == SSH- ]]
}

write_client_files() {
    # ssh itself runs in the controller's namespace, so ansible may run anywhere.
    printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s ssh "$@"\n' "$lab" >"$dir/ssh"
    printf '#!/bin/sh\nexec "%s" inventory\n' "$dir/lab" >"$dir/inventory"
    printf '#!/bin/sh\nQG_LAB_DIR="%s" exec bash "%s" "$@"\n' "$dir" "$self" >"$dir/lab"
    chmod 0700 "$dir/ssh" "$dir/inventory" "$dir/lab"
}

up() {
    local count=${1:-} number host_pids=()
    [[ $count =~ ^([1-9]|[1-9][0-9]|1[0-9][0-9]|200)$ ]] || die "up needs the number of hosts, 1 to 200"
    check_programs
    check_rights
    [[ -z $(namespaces) ]] || die "a lab is there already: 'lab.sh down' removes it (QGNET_LAB_DIR=$dir)"
    make_directory
    trap 'down' EXIT
    ssh-keygen -q -t ed25519 -N '' -C lab -f "$dir/id"
    make_network
    for ((number = 1; number <= count; number++)); do
        make_host "$number"
    done
    patience 20
    for ((number = 1; number <= count; number++)); do
        until answers "$(host_address "$number")"; do
            { tick && kill -0 "${host_pids[number]}" 2>/dev/null; } ||
                die "host $number does not answer on its SSH port; its log says: $(tail -n 3 "$dir/host$number/log")"
        done
    done
    write_client_files
    printf '%s\n' "$count" >"$dir/hosts"
    trap - EXIT
    echo "$count hosts are up, $(host_address 1) to $(host_address "$count"); files in $dir"
}

ssh_options() {
    printf '%s' "-F none -o UserKnownHostsFile=$dir/known_hosts -o GlobalKnownHostsFile=/dev/null"
    printf '%s' " -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o IdentityAgent=none"
}

login() {
    need_up
    local number=${1:-} options
    number=${number#host}
    [[ $number =~ ^[1-9][0-9]{0,2}$ && -d $dir/host$number ]] || die "there is no host '${1:-}' (the first one is host1)"
    shift
    read -ra options <<<"$(ssh_options)"
    exec "$dir/ssh" "${options[@]}" -q -i "$dir/id" "$(host_address "$number")" "$@"
}

inventory() {
    local number separator='' count hosts='' variables='' terminal
    if ! is_up; then
        echo '{"lab": {"hosts": []}, "_meta": {"hostvars": {}}}'
        return
    fi
    count=$(<"$dir/hosts")
    # Without root, sshd cannot hand a terminal to its user.
    if [[ $(id -u) == 0 ]]; then terminal=true; else terminal=false; fi
    for ((number = 1; number <= count; number++)); do
        hosts+="$separator\"host$number\""
        variables+="$separator
  \"host$number\": {\"ansible_host\": \"$(host_address "$number")\", \"lab_public\": \"$(public_address "$number")\", \"lab_tools\": \"$(host_tools "$number")\"}"
        separator=', '
    done
    cat <<JSON
{"lab": {
 "hosts": [$hosts],
 "vars": {
  "ansible_connection": "ssh",
  "ansible_user": "$(id -un)",
  "ansible_ssh_executable": "$dir/ssh",
  "ansible_ssh_private_key_file": "$dir/id",
  "ansible_ssh_common_args": "$(ssh_options)",
  "ansible_control_path_dir": "$dir/cp",
  "ansible_ssh_use_tty": $terminal,
  "ansible_ssh_transfer_method": "piped"}},
"all": {"vars": {"lab_dir": "$dir"}},
"_meta": {"hostvars": {$variables}}}
JSON
}

simulator() {
    need_up
    local ready=$dir/simulator.json log=$dir/simulator.log number count arguments=()
    [[ ! -e $ready ]] || die "the simulator runs already"
    count=$(<"$dir/hosts")
    for ((number = 1; number <= count; number++)); do
        arguments+=(--map "$(host_address "$number")=$(public_address "$number")")
    done
    setsid nsenter --net="/run/netns/$lab" "${QGNET_LAB_PYTHON:-python3}" -m qgnet_simulator --host "$gateway" --port "$api_port" \
        --proxy-port "$proxy_port" --ready-file "$ready" "${arguments[@]}" "$@" </dev/null >"$log" 2>&1 &
    local pid=$!
    patience 20
    until [[ -s $ready ]]; do
        { tick && kill -0 "$pid" 2>/dev/null; } || die "the simulator did not start; its log says: $(tail -n 3 "$log")"
    done
    cat "$ready"
}

door() {
    need_up
    local ready=$dir/door.url
    [[ ! -e $ready ]] || die "the door is open already: $(<"$ready")"
    setsid "${QGNET_LAB_PYTHON:-python3}" "$checkout/tools/lab/door.py" "/run/netns/$lab" "$gateway" "$api_port" "$ready" \
        </dev/null >"$dir/door.log" 2>&1 &
    patience 10
    until [[ -s $ready ]]; do
        tick || die "the door did not open; its log says: $(tail -n 3 "$dir/door.log")"
    done
    cat "$ready"
}

processes() {
    local namespace
    for namespace in $(namespaces); do
        ip netns pids "$namespace"
    done
}

# stop SIGNAL SECONDS: send it to every process of the lab; succeeds when none is left
stop() {
    local pid
    for pid in $(processes); do
        kill -s "$1" "$pid" 2>/dev/null || true
    done
    patience "$2"
    while [[ -n $(processes) ]]; do
        tick || return 1
    done
}

down() {
    local namespace
    [[ -n $(namespaces) || -e $dir ]] || return 0
    [[ $(ip netns identify $$) != "$lab"* ]] || die "'down' does not work from inside of the lab"
    stop TERM 3 || stop KILL 5 || die "processes do not end: $(processes | tr '\n' ' ')"
    for namespace in $(namespaces); do
        ip netns delete "$namespace"
    done
    # Only a directory that a lab made is removed.
    if [[ -f $dir/.lab ]]; then
        rm -rf -- "$dir"
    fi
}

rootless() {
    check_programs
    unshare --user --map-current-user --keep-caps --net --mount --pid true 2>/dev/null ||
        die "this system does not let an ordinary user make user namespaces"
    exec unshare --user --map-current-user --keep-caps --net --mount --pid --fork --kill-child --mount-proc \
        bash "$self" _rootless "$@"
}

main() {
    local command=${1:-}
    (($# == 0)) || shift
    case $command in
    check) check_programs && check_rights ;;
    up) up "$@" ;;
    run)
        need_up
        exec nsenter --net="/run/netns/$lab" "$@"
        ;;
    ssh) login "$@" ;;
    inventory) inventory ;;
    simulator) simulator "$@" ;;
    door) door ;;
    down) down ;;
    rootless) rootless "$@" ;;
    _rootless)
        mount -t tmpfs tmpfs /run # for the names of network namespaces
        ip link set lo up
        exec "$@"
        ;;
    _host) host "$@" ;;
    -h | --help | help) usage ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
}

main "$@"
exit
