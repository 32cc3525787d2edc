/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kmod-move.c: the verbs of /dev/mdevd for a device in use: hold it, let it go on, move it. */
#include <mdevd.h>
#include <sys/ioctl.h>

#include "backend/kmod.h"

int kmod_suspend(Kmod *k, const Uuid *uuid, unsigned milliseconds) {
        struct mdevd_suspend arg = { .size = sizeof(arg), .timeout_ms = milliseconds };

        memcpy(arg.uuid, uuid->bytes, sizeof(arg.uuid));
        return RET_NERRNO(ioctl(kmod_get_fd(k), MDEVD_SUSPEND, &arg));
}

int kmod_resume(Kmod *k, const Uuid *uuid) {
        struct mdevd_resume arg = { .size = sizeof(arg) };

        memcpy(arg.uuid, uuid->bytes, sizeof(arg.uuid));
        return RET_NERRNO(ioctl(kmod_get_fd(k), MDEVD_RESUME, &arg));
}

int kmod_move_chunk(Kmod *k, KmodMove *move) {
        struct mdevd_move arg = {
                .size = sizeof(arg),
                .extent = move->extent,
                .bar = move->bar,
                .offset = move->offset,
                .flags = MDEVD_MOVE_RELEASE_IF_CLOSED,
                .max_chunks = 1,
        };
        int r;

        memcpy(arg.uuid, move->uuid.bytes, sizeof(arg.uuid));
        if (move->back)
                arg.flags |= MDEVD_MOVE_BACK;
        if (move->release)
                arg.flags |= MDEVD_MOVE_RELEASE;
        r = RET_NERRNO(ioctl(kmod_get_fd(k), MDEVD_MOVE, &arg));
        if (r < 0)
                return r;
        move->moved = arg.moved;
        move->longest_us = arg.longest_us;
        return 0;
}
