#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# valgrind.sh PROGRAM... --module PROGRAM...: the bus tests with daemon, workers and escorts in
# valgrind's memcheck: no access to what is not there, nothing uninitialised that decides, nothing lost.
# Those behind --module have the fake kernel with our module, $MDEVD_TEST_MODULE_PRELOAD. The first two
# programs; with $MDEVD_TEST_LONG all, in their usual length (an hour; under ASan all run always).

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
# not in valgrind: the scripts that an escort starts, and what these start; a path, for the tracer
export MDEVD_TEST_WRAPPER="$(command -v valgrind) -q --error-exitcode=99 --trace-children=yes \
--trace-children-skip=*/scripts.d/*,/bin/*,/usr/bin/* --leak-check=full \
--errors-for-leak-kinds=definite --show-leak-kinds=definite --log-file=$logs/%p"
n=0 failed=0
[[ ${MDEVD_TEST_LONG:-} ]] || set -- "${@:1:2}"
unset MDEVD_TEST_LONG
for program; do
        if [[ $program == --module ]]; then
                export MDEVD_TEST_PRELOAD=$MDEVD_TEST_MODULE_PRELOAD
                continue
        fi
        rm -f "$logs"/*
        output=$("$program" 2>&1)
        status=$?
        sed 's/^/# /' <<<"$output"
        # also what it says of workers, whose status nobody asks for
        if (( status == 0 )) && ! grep -hs '^==' "$logs"/*; then
                echo "ok $((++n)) - ${program##*/} in valgrind"
        else
                echo "not ok $((++n)) - ${program##*/} in valgrind"
                failed=1
        fi
done
echo "1..$n"
exit $failed
