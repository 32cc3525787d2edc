/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-vgpu.c: owns the files of such a card. Each has one size for ever, what is behind its text
 * is NULs: so a write is one step for whoever reads, as with the kernel.
 */
#include "fake-vgpu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEVPATH "devices/pci0000:00"
#define FUNCTION "%s/sys/" DEVPATH "/%s/nvidia"
#define CARD_GIB 48
#define FILE_SIZE 512

static const unsigned types[] = { 48, 16, 8, 4 };

typedef char Path[PATH_MAX];

__attribute__((format(printf, 2, 3))) static const char *path_of(Path p, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        if (vsnprintf(p, PATH_MAX, format, ap) >= PATH_MAX)
                abort();
        va_end(ap);
        return p;
}

static void put(const char *path, const char *text) {
        char bytes[FILE_SIZE] = "";
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0 || strlen(text) >= sizeof(bytes))
                abort();
        memcpy(bytes, text, strlen(text));
        if (syscall(SYS_pwrite64, fd, bytes, sizeof(bytes), 0) != (long) sizeof(bytes))
                abort();
        (void) close(fd);
}

static unsigned get(const char *path) {
        char text[32] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return 0;
        if (read(fd, text, sizeof(text) - 1) < 0)
                abort();
        (void) close(fd);
        return (unsigned) strtoul(text, NULL, 10);
}

static void make_folders(const char *path) {
        Path p;

        (void) path_of(p, "%s", path);
        for (char *c = p + 1; *c; c++)
                if (*c == '/') {
                        *c = '\0';
                        if (mkdir(p, 0755) < 0 && errno != EEXIST)
                                abort();
                        *c = '/';
                }
        if (mkdir(p, 0755) < 0 && errno != EEXIST)
                abort();
}

static void link_to(const char *target, const char *path) {
        if (symlink(target, path) < 0 && errno != EEXIST)
                abort();
}

/* "0000:41:00.0" -> "0000:41:00.<4 + n>" */
static const char *function_name(char name[32], const char *card, unsigned n) {
        (void) snprintf(name, 32, "%.11s%u", card, 4 + n);
        return name;
}

/* ---- what it bears ---- */

void fake_vgpu_tell(const char *root, const char *card) {
        unsigned used = 0, size = 0;
        bool mixed;
        char name[32];
        Path p;

        for (unsigned n = 0; n < FAKE_VGPU_FUNCTIONS; n++) {
                unsigned type = get(path_of(p, FUNCTION "/current_vgpu_type", root,
                                            function_name(name, card, n)));

                used += type;
                size = type ? type : size;
        }
        mixed = access(path_of(p, "%s/sys/" DEVPATH "/%s/fake/mixed", root, card), F_OK) == 0;
        for (unsigned n = 0; n < FAKE_VGPU_FUNCTIONS; n++) {
                char text[FILE_SIZE] = "";
                bool taken = get(path_of(p, FUNCTION "/current_vgpu_type", root,
                                         function_name(name, card, n))) > 0;

                for (size_t i = 0; !taken && i < sizeof(types) / sizeof(types[0]); i++)
                        if (used + types[i] <= CARD_GIB && (mixed || !size || types[i] == size))
                                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text),
                                                "%-5u : NVIDIA L40S-%uQ\n", types[i], types[i]);
                put(path_of(p, FUNCTION "/creatable_vgpu_types", root, name), text);
        }
}

static bool offers(const char *folder, unsigned type) {
        char text[FILE_SIZE], line[32];
        Path p;
        int fd = open(path_of(p, "%s/nvidia/creatable_vgpu_types", folder), O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, text, sizeof(text)) != (ssize_t) sizeof(text))
                abort();
        (void) close(fd);
        (void) snprintf(line, sizeof(line), "-%uQ\n", type);
        return strstr(text, line) != NULL;
}

int fake_vgpu_write(const char *root, const char *rel, const char *text) {
        unsigned type = (unsigned) strtoul(text, NULL, 10), now;
        Path folder, p, card;
        ssize_t n;

        (void) path_of(folder, "%s/%.*s", root, (int) (strstr(rel, "/nvidia/") - rel), rel);
        n = readlink(path_of(p, "%s/physfn", folder), card, sizeof(card) - 1);
        if (n < 0)
                return -ENODEV;
        card[n] = '\0';
        if (get(path_of(p, "%s/fake/vgpu-errno", folder)) > 0)
                return -(int) get(p);
        if (access(path_of(p, "%s/fake/vgpu-mute", folder), F_OK) == 0)
                return 0;
        now = get(path_of(p, "%s/nvidia/current_vgpu_type", folder));
        if (type == 0 && access(path_of(p, "%s/fake/in-use", folder), F_OK) == 0)
                return -EPERM;
        if (type > 0 && (now > 0 || !offers(folder, type)))
                return -EINVAL;
        (void) path_of(p, "%s/nvidia/current_vgpu_type", folder);
        (void) snprintf(card + n + 1, sizeof(card) - (size_t) n - 1, "%u\n", type);
        put(p, card + n + 1);
        if (type == 0)
                put(path_of(p, "%s/nvidia/placement_id", folder), "Not Applicable\n");
        fake_vgpu_tell(root, strrchr(card, '/') + 1);
        return 0;
}

/* ---- the card ---- */

static void add_function(const char *root, const char *card, unsigned n) {
        char name[32];
        Path folder, p, target;

        (void) path_of(folder, "%s/sys/" DEVPATH "/%s", root, function_name(name, card, n));
        make_folders(path_of(p, "%s/nvidia", folder));
        make_folders(path_of(p, "%s/fake", folder));
        put(path_of(p, "%s/nvidia/current_vgpu_type", folder), "0\n");
        put(path_of(p, "%s/nvidia/placement_id", folder), "Not Applicable\n");
        put(path_of(p, "%s/nvidia/vgpu_params", folder), "");
        put(path_of(p, "%s/driver_override", folder), "(null)\n");
        link_to(path_of(target, "../%s", card), path_of(p, "%s/physfn", folder));
        link_to("../../../bus/pci/drivers/nvidia", path_of(p, "%s/driver", folder));
        link_to(path_of(target, "../../../" DEVPATH "/%s", name),
                path_of(p, "%s/sys/bus/pci/devices/%s", root, name));
        link_to(path_of(target, "../%s", name),
                path_of(p, "%s/sys/" DEVPATH "/%s/virtfn%u", root, card, n));
}

void fake_vgpu_add_functions(const char *root, const char *card) {
        for (unsigned n = 0; n < FAKE_VGPU_FUNCTIONS; n++)
                add_function(root, card, n);
        fake_vgpu_tell(root, card);
}

void fake_vgpu_add(const char *root, const char *card) {
        Path p, target;

        make_folders(path_of(p, "%s/sys/bus/pci/devices", root));
        make_folders(path_of(p, "%s/sys/bus/pci/drivers/nvidia", root));
        make_folders(path_of(p, "%s/sys/" DEVPATH "/%s/fake", root, card));
        put(path_of(p, "%s/sys/" DEVPATH "/%s/numa_node", root, card), "1\n");
        link_to("../../../bus/pci/drivers/nvidia",
                path_of(p, "%s/sys/" DEVPATH "/%s/driver", root, card));
        link_to(path_of(target, "../../../" DEVPATH "/%s", card),
                path_of(p, "%s/sys/bus/pci/devices/%s", root, card));
        fake_vgpu_add_functions(root, card);
}

void fake_vgpu_remove_functions(const char *root, const char *card) {
        static const char *const files[] = { "nvidia/current_vgpu_type", "nvidia/placement_id",
                                             "nvidia/vgpu_params", "nvidia/creatable_vgpu_types",
                                             "driver_override", "physfn", "driver", "nvidia",
                                             "fake", "" };
        char name[32];
        Path p;

        for (unsigned n = 0; n < FAKE_VGPU_FUNCTIONS; n++) {
                (void) function_name(name, card, n);
                (void) unlink(path_of(p, "%s/sys/" DEVPATH "/%s/virtfn%u", root, card, n));
                (void) unlink(path_of(p, "%s/sys/bus/pci/devices/%s", root, name));
                for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
                        (void) remove(path_of(p, "%s/sys/" DEVPATH "/%s/%s", root, name, files[i]));
        }
}
