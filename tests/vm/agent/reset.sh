#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Run after each test case: brings the VM back to how it booted, so that no case can depend on an
# earlier one. Fails, saying what stays, when that cannot be done: that is a failure of the case.

shopt -s nullglob
saved=/var/lib/mdevd-test
status=0

complain() {
        echo "reset: $*"
        status=1
}

# The first run keeps the configuration as installed.
if [[ ! -d $saved ]]; then
        mkdir -p $saved
        for d in mdevd mdevctl.d; do
                [[ -e /etc/$d ]] && cp -a /etc/$d $saved/
        done
fi
[[ ${1-} == init ]] && exit 0

# systemd forgets a unit, and this link, once nobody needs its state; a call to it costs a second.
units=(/run/systemd/units/invocation:mdevd* /etc/systemd/system/mdevd* /run/systemd/system/mdevd*)
if [[ -e /usr/lib/systemd/system/mdevd.service ]] && (( ${#units[@]} )); then
        systemctl stop 'mdevd*' 2>&1
        systemctl clean --what=fdstore mdevd.service 2>/dev/null
        systemctl reset-failed
        rm -rf /etc/systemd/system/mdevd* /run/systemd/system/mdevd*
        systemctl daemon-reload
fi
mapfile -t vmms < <(pgrep '^qemu-system' || true)
(( ${#vmms[@]} )) && kill -KILL "${vmms[@]}" && tail --pid="${vmms[0]}" -f /dev/null

# Stand-ins for vendors' drivers hold nobody up any more.
for p in /sys/module/mtest/parameters/hold_*; do
        echo 0 >"$p"
done
for d in /sys/bus/mdev/devices/*; do
        timeout 10 sh -c "echo 1 >$d/remove" || complain "device ${d##*/} cannot be removed"
done
for d in /sys/bus/pci/drivers/mdevd*/*:*; do
        timeout 10 sh -c "echo ${d##*/} >${d%/*}/unbind" || complain "${d##*/} cannot be unbound"
done
for d in /sys/bus/pci/devices/*/driver_override; do
        read -r o <"$d"
        [[ $o == "(null)" ]] || echo >"$d"
done
# modules of vendors use ours
for m in /sys/module/mdevd_* /sys/module/mdev[d] /sys/module/mtty* /sys/module/mtest* /sys/module/mer[r]; do
        timeout 10 rmmod "${m##*/}" || complain "module ${m##*/} cannot be unloaded"
done
for d in mdevd mdevctl.d; do
        rm -rf /etc/$d
        [[ -e $saved/$d ]] && cp -a $saved/$d /etc/
done
rm -rf /run/mdevd
exit $status
