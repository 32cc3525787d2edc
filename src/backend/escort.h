/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * escort.h: the process that runs the callout and notifier scripts of one operation, from "pre" to
 * "post". It is this same program, as "mdevd --escort", and the parent of all of them; the worker
 * that does the operation is another process, for scripts must not run in the service's sandbox and
 * a script that hangs must not hold a worker. Once "pre" has been accepted there is a "post":
 * should the daemon die, the escort waits for what becomes of the operation and says that. What the
 * record says last is what became of a definition, what there is in sysfs what became of a device.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "backend/record.h"

#define ESCORT_SOCKET_FD 0

typedef struct Escort Escort;
typedef struct EscortLaunch EscortLaunch;

typedef enum EscortAnswer {
        ESCORT_AGREED,  /* the operation may be done; escort_finish() is to follow */
        ESCORT_DONE,    /* agreed, and a script has changed the live device by itself */
        ESCORT_REFUSED, /* it must not be done; all is over */
        ESCORT_OVER,    /* "post" and the notifiers have run, or the process is gone */
} EscortAnswer;

/* Called from the loop; after ESCORT_REFUSED and ESCORT_OVER never again. @why may have lines. */
typedef void (*EscortFn)(EscortAnswer answer, const char *why, void *userdata);

/* How "mdevd --escort --root=ROOT" is started, with a socket as its standard input. */
struct EscortLaunch {
        /* NULL: as a child of this process. The descriptor stays the caller's. */
        int (*launch)(const char *name, const char *root, int socket_fd, void *userdata);
        void *userdata;
};

/* @record: the operation; copied. Not started within 30 s it has refused, and will ask nobody. */
int escort_start(Escort **ret, sd_event *event, const char *root, const EscortLaunch *launch,
                 const Record *record, EscortFn answer, void *userdata);
/* The operation has ended. ESCORT_OVER follows. */
void escort_finish(Escort *e, bool success);
/* The process goes on: to it, this is the death of the daemon. */
Escort *escort_free(Escort *e);
DEFINE_CLEANUP(Escort *, escort_free)

/* The other side: what main() does for --escort. Returns an exit status. */
int escort_main(int socket_fd, const char *root);
