/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-uevent.c: whatever a datagram says, what is taken from it lies in it and is complete. */
#include "backend/udev.h"
#include "fuzz.h"

static void check_inside(const char *s, const char *text, size_t size) {
        assert(!s || (s >= text && s + strlen(s) < text + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = malloc(size ?: 1);
        Uevent e;

        assert(text);
        memcpy(text, data, size);
        if (uevent_parse(text, size, &e) < 0)
                return 0;
        assert(e.action && e.devpath && e.sysname && e.sysname[0] && !strchr(e.sysname, '/'));
        check_inside(e.action, text, size);
        check_inside(e.devpath, text, size);
        check_inside(e.sysname, text, size);
        check_inside(e.subsystem, text, size);
        check_inside(e.driver, text, size);
        check_inside(e.mdev_state, text, size);
        return 0;
}
