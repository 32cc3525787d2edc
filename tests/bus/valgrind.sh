#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# valgrind.sh PROGRAM...: the bus tests with daemon and workers in valgrind's memcheck: no access to
# what is not there, nothing uninitialised that decides, nothing lost. The first two programs; with
# $MDEVD_TEST_LONG all (some minutes each, unlike under ASan, where all run always).

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export MDEVD_TEST_WRAPPER="valgrind -q --error-exitcode=99 --trace-children=yes --leak-check=full \
--errors-for-leak-kinds=definite --show-leak-kinds=definite --log-file=$logs/%p"
n=0 failed=0
[[ ${MDEVD_TEST_LONG:-} ]] || set -- "${@:1:2}"
for program; do
        output=$("$program" 2>&1)
        status=$?
        sed 's/^/# /' <<<"$output"
        # also what it says of workers, whose status nobody asks for
        if (( status == 0 )) && ! grep -h '^==' "$logs"/*; then
                echo "ok $((++n)) - ${program##*/} in valgrind"
        else
                echo "not ok $((++n)) - ${program##*/} in valgrind"
                failed=1
        fi
done
echo "1..$n"
exit $failed
