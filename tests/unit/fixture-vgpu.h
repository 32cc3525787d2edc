/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture-vgpu.h: a manager on a tree with a card of fake-vgpu.h, and what a test does there. */
#pragma once

#include "fake-vgpu.h"
#include "fixture.h"
#include "model/function.h"
#include "sysfs/functions.h"
#include "util/fs.h"

#define CARD "0000:41:00.0"
#define F0 "0000:41:00.4"
#define F1 "0000:41:00.5"
#define F2 "0000:41:00.6"
#define F3 "0000:41:00.7"
#define FILE_OF(function, file) "sys/" FAKE_DEVPATH "/" function "/nvidia/" file
#define CURRENT(function) FILE_OF(function, "current_vgpu_type")
#define KILL_AT "fake/kill-at"

static inline void begin(Fixture *f) {
        fake_vgpu_add(f->tree->root, CARD);
        fake_write(f->tree, "00112233445566778899aabbccddeeff\n", "etc/machine-id");
        fixture_start(f);
        run_idle(f);
}

static inline unsigned available(Fixture *f, const char *type) {
        const Type *t = parent_find_type(find_parent(f, CARD), type);

        ASSERT_NOT_NULL(t);
        return t->available;
}

static inline unsigned borne(Fixture *f, const char *function) {
        unsigned type;
        char path[128];

        (void) snprintf(path, sizeof(path), FAKE_DEVPATH "/%s", function);
        if (sysfs_read_function_type(f->tree->root_fd, path, &type) < 0)
                test_fail(__FILE__, __LINE__, "%s cannot be read", function);
        return type;
}

/* Somebody else writes there; no uevent comes of it. */
static inline void write_type(Fixture *f, const char *function, const char *type) {
        char path[160];

        (void) snprintf(path, sizeof(path), "sys/" FAKE_DEVPATH "/%s/nvidia/current_vgpu_type",
                        function);
        ASSERT_OK(write_attr_at(f->tree->root_fd, path, type));
}

static inline Device *device_on(Fixture *f, const char *function) {
        list_foreach(d, &manager_get_model(f->manager)->devices, Device, node)
                if (streq_ptr(d->function, function))
                        return d;
        return NULL;
}

static inline void uevent(Fixture *f, const char *action, const char *function) {
        char path[128];

        (void) snprintf(path, sizeof(path), "/" FAKE_DEVPATH "/%s", function);
        fake_uevent(f->tree, action, path, "pci", "DRIVER=nvidia");
}
