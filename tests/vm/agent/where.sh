#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Says where a hanging job hangs: its processes with what they wait for, their kernel stacks, and
# on the console all blocked tasks. Argument: the job's cgroup, below the agent's.

cg=/sys/fs/cgroup/system.slice/test-agent.service/$1
echo "--- the processes of the case ---"
pids=$(find "$cg" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -n)
# shellcheck disable=SC2086
[ -n "$pids" ] && ps -ww -o pid,ppid,stat,wchan:32,etime,args -p "$(echo $pids | tr ' ' ,)"
for p in $pids; do
        for t in /proc/"$p"/task/*; do
                s=$(cat "$t/stack" 2>/dev/null) && [ -n "$s" ] &&
                        printf -- '--- kernel stack of %s (%s)\n%s\n' "${t##*/}" \
                                "$(cat "$t/comm" 2>/dev/null)" "$s"
        done
done
echo "--- processes that cannot be interrupted ---"
ps -ww -eo pid,stat,wchan:32,args | awk '$2 ~ /^D/'
echo "mdevd-test: dump begins" >/dev/kmsg
echo w >/proc/sysrq-trigger
echo "mdevd-test: dump ends" >/dev/kmsg
