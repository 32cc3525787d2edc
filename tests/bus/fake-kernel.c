/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-kernel.c: the tree is the state, a lock on <root>/fake makes each change one step. It writes
 * by syscall(), for the preloaded write() would lead back here.
 */
#include "fake-kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define BUS_PATH "devices/pci0000:00"

typedef char Path[PATH_MAX];

static void path_of(Path p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void path_of(Path p, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        if ((size_t) vsnprintf(p, PATH_MAX, format, ap) >= PATH_MAX)
                abort();
        va_end(ap);
}

static int put(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = syscall(SYS_write, fd, text, strlen(text));
        close(fd);
        return n == (ssize_t) strlen(text) ? 0 : -EIO;
}

/* A small number in a file; @missing if there is none. */
static long get_number(const char *path, long missing) {
        char text[32] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return missing;
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
        return n <= 0 ? missing : strtol(text, NULL, 10);
}

static int make_folders(const char *path) {
        Path p;

        path_of(p, "%s", path);
        for (char *c = p + 1; *c; c++) {
                if (*c != '/')
                        continue;
                *c = '\0';
                if (mkdir(p, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *c = '/';
        }
        return mkdir(p, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static void tell(const char *root, const char *action, const char *devpath, const char *subsystem,
                 const char *extra) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        char text[PATH_MAX + 256];
        int fd, n;

        n = snprintf(text, sizeof(text), "ACTION=%s%cDEVPATH=/%s%cSUBSYSTEM=%s%c%s", action, 0,
                     devpath, 0, subsystem, 0, extra ? extra : "SEQNUM=1");
        if ((size_t) n >= sizeof(text) ||
            (size_t) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/mdevd/uevent", root) >=
                    sizeof(sa.sun_path))
                abort();
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        /* nobody may be listening, as with the kernel */
        (void) sendto(fd, text, (size_t) n + 1, 0, (struct sockaddr *) &sa, sizeof(sa));
        close(fd);
}

/* Waits until a test has opened the FIFO and closed it again. */
static void pass_gate(const char *root, const char *verb, const char *parent) {
        char byte;
        Path p;
        int fd;

        path_of(p, "%s/fake/gate-%s-%s", root, verb, parent);
        fd = open(p, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        while (read(fd, &byte, 1) < 0 && errno == EINTR)
                ;
        close(fd);
}

static int injected(const char *root, const char *verb, const char *parent) {
        Path p;

        path_of(p, "%s/fake/errno-%s-%s", root, verb, parent);
        return (int) -get_number(p, 0);
}

static int lock(const char *root) {
        Path p;
        int fd;

        path_of(p, "%s/fake", root);
        fd = open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
                (void) flock(fd, LOCK_EX);
        return fd;
}

static int change_instances(const char *types, const char *type, long by) {
        char text[32];
        Path p;
        long n;

        path_of(p, "%s/%s/available_instances", types, type);
        n = get_number(p, 0) + by;
        if (n < 0)
                return -EUSERS;
        (void) snprintf(text, sizeof(text), "%ld\n", n);
        return put(p, text);
}

static int make_device(const char *root, const char *folder, const char *parent, const char *type,
                       const char *uuid) {
        Path p, target;
        int r;

        path_of(p, "%s/sys/%s/%s", root, folder, uuid);
        if (mkdir(p, 0755) < 0)
                return -errno;
        path_of(p, "%s/sys/%s/%s/mdev_type", root, folder, uuid);
        path_of(target, "../mdev_supported_types/%s", type);
        if (symlink(target, p) < 0)
                return -errno;
        path_of(p, "%s/sys/%s/%s/remove", root, folder, uuid);
        r = put(p, "");
        if (r < 0)
                return r;
        /* an attribute that takes anything */
        path_of(p, "%s/sys/%s/%s/vram", root, folder, uuid);
        r = put(p, "0\n");
        if (r < 0)
                return r;
        path_of(p, "%s/fake/hide-%s", root, parent);
        if (access(p, F_OK) == 0)
                return 0;
        path_of(p, "%s/sys/bus/mdev/devices/%s", root, uuid);
        path_of(target, "../../../%s/%s", folder, uuid);
        return symlink(target, p) < 0 ? -errno : 0;
}

static ssize_t on_create(const char *root, const char *folder, const char *parent,
                         const char *type, const char *uuid, size_t size) {
        Path p, types;
        int fd, r;

        pass_gate(root, "create", parent);
        r = injected(root, "create", parent);
        if (r < 0)
                return r;
        if (strlen(uuid) != 36)
                return -EINVAL;

        fd = lock(root);
        path_of(p, "%s/sys/bus/mdev/devices/%s", root, uuid);
        path_of(types, "%s/sys/%s/mdev_supported_types", root, folder);
        r = access(p, F_OK) == 0 ? -EEXIST : change_instances(types, type, -1);
        if (r >= 0)
                r = make_device(root, folder, parent, type, uuid);
        close(fd);
        if (r < 0)
                return r;
        path_of(p, "%s/%s", folder, uuid);
        tell(root, "add", p, "mdev", NULL);
        return (ssize_t) size;
}

static ssize_t on_remove(const char *root, const char *folder, const char *parent,
                         const char *uuid, size_t size) {
        static const char *const files[] = { "mdev_type", "remove", "vram", "" };
        Path p, types, type;
        ssize_t n;
        int fd, r;

        pass_gate(root, "remove", parent);
        r = injected(root, "remove", parent);
        if (r < 0)
                return r;

        fd = lock(root);
        path_of(p, "%s/sys/%s/%s/mdev_type", root, folder, uuid);
        n = readlink(p, type, sizeof(type) - 1);
        if (n < 0) {
                close(fd);
                return -ENODEV;
        }
        type[n] = '\0';
        path_of(types, "%s/sys/%s/mdev_supported_types", root, folder);
        (void) change_instances(types, strrchr(type, '/') + 1, 1);
        path_of(p, "%s/sys/bus/mdev/devices/%s", root, uuid);
        (void) unlink(p);
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                path_of(p, "%s/sys/%s/%s/%s", root, folder, uuid, files[i]);
                (void) remove(p);
        }
        close(fd);
        path_of(p, "%s/%s", folder, uuid);
        tell(root, "remove", p, "mdev", NULL);
        return (ssize_t) size;
}

ssize_t fake_kernel_write(const char *root, const char *path, const void *data, size_t size) {
        char *parts[32], uuid[64] = "", *save = NULL;
        size_t n = 0, root_length = strlen(root);
        Path relative, folder;

        if (strncmp(path, root, root_length) != 0 ||
            strncmp(path + root_length, "/sys/" BUS_PATH "/", strlen("/sys/" BUS_PATH "/")) != 0)
                return 0;
        path_of(relative, "%s", path + root_length + strlen("/sys/" BUS_PATH "/"));
        for (char *s = strtok_r(relative, "/", &save); s && n < 32; s = strtok_r(NULL, "/", &save))
                parts[n++] = s;
        if (n == 0)
                return 0;
        path_of(folder, BUS_PATH "/%s", parts[0]);

        if (n == 4 && strcmp(parts[1], "mdev_supported_types") == 0 &&
            strcmp(parts[3], "create") == 0) {
                if (size > 37)
                        return -EINVAL;
                memcpy(uuid, data, size);
                uuid[strcspn(uuid, "\n")] = '\0';
                return on_create(root, folder, parts[0], parts[2], uuid, size);
        }
        if (n == 3 && strcmp(parts[2], "remove") == 0)
                return on_remove(root, folder, parts[0], parts[1], size);
        return 0;
}

static int link_to(const char *root, const char *where, const char *parent) {
        Path p, target;

        path_of(p, "%s/sys/%s", root, where);
        if (make_folders(p) < 0)
                return -errno;
        path_of(p, "%s/sys/%s/%s", root, where, parent);
        path_of(target, "%s" BUS_PATH "/%s", strchr(where, '/') == strrchr(where, '/') ?
                "../../" : "../../../", parent);
        return symlink(target, p) < 0 && errno != EEXIST ? -errno : 0;
}

int fake_kernel_add_parent(const char *root, const char *parent, const char *type,
                           unsigned instances) {
        Path folder, p;
        char text[32];
        int r;

        path_of(folder, "%s/sys/" BUS_PATH "/%s/mdev_supported_types/%s", root, parent, type);
        r = make_folders(folder);
        if (r < 0)
                return r;
        path_of(p, "%s/create", folder);
        r = put(p, "");
        if (r < 0)
                return r;
        path_of(p, "%s/available_instances", folder);
        (void) snprintf(text, sizeof(text), "%u\n", instances);
        r = put(p, text);
        if (r < 0)
                return r;
        path_of(p, "%s/device_api", folder);
        r = put(p, "vfio-pci\n");
        if (r < 0)
                return r;
        path_of(p, "%s/name", folder);
        r = put(p, "A fake\n");
        if (r < 0)
                return r;
        path_of(p, "%s/sys/" BUS_PATH "/%s/numa_node", root, parent);
        r = put(p, "0\n");
        if (r < 0)
                return r;
        path_of(p, "%s/sys/bus/pci/drivers/faker", root);
        r = make_folders(p);
        if (r < 0)
                return r;
        path_of(p, "%s/sys/" BUS_PATH "/%s/driver", root, parent);
        if (symlink("../../../bus/pci/drivers/faker", p) < 0 && errno != EEXIST)
                return -errno;
        path_of(p, "%s/sys/bus/mdev/devices", root);
        r = make_folders(p);
        if (r < 0)
                return r;
        path_of(p, "%s/fake", root);
        r = make_folders(p);
        if (r < 0)
                return r;
        r = link_to(root, "class/mdev_bus", parent);
        return r < 0 ? r : link_to(root, "bus/pci/devices", parent);
}

void fake_kernel_tell_parent(const char *root, const char *parent, const char *action,
                             const char *state) {
        char extra[64];
        Path p;

        path_of(p, BUS_PATH "/%s", parent);
        (void) snprintf(extra, sizeof(extra), "MDEV_STATE=%s", state ? state : "");
        tell(root, action, p, "pci", state ? extra : NULL);
}
