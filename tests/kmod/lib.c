/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the test programs of the module share; see lib.h.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib.h"

static unsigned n_checks, n_failed;

void check_line(bool ok, const char *file, int line, const char *format, ...) {
        va_list args;

        __atomic_add_fetch(&n_checks, 1, __ATOMIC_RELAXED);
        if (!ok)
                __atomic_add_fetch(&n_failed, 1, __ATOMIC_RELAXED);
        flockfile(stdout);
        printf("%s - ", ok ? "ok" : "not ok");
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        if (!ok)
                printf(" [%s:%d]", file, line);
        printf("\n");
        fflush(stdout);
        funlockfile(stdout);
}

int check_done(void) {
        printf("%u checks, %u failed\n", n_checks, n_failed);
        fflush(stdout);
        return n_checks == 0 || n_failed > 0;
}

const char *parent_name(unsigned i) {
        const char *name = getenv(i ? "MDEVD_PARENT1" : "MDEVD_PARENT0");

        if (!name) {
                fprintf(stderr, "MDEVD_PARENT%u is not set\n", i);
                exit(1);
        }
        return name;
}

int write_file(const char *path, const char *text) {
        int fd, r = 0;

        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (write(fd, text, strlen(text)) < 0)
                r = -errno;
        close(fd);
        return r;
}

int read_file(const char *path, char *buf, size_t size) {
        int fd, r;

        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = (int)read(fd, buf, size - 1);
        if (r < 0)
                r = -errno;
        else
                buf[r] = '\0';
        close(fd);
        return r;
}

int bind_parent(const char *parent) {
        char path[256];
        int r;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", parent);
        r = write_file(path, "mdevd");
        if (r < 0)
                return r;
        r = write_file("/sys/bus/pci/drivers_probe", parent);
        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "/sys/bus/pci/drivers/mdevd/%s", parent);
        return access(path, F_OK) < 0 ? -errno : 0;
}

int unbind_parent(const char *parent) {
        return write_file("/sys/bus/pci/drivers/mdevd/unbind", parent);
}

int ctl_open(int flags) {
        int fd = open("/dev/mdevd", flags | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int ctl_call(int ctl, unsigned long cmd, void *arg) {
        return ioctl(ctl, cmd, arg) < 0 ? -errno : 0;
}

int ctl_suspend(int ctl, const char *uuid, uint32_t ms) {
        struct mdevd_suspend arg = { .size = sizeof(arg), .timeout_ms = ms };

        uuid_bytes(uuid, arg.uuid);
        return ctl_call(ctl, MDEVD_SUSPEND, &arg);
}

int ctl_resume(int ctl, const char *uuid) {
        struct mdevd_resume arg = { .size = sizeof(arg) };

        uuid_bytes(uuid, arg.uuid);
        return ctl_call(ctl, MDEVD_RESUME, &arg);
}

int ctl_configure(int ctl, const char *parent, const struct mdevd_pool *pools, uint32_t n_pools,
                  const struct mdevd_type *types, uint32_t n_types) {
        struct mdevd_configure arg = {
                .size = sizeof(arg),
                .n_pools = n_pools,
                .pool_size = sizeof(*pools),
                .n_types = n_types,
                .type_size = sizeof(*types),
                .pools = (uintptr_t)pools,
                .types = (uintptr_t)types,
        };

        snprintf(arg.parent, sizeof(arg.parent), "%s", parent);
        return ctl_call(ctl, MDEVD_CONFIGURE, &arg);
}

int ctl_unconfigure(int ctl, const char *parent) {
        struct mdevd_unconfigure arg = { .size = sizeof(arg) };

        snprintf(arg.parent, sizeof(arg.parent), "%s", parent);
        return ctl_call(ctl, MDEVD_UNCONFIGURE, &arg);
}

void uuid_bytes(const char *text, uint8_t *bytes) {
        unsigned n = 0;

        for (; *text && n < 32; text++) {
                if (!isxdigit(*text))
                        continue;
                unsigned digit = isdigit(*text) ? *text - '0' : tolower(*text) - 'a' + 10;
                bytes[n / 2] = n % 2 ? bytes[n / 2] | digit : digit << 4;
                n++;
        }
}

void reserve_fill(struct mdevd_reserve *arg, const char *parent, const char *type,
                  const char *uuid, const struct mdevd_extent *extents, uint32_t n) {
        *arg = (struct mdevd_reserve){
                .size = sizeof(*arg),
                .owner = "tester",
                .n_extents = n,
                .extent_size = sizeof(*extents),
                .extents = (uintptr_t)extents,
        };
        snprintf(arg->parent, sizeof(arg->parent), "%s", parent);
        snprintf(arg->type, sizeof(arg->type), "%s", type);
        uuid_bytes(uuid, arg->uuid);
}

int ctl_reserve(int ctl, const char *parent, const char *type, const char *uuid,
                const struct mdevd_extent *extents, uint32_t n) {
        struct mdevd_reserve arg;

        reserve_fill(&arg, parent, type, uuid, extents, n);
        return ctl_call(ctl, MDEVD_RESERVE, &arg);
}

int ctl_reserve_at(int ctl, const char *parent, const char *type, const char *uuid,
                   uint64_t offset, uint64_t length) {
        struct mdevd_extent e = { .bar = 2, .offset = offset, .length = length };

        return ctl_reserve(ctl, parent, type, uuid, &e, 1);
}

int ctl_release(int ctl, const char *uuid) {
        struct mdevd_release arg = { .size = sizeof(arg) };

        uuid_bytes(uuid, arg.uuid);
        return ctl_call(ctl, MDEVD_RELEASE, &arg);
}

int ctl_event(int ctl, struct mdevd_event *event) {
        struct pollfd p = { .fd = ctl, .events = POLLIN };
        ssize_t r;

        /* the case's own limit ends this if the event never comes */
        if (poll(&p, 1, -1) < 0)
                return -errno;
        r = read(ctl, event, sizeof(*event));
        if (r < 0)
                return -errno;
        return r == sizeof(*event) && event->size == sizeof(*event) ? 0 : -EIO;
}

int ctl_wait(int ctl, uint32_t type, const char *uuid) {
        struct mdevd_event event;
        uint8_t bytes[16] = {};

        if (uuid)
                uuid_bytes(uuid, bytes);
        for (;;) {
                int r = ctl_event(ctl, &event);

                if (r < 0)
                        return r;
                if (event.type == type && memcmp(event.uuid, bytes, 16) == 0)
                        return 0;
        }
}

char *ctl_snapshot(int ctl, size_t *length, uint64_t *generation) {
        struct mdevd_query arg = { .size = sizeof(arg) };
        char *buf = NULL;

        for (;;) {
                int r = ctl_call(ctl, MDEVD_QUERY, &arg);

                if (r == 0 && (arg.buffer || arg.length == 0))
                        break;
                free(buf);
                if (r < 0 && r != -ENOSPC)
                        return NULL;
                buf = malloc(arg.length);
                arg.buffer = (uintptr_t)buf;
        }
        *length = arg.length;
        if (generation)
                *generation = arg.generation;
        return buf;
}

int ctl_device(int ctl, const char *uuid, struct mdevd_device_record *record,
               struct mdevd_extent *extents, uint32_t *n) {
        uint8_t bytes[16];
        size_t length, at = 0;
        bool found = false;
        char *buf;

        uuid_bytes(uuid, bytes);
        buf = ctl_snapshot(ctl, &length, NULL);
        if (n)
                *n = 0;
        while (buf && at < length) {
                const struct mdevd_record *r = (const void *)(buf + at);

                if (r->type == MDEVD_RECORD_DEVICE) {
                        const struct mdevd_device_record *d = (const void *)(r + 1);

                        if (found)
                                break;
                        found = memcmp(d->uuid, bytes, 16) == 0;
                        if (found && record)
                                *record = *d;
                } else if (r->type == MDEVD_RECORD_EXTENT && found && n) {
                        extents[(*n)++] = *(const struct mdevd_extent *)(r + 1);
                } else if (r->type == MDEVD_RECORD_PARENT && found) {
                        break;
                }
                at += r->length;
        }
        free(buf);
        return found ? 0 : -ENOENT;
}

int ctl_state(int ctl, const char *uuid) {
        struct mdevd_device_record record;
        int r = ctl_device(ctl, uuid, &record, NULL, NULL);

        return r < 0 ? r : (int)record.state;
}

int standard_parent(int ctl, const char *parent) {
        static const struct {
                const char *name;
                uint64_t length;
                uint32_t map, flags, type_flags;
        } table[] = {
                { "4K", 4 * KIB, MDEVD_MAP_FAULT, 0 },
                { "64K", 64 * KIB, MDEVD_MAP_FAULT, 0 },
                { "1M", 1 * MIB, MDEVD_MAP_FAULT, 0 },
                { "3M", 3 * MIB, MDEVD_MAP_FAULT, MDEVD_BAR_64BIT },
                { "4M", 4 * MIB, MDEVD_MAP_FAULT, MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH },
                { "8M", 8 * MIB, MDEVD_MAP_FAULT, MDEVD_BAR_PREFETCH },
                { "8M-eager", 8 * MIB, MDEVD_MAP_EAGER, MDEVD_BAR_PREFETCH },
                { "16M", 16 * MIB, MDEVD_MAP_FAULT, MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH },
                { "16M-eager", 16 * MIB, MDEVD_MAP_EAGER, MDEVD_BAR_64BIT | MDEVD_BAR_PREFETCH },
                { "4M-move", 4 * MIB, MDEVD_MAP_FAULT, 0, MDEVD_TYPE_MOVABLE },
                { "16M-move", 16 * MIB, MDEVD_MAP_FAULT, 0, MDEVD_TYPE_MOVABLE },
                { "3-bars", 1 * MIB, MDEVD_MAP_FAULT, 0, 0 },
        };
        struct mdevd_type types[ELEMENTS(table)] = {};
        struct mdevd_pool pool = { .name = "mem", .bar = 2, .cache = MDEVD_CACHE_WC };
        char path[256], line[128];
        uint64_t start, end;
        FILE *f;

        for (unsigned i = 0; i < ELEMENTS(table); i++) {
                snprintf(types[i].name, sizeof(types[i].name), "%s", table[i].name);
                types[i].map = table[i].map;
                types[i].flags = table[i].type_flags;
                types[i].bars[0].length = table[i].length;
                types[i].bars[0].flags = table[i].flags;
                if (strcmp(table[i].name, "3-bars") != 0)
                        continue;
                types[i].bars[1] = (struct mdevd_type_bar){ 12 * KIB, MDEVD_BAR_PREFETCH, 0 };
                types[i].bars[4] = (struct mdevd_type_bar){ 64 * KIB, MDEVD_BAR_64BIT, 0 };
                types[i].vendor = 0x1234;
                types[i].device = 0x5678;
                types[i].class = 0x038000;
        }

        /* third line of `resource`: BAR 2 */
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", parent);
        f = fopen(path, "re");
        if (!f)
                return -errno;
        for (int i = 0; i < 3; i++)
                if (!fgets(line, sizeof(line), f)) {
                        fclose(f);
                        return -EIO;
                }
        fclose(f);
        if (sscanf(line, "%lx %lx", &start, &end) != 2)
                return -EIO;
        pool.length = end - start + 1;

        return ctl_configure(ctl, parent, &pool, 1, types, ELEMENTS(table));
}

int mdev_create(const char *parent, const char *type, const char *uuid) {
        char path[256];

        snprintf(path, sizeof(path),
                 "/sys/bus/pci/devices/%s/mdev_supported_types/mdevd-%s/create", parent, type);
        return write_file(path, uuid);
}

int mdev_remove(const char *uuid) {
        char path[256];

        snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/remove", uuid);
        return write_file(path, "1");
}

int mdev_make(int ctl, const char *parent, const char *type, const char *uuid, uint64_t offset,
              uint64_t length) {
        int r = ctl_reserve_at(ctl, parent, type, uuid, offset, length);

        return r < 0 ? r : mdev_create(parent, type, uuid);
}

bool mdev_exists(const char *uuid) {
        char path[256];

        snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s", uuid);
        return access(path, F_OK) == 0;
}

int mdev_attr(const char *uuid, const char *name, char *buf, size_t size) {
        char path[256];

        snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/mdevd/%s", uuid, name);
        return read_file(path, buf, size);
}

static int open_group(const char *uuid) {
        char path[256], target[256];
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/iommu_group", uuid);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
        fd = open(path, O_RDWR | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int device_open(struct device *d, const char *uuid) {
        int r;

        *d = (struct device){ .container = -1, .group = -1, .fd = -1 };
        d->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
        d->group = d->container < 0 ? -errno : open_group(uuid);
        if (d->group < 0) {
                r = d->group;
                goto fail;
        }
        if (ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &d->container) < 0 ||
            ioctl(d->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
                r = -errno;
                goto fail;
        }
        d->fd = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, uuid);
        if (d->fd < 0) {
                r = -errno;
                goto fail;
        }
        return 0;
fail:
        device_close(d);
        return r;
}

void device_close(struct device *d) {
        if (d->fd >= 0)
                close(d->fd);
        if (d->group >= 0)
                close(d->group);
        if (d->container >= 0)
                close(d->container);
        *d = (struct device){ .container = -1, .group = -1, .fd = -1 };
}

int device_region(const struct device *d, uint32_t index, struct vfio_region_info *info) {
        *info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
        return ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0 ? -errno : 0;
}

void *device_map(const struct device *d, uint32_t bar, uint64_t offset, uint64_t length) {
        return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd,
                    (off_t)(REGION(bar) + offset));
}

int device_irq(const struct device *d, uint32_t index, uint32_t flags, uint32_t count,
               const void *data, size_t size) {
        char buf[256];
        struct vfio_irq_set *set = (struct vfio_irq_set *)buf;

        *set = (struct vfio_irq_set){
                .argsz = sizeof(*set) + size,
                .flags = flags,
                .index = index,
                .count = count,
        };
        if (size)
                memcpy(set->data, data, size);
        return ioctl(d->fd, VFIO_DEVICE_SET_IRQS, set) < 0 ? -errno : 0;
}

int host(const char *format, ...) {
        char command[512] = "host ";
        va_list args;
        int r;

        va_start(args, format);
        vsnprintf(command + 5, sizeof(command) - 5, format, args);
        va_end(args);
        fflush(stdout);
        r = system(command);
        return WIFEXITED(r) ? WEXITSTATUS(r) : 1;
}

static _Thread_local sigjmp_buf touch_jump;
static _Thread_local volatile int touch_armed;

static void touch_signal(int signal, siginfo_t *info, void *context) {
        char line[64];
        int n;

        (void)context;
        if (touch_armed)
                siglongjmp(touch_jump, signal);
        n = snprintf(line, sizeof(line), "# signal %d at %p\n", signal, info->si_addr);
        if (write(STDOUT_FILENO, line, (size_t)n) < 0)
                _exit(100);
        _exit(100 + signal);
}

static void touch_arm(void) {
        static int once;

        if (__atomic_exchange_n(&once, 1, __ATOMIC_RELAXED))
                return;
        struct sigaction action = { .sa_sigaction = touch_signal, .sa_flags = SA_SIGINFO };
        sigaction(SIGBUS, &action, NULL);
        sigaction(SIGSEGV, &action, NULL);
}

int touch_read(const volatile void *at, uint32_t *value) {
        int r;

        touch_arm();
        r = sigsetjmp(touch_jump, 1);
        touch_armed = 1;
        if (r == 0)
                *value = *(const volatile uint32_t *)at;
        touch_armed = 0;
        return r;
}

int touch_write(volatile void *at, uint32_t value) {
        int r;

        touch_arm();
        r = sigsetjmp(touch_jump, 1);
        touch_armed = 1;
        if (r == 0)
                *(volatile uint32_t *)at = value;
        touch_armed = 0;
        return r;
}
