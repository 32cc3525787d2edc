/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-sysfs.c: whatever the kernel or a vendor's driver shows in its attributes, a parent with its
 * types is read or refused, and what is read is text that can be shown. The input is the files'
 * contents, one after the other, each ended by a NUL.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "root.h"
#include "sysfs/functions.h"
#include "sysfs/sysfs.h"
#include "util/fs.h"

#define PARENT "0000:00:05.0"
#define UUID "11111111-1111-4111-8111-111111111111"
#define FOLDER "sys/devices/pci0000:00/" PARENT
#define CARD "0000:41:00.0"
#define CARD_FOLDER "sys/devices/pci0000:00/" CARD
#define FUNCTION "0000:41:00.4"
#define FUNCTION_FOLDER "sys/devices/pci0000:00/" FUNCTION
#define TYPE FOLDER "/mdev_supported_types/"

static int root_fd = -EBADF;

static const char *const files[] = {
        FOLDER "/resource",          FOLDER "/numa_node",
        TYPE "a/available_instances", TYPE "a/name",
        TYPE "a/device_api",         TYPE "a/description",
        TYPE "b/available_instances", TYPE "b/device_api",
        FOLDER "/driver_override",
        FUNCTION_FOLDER "/nvidia/current_vgpu_type",
        FUNCTION_FOLDER "/nvidia/creatable_vgpu_types",
};

static void put(const char *path, const void *data, size_t size) {
        _cleanup_(closep) int fd = -EBADF;

        assert(mkdir_parents_at(root_fd, path, 0755) == 0);
        fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert(fd >= 0 && write(fd, data, size) == (ssize_t) size);
}

static void link_to(const char *target, const char *path) {
        assert(mkdir_parents_at(root_fd, path, 0755) == 0);
        assert(symlinkat(target, root_fd, path) == 0);
}

static void make_root(void) {
        root_fd = fuzz_root_open();
        put(TYPE "a/create", "", 0);
        put(TYPE "b/create", "", 0);
        put(FOLDER "/" UUID "/remove", "", 0);
        link_to("../mdev_supported_types/a", FOLDER "/" UUID "/mdev_type");
        link_to("../../../devices/pci0000:00/" PARENT "/" UUID, "sys/bus/mdev/devices/" UUID);
        link_to("../../devices/pci0000:00/" PARENT, "sys/class/mdev_bus/" PARENT);
        link_to("../../../bus/pci/drivers/vendor", FOLDER "/driver");
        link_to("../" FUNCTION, CARD_FOLDER "/virtfn0");
        link_to("../../../devices/pci0000:00/" FUNCTION, "sys/bus/pci/devices/" FUNCTION);
}

static void write_files(const char *data, size_t size) {
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                const char *end = memchr(data, '\0', size);
                size_t n = end ? (size_t) (end - data) : size;

                put(files[i], data, n);
                data += n + (end != NULL);
                size -= n + (end != NULL);
        }
}

/* Its functions are there or not; a type has a number, and one of what is borne is always known. */
static void read_card(void) {
        _cleanup_(parent_freep) Parent *p = NULL;
        unsigned number;
        int r;

        assert(parent_new(&p, CARD) == 0);
        assert(sysfs_read_parent(root_fd, "devices/pci0000:00/" CARD, p) == 0);
        assert(p->state == PARENT_REGISTERED);
        r = sysfs_read_functions(root_fd, p);
        assert((r == 0) == !list_is_empty(&p->functions) && (r == 0 || r == -ENOENT));
        list_foreach(t, &p->types, Type, node)
                assert(function_type_parse(t->id, &number) == 0 && t->available <= 1);
        list_foreach(f, &p->functions, Function, node) {
                char id[FUNCTION_TYPE_MAX];

                assert(streq(f->name, FUNCTION));
                assert(f->type == 0 || parent_find_type(p, function_type_id(f->type, id)));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(parent_freep) Parent *p = NULL;
        SysfsDevice d = {};
        const Uuid uuid = { { 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x41, 0x11,
                              0x81, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11 } };

        if (root_fd < 0)
                make_root();
        write_files((const char *) data, size);
        assert(parent_new(&p, PARENT) == 0);
        assert(sysfs_read_parent(root_fd, "devices/pci0000:00/" PARENT, p) == 0);
        assert(p->state == PARENT_REGISTERED && streq(p->driver, "vendor") && p->numa_node >= -1);
        assert(sysfs_read_types(root_fd, p, false) == 0);
        list_foreach(t, &p->types, Type, node)
                assert(streq(t->id, "a") || streq(t->id, "b"));
        read_card();
        if (sysfs_read_device(root_fd, &uuid, &d) == 0) {
                assert(streq(d.parent, PARENT) && streq(d.type, "a"));
                sysfs_device_done(&d);
        }
        return 0;
}
