# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For cases that use the distribution's libvirt: it is started under its AppArmor profiles, its
# events are kept in $log, and all of it ends with the case.

folder=/run/mdevd-libvirt
log=$folder/events
profiles="usr.sbin.libvirtd usr.lib.libvirt.virt-aa-helper"
mark=0

fail() {
        echo "not ok: $*"
        cat $log 2>/dev/null || true
        journalctl -u mdevd -u libvirtd -o cat -n 40 --no-pager
        journalctl -k -o cat --no-pager | grep 'apparmor="DENIED"' | tail -5 || true
        exit 1
}

libvirt_cleanup() {
        virsh -q "destroy vm1; undefine vm1" 2>/dev/null
        [[ ${events_pid-} ]] && kill "$events_pid"
        systemctl stop libvirtd.service 'libvirtd*.socket' 'virtlogd*' 'virtlockd*' 2>/dev/null
        for p in $profiles; do
                apparmor_parser -R /etc/apparmor.d/"$p"
        done
        rm -rf $folder
        true
}

libvirt_start() {
        mkdir -p $folder
        trap libvirt_cleanup EXIT
        rm -f /etc/libvirt/qemu/networks/autostart/default.xml
        for p in $profiles; do
                rm -f /etc/apparmor.d/disable/"$p" # the image has it for the sake of every boot
                apparmor_parser -r /etc/apparmor.d/"$p"
        done
        systemctl start virtlogd.socket libvirtd.service
        grep -q '^libvirtd (enforce)' "/proc/$(systemctl show -P MainPID libvirtd)/attr/current" ||
                fail "libvirtd is not confined"
}

libvirt_listen() {
        stdbuf -oL virsh nodedev-event --event lifecycle --loop >$log 2>&1 &
        events_pid=$!
}

# Our module's parent, and its type of 4 MiB.
configure() {
        mkdir -p /etc/mdevd
        cat >/etc/mdevd/mdevd.json <<JSON
{ "parents": [ { "address": "$MDEVD_PARENT0", "types": [ "fb-4M" ],
                 "pools": [ { "name": "fb", "bar": 2, "cache": "wc" } ] } ],
  "types": { "fb-4M": { "bars": [ { "pool": "fb", "size": "4M" } ] } } }
JSON
}

manager() { busctl call org.mdevd1 /org/mdevd1 org.mdevd1.Manager "$@"; }

# The name that libvirt gives to a node device.
node() { # parent, UUID
        local name="mdev_$2_$1"
        echo "${name//[!a-zA-Z0-9]/_}"
}

node_xml() { # parent, type, UUID, more XML
        echo "<device><parent>$1</parent><capability type='mdev'><type id='$2'/>" \
                "<uuid>$3</uuid>${4-}</capability></device>"
}

# What nodedev-info says: active, persistent, autostart. libvirt knows late: what it lists again upon
# a change of a file may have been read before the next change.
is() { # name, states
        local found until=$((SECONDS + 60))
        while :; do
                found=$(virsh -q nodedev-info "$1" 2>&1 |
                        awk '/^(Active|Persistent|Autostart):/ { printf "%s%s", s, $2; s = " " }')
                [[ $found == "$2" ]] && return
                ((SECONDS < until)) ||
                        fail "$1 is '$found', not '$2' (active, persistent, autostart)"
        done
}

# Events that come after a mark; libvirt watches uevents and files by itself, and later than we do.
mark() { mark=$(wc -l <$log); }
await_event() { # name, what
        local what="'lifecycle' for node device $1: $2"
        # shellcheck disable=SC2086
        grep -q -m 1 -- "$what" < <(timeout 60 tail -n +$((mark + 1)) -f --pid=$events_pid $log) ||
                fail "no event $what"
}

# That the command fails, and says so; $out is what it said.
refused() { # words…, -- , parts of what it says…
        local words=()
        while [[ $1 != -- ]]; do
                words+=("$1")
                shift
        done
        shift
        if out=$("${words[@]}" 2>&1); then
                fail "'${words[*]}' was done: $out"
        fi
        for part; do
                [[ $out == *"$part"* ]] || fail "'${words[*]}' said, without '$part': $out"
        done
}

# vm1, with the mediated device as function 0 of slot 5; paused, and then run with the guest program. No
# tick: see tests/vm/README.md, and libvirt has no word for that.
machine_define() { # UUID, cmdline
        mkdir -p /run/mdevd-guest/vm1
        chmod 777 /run/mdevd-guest/vm1
        # not below /usr/lib: virt-aa-helper refuses a kernel from there
        cp /usr/lib/mdevd-test/guest.elf $folder/guest.elf
        cat >$folder/vm1.xml <<XML
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>vm1</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>$folder/guest.elf</kernel>
<cmdline>$2</cmdline></os>
<cpu mode='host-passthrough'/><on_poweroff>destroy</on_poweroff>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<serial type='unix'><source mode='bind' path='/run/mdevd-guest/vm1/serial'/></serial>
<controller type='usb' model='none'/><memballoon model='none'/>
<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='$1'/></source>
<address type='pci' domain='0' bus='0' slot='5' function='0'/></hostdev>
</devices>
<qemu:commandline><qemu:arg value='-machine'/><qemu:arg value='pit=off'/></qemu:commandline></domain>
XML
        virsh -q define $folder/vm1.xml
}

machine_run() {
        local pid
        virsh -q start --paused vm1 || fail "vm1 does not start"
        pid=$(pgrep -f 'guest=vm1,') || fail "vm1 has no QEMU"
        grep -q '^libvirt-' "/proc/$pid/attr/current" || fail "QEMU is not confined"
        guest adopt vm1 "$pid" virsh -q resume vm1 || fail "vm1 does not come up"
}
