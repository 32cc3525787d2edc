/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.c: the program that most workers are: `mdevd --worker` without what only the daemon needs.
 * It loads the C library and json-c only, which is a sixth of the instructions until it is there.
 * Not to be started by hand.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backend/worker.h"
#include "config/store.h"
#include "util/log.h"

#define ROOT_OPTION "--root="

/* What a worker needs of a layer that it is not to know. */
static const WorkerAbove worker_above = {
        .prepare = store_prepare,
        .settle = store_settle,
};

/* Few workers ever log. Those that do load the library then. */
static int send_to_journal(const struct iovec *fields, int n) {
        static LogSend send;
        void *library;

        if (!send) {
                library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
                if (library)
                        *(void **) &send = dlsym(library, "sd_journal_sendv");
        }
        return send ? send(fields, n) : -ENOSYS; /* it becomes a line on stderr */
}

int main(int argc, char *argv[]) {
        if (argc != 3 || !streq(argv[1], "--worker") ||
            strncmp(argv[2], ROOT_OPTION, strlen(ROOT_OPTION)) != 0) {
                fprintf(stderr, "This is a part of mdevd, which starts it when it needs it; see "
                                "mdevd(8).\n");
                return EXIT_FAILURE;
        }
        log_open("mdevd", send_to_journal);
        (void) close(WORKER_PROGRAM_FD); /* we have been executed by it */
        (void) prctl(PR_SET_NAME, "mdevd-worker");
        return worker_main(WORKER_SOCKET_FD, argv[2] + strlen(ROOT_OPTION), &worker_above);
}
