/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* writer.c: owns those who write to sysfs themselves, as oVirt, KubeVirt, the first mdevctl do. */
#include <fcntl.h>

#include "storm.h"

/* Operations of others for one of his: most refusals are quick, and the mix is not to be of who is
 * fast. */
#define SHARE 16

static int write_to(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC), r;

        if (fd < 0)
                return -errno;
        r = RET_NERRNO(write(fd, text, strlen(text)));
        (void) close(fd);
        return r < 0 ? r : 0;
}

static bool is_one_of(int error, const int *errors, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (error == -errors[i])
                        return true;
        return false;
}

/*
 * EUSERS is the sample driver's, for no instance left; ECANCELED: it was removed while it was made.
 * Nobody is there to answer (ENOENT), or not within the 10 s that the module waits (ETIMEDOUT),
 * only where the daemon was killed meanwhile.
 */
static void create(Actor *a, const char *uuid) {
        static const int refusals[] = { EEXIST, ENOSPC, EBUSY, EAGAIN, EUSERS, ECANCELED };
        static const int interruptions[] = { ENOENT, ETIMEDOUT };
        const Parent *p = storm_parent(a);
        const char *type = storm_type(a, p);
        unsigned before = a->storm->epoch, after;
        char path[256];
        int r;

        (void) snprintf(path, sizeof(path), "/sys/class/mdev_bus/%s/mdev_supported_types/%s/create",
                        p->name, type);
        r = write_to(path, uuid);
        after = a->storm->epoch;
        if (r == 0)
                a->storm->granted++;
        else if (is_one_of(r, refusals, ARRAY_SIZE(refusals)) ||
                 (is_one_of(r, interruptions, ARRAY_SIZE(interruptions)) &&
                  (before % 2 || after != before)))
                a->storm->denied++;
        else
                storm_wrong(a->storm, "%s written to %s: %s", uuid, path, strerror(-r));
}

/* One that is open waits for its close; one that goes already says so in several ways. */
static void remove_device(Actor *a, const char *uuid) {
        static const int gone[] = { ENOENT, ENODEV, EAGAIN };
        char path[128];
        int r;

        (void) snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/remove", uuid);
        r = write_to(path, "1");
        if (r == 0)
                a->storm->removed++;
        else if (!is_one_of(r, gone, ARRAY_SIZE(gone)))
                storm_wrong(a->storm, "%s: %s", path, strerror(-r));
}

void *writer_run(void *actor) {
        Actor *a = actor;

        while (storm_next(a->storm)) {
                char uuid[37];

                storm_uuid(storm_random(a) % STORM_UUIDS, uuid);
                if (storm_random(a) % 2)
                        create(a, uuid);
                else
                        remove_device(a, uuid);
                storm_await(a->storm, a->storm->begun + SHARE);
        }
        return NULL;
}
