/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-kernel.c: owns what happens when a file of a fake tree is written to, or /dev/mdevd of it is
 * asked: mdev core, the PCI bus and our module, in as few lines as the daemon can be fooled by. The
 * module's state is a file that all processes map; /dev/mdevd is a FIFO, which makes events
 * pollable.
 */
#include "fake-kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mdevd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "../bus/tracer-mark.h"
#include "fake-vgpu.h"

#define PARENTS_MAX 4
#define DEVICES_MAX 256
#define DEVPATH "devices/pci0000:00"

__attribute__((visibility("default"))) ssize_t write(int fd, const void *buf, size_t n);
__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...);

static ssize_t real_write(int fd, const void *buf, size_t n) {
        return syscall(SYS_write, fd, buf, n);
}

/* ---- little things ---- */

__attribute__((format(printf, 2, 3))) static char *make_path(char path[static PATH_MAX],
                                                              const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        if (vsnprintf(path, PATH_MAX, format, ap) >= PATH_MAX)
                abort();
        va_end(ap);
        return path;
}

#define P(...) make_path((char[PATH_MAX]){}, __VA_ARGS__)
#define UUID_TEXT(u)                                                                               \
        P("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", (u)[0], (u)[1],  \
          (u)[2], (u)[3], (u)[4], (u)[5], (u)[6], (u)[7], (u)[8], (u)[9], (u)[10], (u)[11],        \
          (u)[12], (u)[13], (u)[14], (u)[15])

static bool read_text(const char *path, char *buf, size_t size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

        if (fd >= 0)
                (void) close(fd);
        if (n < 0)
                return false;
        buf[n] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
        return true;
}

static void write_text(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0 || real_write(fd, text, strlen(text)) < 0)
                abort();
        (void) close(fd);
}

static int read_number(const char *path, int fallback) {
        char buf[32];

        return read_text(path, buf, sizeof(buf)) ? atoi(buf) : fallback;
}

static int lock_tree(const char *root) {
        int fd = open(P("%s/fake", root), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                abort();
        return fd;
}

/* A FIFO there holds us until somebody opens its other end. */
static void wait_at(const char *path) {
        struct stat st;
        int fd;

        if (stat(path, &st) < 0 || !S_ISFIFO(st.st_mode))
                return;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                (void) close(fd);
}

void fake_kernel_uevent(const char *root, const char *action, const char *devpath,
                        const char *subsystem, const char *extra) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        char text[2048];
        int fd, n;

        n = snprintf(text, sizeof(text), "ACTION=%s%cDEVPATH=%s%cSUBSYSTEM=%s%c%s%c", action, 0,
                     devpath, 0, subsystem, 0, extra ? extra : "SEQNUM=1", 0);
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/mdevd/uevent", root);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                abort();
        (void) sendto(fd, text, n, 0, (struct sockaddr *) &sa, sizeof(sa));
        (void) close(fd);
}

/* ---- the module's state ---- */

typedef struct FakeParent FakeParent;
typedef struct FakeDevice FakeDevice;
typedef struct FakeModule FakeModule;

struct FakeParent {
        char name[MDEVD_PARENT_LEN];
        bool closing;
        uint32_t flags;
        char vendor[MDEVD_NAME_LEN];
        unsigned n_pools, n_types;
        struct mdevd_pool pools[MDEVD_MAX_POOLS];
        struct mdevd_type types[MDEVD_MAX_TYPES];
        unsigned available[MDEVD_MAX_TYPES];
};

#define REQUESTS_MAX 64

typedef struct FakeRequest FakeRequest;

struct FakeRequest {
        char parent[MDEVD_PARENT_LEN];
        char type[MDEVD_NAME_LEN];
        uint8_t uuid[16];
        int outcome; /* as fake_module_outcome() */
        int32_t pid;
        char comm[16];
};

struct FakeDevice {
        bool used;
        char parent[MDEVD_PARENT_LEN];
        struct mdevd_device_record record;
        unsigned n_extents;
        struct mdevd_extent extents[MDEVD_MAX_EXTENTS];
        bool has_other;
        struct mdevd_move_record other;
        pid_t reserver; /* or who holds it */
        int reserver_fd; /* of /dev/mdevd, in that process */
};

struct FakeModule {
        uint64_t generation;
        int hold_scrub;
        int listener, loses, older, cancels;
        unsigned n_queries, n_queries_of_one;
        unsigned n_requests; /* their cookies are from 1 on */
        FakeRequest requests[REQUESTS_MAX];
        FakeParent parents[PARENTS_MAX];
        FakeDevice devices[DEVICES_MAX];
};

/* An unconsumed reservation dies with the descriptor that it was made on. */
static bool is_reserved_still(const FakeDevice *d) {
        char path[PATH_MAX];
        ssize_t n;

        n = readlink(P("/proc/%d/fd/%d", (int) d->reserver, d->reserver_fd), path,
                     sizeof(path) - 1);
        if (n < 0)
                return false;
        path[n] = '\0';
        return strstr(path, "/dev/mdevd") != NULL;
}

static FakeModule *map_module(const char *root) {
        int fd = open(P("%s/fake/module", root), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        FakeModule *m;

        if (fd < 0 || ftruncate(fd, sizeof(*m)) < 0)
                abort();
        m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (m == MAP_FAILED)
                abort();
        (void) close(fd);
        for (unsigned i = 0; i < DEVICES_MAX; i++)
                if (m->devices[i].used && !is_reserved_still(&m->devices[i])) {
                        if (m->devices[i].record.state == MDEVD_DEVICE_RESERVED)
                                m->devices[i].used = false;
                        if (m->devices[i].record.state == MDEVD_DEVICE_SUSPENDED)
                                m->devices[i].record.state = MDEVD_DEVICE_LIVE;
                }
        return m;
}

static void unmap_module(FakeModule *m) {
        m->generation++;
        (void) munmap(m, sizeof(*m));
}

static FakeParent *find_parent(FakeModule *m, const char *name) {
        for (unsigned i = 0; i < PARENTS_MAX; i++)
                if (strcmp(m->parents[i].name, name) == 0)
                        return &m->parents[i];
        return NULL;
}

static FakeDevice *find_device(FakeModule *m, const uint8_t uuid[16]) {
        for (unsigned i = 0; i < DEVICES_MAX; i++)
                if (m->devices[i].used && memcmp(m->devices[i].record.uuid, uuid, 16) == 0)
                        return &m->devices[i];
        return NULL;
}

static void put_event(const char *root, const struct mdevd_event *e) {
        int fd = open(P("%s/dev/mdevd", root), O_RDWR | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
                return;
        (void) real_write(fd, e, sizeof(*e));
        (void) close(fd);
}

static void send_event(const char *root, uint32_t type, const char *parent, const uint8_t *uuid,
                       int32_t pid, const char *comm) {
        struct mdevd_event e = { .size = sizeof(e), .type = type, .pid = pid };

        (void) snprintf(e.parent, sizeof(e.parent), "%s", parent);
        (void) snprintf(e.comm, sizeof(e.comm), "%s", comm ? comm : "");
        if (uuid)
                memcpy(e.uuid, uuid, sizeof(e.uuid));
        put_event(root, &e);
}

static void clean_device(const char *root, FakeDevice *d) {
        if (d->record.state == MDEVD_DEVICE_DYING)
                d->used = false;
        else
                d->record.state = MDEVD_DEVICE_LIVE;
        send_event(root, MDEVD_EVENT_DEVICE_CLEAN, d->parent, d->record.uuid, 0, NULL);
}

/* In sysfs. */
static void show_opened(const char *root, const FakeDevice *d) {
        const char *folder = P("%s/sys/" DEVPATH "/%s/%s/mdevd", root, d->parent,
                               UUID_TEXT(d->record.uuid));

        if (mkdir(folder, 0755) >= 0 || errno == EEXIST) /* else it is removed, and open still */
                write_text(P("%s/opened", folder), d->record.opened > 0 ? "1\n" : "0\n");
}

void fake_module_open(const char *root, const uint8_t uuid[16], int32_t pid, const char *comm) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);
        FakeDevice *d = find_device(m, uuid);

        if (!d)
                abort();
        d->record.opened++;
        d->record.faults += 3;
        show_opened(root, d);
        send_event(root, MDEVD_EVENT_DEVICE_OPENED, d->parent, uuid, pid, comm);
        unmap_module(m);
        (void) close(lock);
}

void fake_module_close(const char *root, const uint8_t uuid[16]) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);
        FakeDevice *d = find_device(m, uuid);

        if (!d)
                abort();
        d->record.opened = 0;
        show_opened(root, d);
        d->has_other = false; /* a move ends with it, and so does what one left */
        d->record.state = MDEVD_DEVICE_SCRUBBING;
        send_event(root, MDEVD_EVENT_DEVICE_CLOSED, d->parent, uuid, 0, NULL);
        if (!m->hold_scrub)
                clean_device(root, d);
        unmap_module(m);
        (void) close(lock);
}

void fake_module_unplug(const char *root, const char *parent) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);
        FakeParent *p = find_parent(m, parent);

        if (!p)
                abort();
        p->closing = true;
        send_event(root, MDEVD_EVENT_PARENT_CLOSING, parent, NULL, 0, NULL);
        for (unsigned i = 0; i < DEVICES_MAX; i++) {
                FakeDevice *d = &m->devices[i];

                if (!d->used || d->record.opened == 0 || strcmp(d->parent, parent) != 0)
                        continue;
                d->record.state = MDEVD_DEVICE_REVOKED;
                send_event(root, MDEVD_EVENT_DEVICE_REVOKED, parent, d->record.uuid, 4711, "guest");
        }
        unmap_module(m);
        (void) close(lock);
}

void fake_module_hold_scrub(const char *root, int hold) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);

        m->hold_scrub = hold;
        for (unsigned i = 0; !hold && i < DEVICES_MAX; i++)
                if (m->devices[i].used && (m->devices[i].record.state == MDEVD_DEVICE_DYING ||
                                           m->devices[i].record.state == MDEVD_DEVICE_SCRUBBING))
                        clean_device(root, &m->devices[i]);
        unmap_module(m);
        (void) close(lock);
}

static void tell_request(const char *root, const FakeRequest *r, uint64_t cookie, uint32_t type) {
        struct mdevd_event e = { .size = sizeof(e), .type = type, .pid = r->pid,
                                 .cookie = cookie };

        memcpy(e.parent, r->parent, sizeof(e.parent));
        memcpy(e.name, r->type, sizeof(e.name));
        memcpy(e.uuid, r->uuid, sizeof(e.uuid));
        memcpy(e.comm, r->comm, sizeof(e.comm));
        put_event(root, &e);
}

uint64_t fake_module_request(const char *root, const char *parent, const char *type,
                             const uint8_t uuid[16], int32_t pid, const char *comm) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);
        FakeRequest *r = &m->requests[m->n_requests++];
        uint64_t cookie = m->n_requests;

        if (m->n_requests > REQUESTS_MAX)
                abort();
        *r = (FakeRequest){ .outcome = m->listener ? 1 : -ENOENT, .pid = pid };
        (void) snprintf(r->parent, sizeof(r->parent), "%s", parent);
        (void) snprintf(r->type, sizeof(r->type), "%s", type);
        (void) snprintf(r->comm, sizeof(r->comm), "%s", comm);
        memcpy(r->uuid, uuid, sizeof(r->uuid));
        if (m->listener && !m->loses)
                tell_request(root, r, cookie, MDEVD_EVENT_REQUEST);
        unmap_module(m);
        (void) close(lock);
        return cookie;
}

void fake_module_repeat(const char *root, uint64_t cookie) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);

        tell_request(root, &m->requests[cookie - 1], cookie, MDEVD_EVENT_REQUEST);
        unmap_module(m);
        (void) close(lock);
}

void fake_module_lose(const char *root, int lose) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);

        m->loses = lose;
        if (!lose)
                send_event(root, MDEVD_EVENT_LOST, "", NULL, 0, NULL);
        unmap_module(m);
        (void) close(lock);
}

void fake_module_cancel(const char *root, int cancel) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);

        m->cancels = cancel;
        unmap_module(m);
        (void) close(lock);
}

void fake_module_leave(const char *root, uint64_t cookie) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);

        m->requests[cookie - 1].outcome = -EINTR;
        tell_request(root, &m->requests[cookie - 1], cookie, MDEVD_EVENT_REQUEST_GONE);
        unmap_module(m);
        (void) close(lock);
}

int fake_module_outcome(const char *root, uint64_t cookie) {
        int lock = lock_tree(root), r;
        FakeModule *m = map_module(root);

        r = m->requests[cookie - 1].outcome;
        unmap_module(m);
        (void) close(lock);
        return r;
}

int fake_module_available(const char *root, const char *parent, const char *type) {
        int lock = lock_tree(root), r = -1;
        FakeModule *m = map_module(root);
        const FakeParent *p = find_parent(m, parent);

        for (unsigned i = 0; m->listener && p && i < p->n_types; i++)
                if (strcmp(p->types[i].name, type) == 0)
                        r = (int) p->available[i];
        unmap_module(m);
        (void) close(lock);
        return r;
}

unsigned fake_module_count(const char *root) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);
        unsigned n = 0;

        for (unsigned i = 0; i < DEVICES_MAX; i++)
                n += m->devices[i].used;
        unmap_module(m);
        (void) close(lock);
        return n;
}

void fake_module_set_older(const char *root, int older) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);

        m->older = older;
        unmap_module(m);
        (void) close(lock);
}

void fake_module_count_queries(const char *root, unsigned *ret_all, unsigned *ret_one) {
        int lock = lock_tree(root);
        FakeModule *m = map_module(root);

        *ret_all = m->n_queries;
        *ret_one = m->n_queries_of_one;
        m->n_queries = m->n_queries_of_one = 0;
        unmap_module(m);
        (void) close(lock);
}

/* ---- ioctls ---- */

static int make_device(const char *root, const char *parent_path, const char *type,
                       const char *uuid);
static void mdev_uevent(const char *root, const char *action, const char *parent_path,
                        const char *uuid);

static int on_get_info(FakeModule *m, const char *root, void *arg) {
        struct mdevd_get_info *info = arg;

        info->api_version = MDEVD_API_VERSION;
        info->page_size = 4096;
        return 0;
}

static void add_sysfs_type(const char *root, const char *parent, const struct mdevd_type *t) {
        const char *folder = P("%s/sys/" DEVPATH "/%s/mdev_supported_types/mdevd-%s", root, parent,
                               t->name);

        (void) mkdir(folder, 0755);
        write_text(P("%s/create", folder), "");
        write_text(P("%s/name", folder), t->label);
        write_text(P("%s/device_api", folder), "vfio-pci\n");
        write_text(P("%s/available_instances", folder), "1\n");
}

static int on_configure(FakeModule *m, const char *root, void *arg) {
        const struct mdevd_configure *c = arg;
        char driver[PATH_MAX];
        FakeParent *p;
        ssize_t n;

        n = readlink(P("%s/sys/" DEVPATH "/%s/driver", root, c->parent), driver,
                     sizeof(driver) - 1);
        if (n < 0)
                return -ENODEV;
        driver[n] = '\0';
        if (strcmp(strrchr(driver, '/'), "/mdevd") != 0)
                return -ENODEV;
        if (find_parent(m, c->parent))
                return -EEXIST;
        p = find_parent(m, "");
        if (!p)
                return -ENOSPC;

        (void) snprintf(p->name, sizeof(p->name), "%s", c->parent);
        p->flags = c->flags & MDEVD_CONFIGURE_UNSAFE_DMA ? MDEVD_PARENT_UNSAFE_ASKED : 0;
        memcpy(p->vendor, c->vendor, sizeof(p->vendor));
        p->n_pools = c->n_pools;
        p->n_types = c->n_types;
        memcpy(p->pools, (const void *) (uintptr_t) c->pools, c->n_pools * sizeof(p->pools[0]));
        memcpy(p->types, (const void *) (uintptr_t) c->types, c->n_types * sizeof(p->types[0]));
        (void) mkdir(P("%s/sys/" DEVPATH "/%s/mdev_supported_types", root, p->name), 0755);
        for (unsigned i = 0; i < p->n_types; i++) {
                /* ids that are left open become the parent's own, and are told so */
                p->types[i].vendor = 0x1af4;
                p->types[i].class = 0x050000;
                add_sysfs_type(root, p->name, &p->types[i]);
        }
        if (symlink(P("../../" DEVPATH "/%s", p->name),
                    P("%s/sys/class/mdev_bus/%s", root, p->name)) < 0 && errno != EEXIST)
                abort();
        fake_kernel_uevent(root, "change", P("/" DEVPATH "/%s", p->name), "pci",
                           "MDEV_STATE=registered");
        send_event(root, MDEVD_EVENT_PARENT_CONFIGURED, p->name, NULL, 0, NULL);
        return 0;
}

static int on_unconfigure(FakeModule *m, const char *root, void *arg) {
        const struct mdevd_unconfigure *u = arg;
        FakeParent *p = find_parent(m, u->parent);

        if (!p)
                return -ENOENT;
        for (unsigned i = 0; i < DEVICES_MAX; i++)
                if (m->devices[i].used && strcmp(m->devices[i].parent, u->parent) == 0)
                        return -EBUSY;
        for (unsigned i = 0; i < p->n_types; i++) {
                static const char *const files[] = { "/create", "/name", "/device_api",
                                                     "/available_instances", "" };

                for (unsigned k = 0; k < 5; k++)
                        (void) remove(P("%s/sys/" DEVPATH "/%s/mdev_supported_types/mdevd-%s%s",
                                        root, p->name, p->types[i].name, files[k]));
        }
        (void) rmdir(P("%s/sys/" DEVPATH "/%s/mdev_supported_types", root, p->name));
        (void) unlink(P("%s/sys/class/mdev_bus/%s", root, p->name));
        send_event(root, MDEVD_EVENT_PARENT_UNCONFIGURED, p->name, NULL, 0, NULL);
        memset(p, 0, sizeof(*p));
        return 0;
}

static bool extents_overlap(const struct mdevd_extent *a, const struct mdevd_extent *b) {
        return a->bar == b->bar && a->offset < b->offset + b->length &&
               b->offset < a->offset + a->length;
}

static bool is_taken(const FakeModule *m, const char *parent, const struct mdevd_extent *e) {
        for (unsigned i = 0; i < DEVICES_MAX; i++) {
                const FakeDevice *d = &m->devices[i];

                if (!d->used || strcmp(d->parent, parent) != 0)
                        continue;
                for (unsigned k = 0; k < d->n_extents; k++)
                        if (extents_overlap(&d->extents[k], e))
                                return true;
                if (d->has_other && extents_overlap(&d->other.other, e))
                        return true;
        }
        return false;
}

static bool in_pool(const FakeParent *p, const struct mdevd_extent *e) {
        for (unsigned i = 0; i < p->n_pools; i++)
                if (p->pools[i].bar == e->bar && e->offset >= p->pools[i].offset &&
                    e->offset + e->length <= p->pools[i].offset + p->pools[i].length)
                        return true;
        return false;
}

static int ioctl_fd; /* of the call under way */

static int reserve(FakeModule *m, const struct mdevd_reserve *r, FakeDevice **ret) {
        const struct mdevd_extent *extents = (const void *) (uintptr_t) r->extents;
        FakeParent *p = find_parent(m, r->parent);
        FakeDevice *d = NULL;

        if (!p)
                return -ENODEV;
        if (find_device(m, r->uuid))
                return -EEXIST;
        for (unsigned i = 0; i < r->n_extents; i++)
                if (!in_pool(p, &extents[i]))
                        return -ERANGE;
                else if (is_taken(m, r->parent, &extents[i]))
                        return -EBUSY;
        for (unsigned i = 0; i < DEVICES_MAX && !d; i++)
                if (!m->devices[i].used)
                        d = &m->devices[i];
        if (!d)
                return -ENOSPC;

        *d = (FakeDevice){ .used = true, .n_extents = r->n_extents, .reserver = getpid(),
                            .reserver_fd = ioctl_fd };
        memcpy(d->parent, r->parent, sizeof(d->parent));
        memcpy(d->record.uuid, r->uuid, sizeof(d->record.uuid));
        memcpy(d->record.type, r->type, sizeof(d->record.type));
        memcpy(d->record.owner, r->owner, sizeof(d->record.owner));
        memcpy(d->extents, extents, r->n_extents * sizeof(*extents));
        d->record.state = MDEVD_DEVICE_RESERVED;
        *ret = d;
        return 0;
}

static int on_reserve(FakeModule *m, const char *root, void *arg) {
        FakeDevice *d;

        return reserve(m, arg, &d);
}

static int on_listen(FakeModule *m, const char *root, void *arg) {
        m->listener = 1;
        for (unsigned i = 0; i < m->n_requests; i++)
                if (m->requests[i].outcome == 1)
                        tell_request(root, &m->requests[i], i + 1, MDEVD_EVENT_REQUEST);
        return 0;
}

/* The writer's create goes on: mdev core makes it visible. */
static void show_device(const char *root, const FakeRequest *q) {
        const char *path = P("sys/" DEVPATH "/%s", q->parent), *type = P("mdevd-%s", q->type);
        const char *uuid = UUID_TEXT(q->uuid);

        if (make_device(root, path, type, uuid) < 0)
                abort();
        mdev_uevent(root, "add", path, uuid);
}

static int on_answer(FakeModule *m, const char *root, void *arg) {
        const struct mdevd_answer *a = arg;
        FakeRequest *q = a->cookie > 0 && a->cookie <= m->n_requests ?
                                 &m->requests[a->cookie - 1] : NULL;
        struct mdevd_reserve order = { .n_extents = a->n_extents, .extents = a->extents };
        FakeDevice *d;
        int r;

        if (!m->listener)
                return -EPERM;
        if (!q || q->outcome != 1)
                return -ESTALE;
        if (a->error) {
                q->outcome = -(int) a->error;
                return 0;
        }
        if (m->cancels) {
                q->outcome = -ECANCELED;
                mdev_uevent(root, "remove", P("sys/" DEVPATH "/%s", q->parent), UUID_TEXT(q->uuid));
                return 0;
        }
        memcpy(order.parent, q->parent, sizeof(order.parent));
        memcpy(order.type, q->type, sizeof(order.type));
        memcpy(order.owner, a->owner, sizeof(order.owner));
        memcpy(order.uuid, q->uuid, sizeof(order.uuid));
        r = reserve(m, &order, &d);
        if (r < 0)
                return r;
        q->outcome = 0;
        d->record.state = MDEVD_DEVICE_LIVE;
        send_event(root, MDEVD_EVENT_DEVICE_ADDED, q->parent, q->uuid, 0, NULL);
        show_device(root, q);
        return 0;
}

static int on_set_available(FakeModule *m, const char *root, void *arg) {
        const struct mdevd_set_available *a = arg;
        FakeParent *p = find_parent(m, a->parent);

        if (!p)
                return -ENODEV;
        for (unsigned i = 0; i < p->n_types; i++)
                if (strcmp(p->types[i].name, a->type) == 0) {
                        p->available[i] = a->available;
                        return 0;
                }
        return -ENOENT;
}

typedef struct Out Out;

struct Out {
        char *at;
        uint64_t room, length;
};

static void put(Out *o, uint32_t type, const void *payload, size_t size) {
        struct mdevd_record head = { .length = sizeof(head) + size, .type = type };

        o->length += head.length;
        if (o->length > o->room)
                return;
        memcpy(o->at, &head, sizeof(head));
        memcpy(o->at + sizeof(head), payload, size);
        o->at += head.length;
}

/* @one: that one alone; NULL: all. */
static void put_devices(Out *o, const FakeModule *m, const char *parent, const FakeDevice *one) {
        for (unsigned i = 0; i < DEVICES_MAX; i++) {
                const FakeDevice *d = &m->devices[i];

                if (!d->used || strcmp(d->parent, parent) != 0 || (one && d != one))
                        continue;
                put(o, MDEVD_RECORD_DEVICE, &d->record, sizeof(d->record));
                for (unsigned k = 0; k < d->n_extents; k++)
                        put(o, MDEVD_RECORD_EXTENT, &d->extents[k], sizeof(d->extents[k]));
                if (d->has_other)
                        put(o, MDEVD_RECORD_MOVE, &d->other, sizeof(d->other));
        }
}

static int on_query(FakeModule *m, const char *root, void *arg) {
        struct mdevd_query *q = arg;
        Out o = { .at = (char *) (uintptr_t) q->buffer, .room = q->buffer ? q->length : 0 };
        const FakeDevice *one = q->flags & MDEVD_QUERY_ONE ? find_device(m, q->uuid) : NULL;

        if (m->older && q->flags)
                return -EINVAL;
        (*(q->flags & MDEVD_QUERY_ONE ? &m->n_queries_of_one : &m->n_queries))++;
        if (read_number(P("%s/fake/query-errno", root), 0) > 0)
                return -read_number(P("%s/fake/query-errno", root), 0);
        if ((q->flags & MDEVD_QUERY_ONE) && !one)
                return -ENOENT;
        for (unsigned i = 0; i < PARENTS_MAX; i++) {
                const FakeParent *p = &m->parents[i];
                struct mdevd_parent_record record = { .state = MDEVD_PARENT_CONFIGURED };

                if (!p->name[0] || (one && strcmp(p->name, one->parent) != 0))
                        continue;
                if (p->closing)
                        record.state = MDEVD_PARENT_CLOSING;
                memcpy(record.name, p->name, sizeof(record.name));
                record.flags = p->flags;
                memcpy(record.vendor, p->vendor, sizeof(record.vendor));
                put(&o, MDEVD_RECORD_PARENT, &record, sizeof(record));
                for (unsigned k = 0; !one && k < p->n_pools; k++)
                        put(&o, MDEVD_RECORD_POOL, &p->pools[k], sizeof(p->pools[k]));
                for (unsigned k = 0; !one && k < p->n_types; k++)
                        put(&o, MDEVD_RECORD_TYPE, &p->types[k], sizeof(p->types[k]));
                put_devices(&o, m, p->name, one);
        }
        q->generation = m->generation;
        q->length = o.length;
        return q->buffer && o.length > o.room ? -ENOSPC : 0;
}

/* ---- hold and move ---- */

static int on_suspend(FakeModule *m, const char *root, void *arg) {
        const struct mdevd_suspend *s = arg;
        FakeDevice *d = find_device(m, s->uuid);

        if (!d)
                return -ENOENT;
        if (d->record.state != MDEVD_DEVICE_LIVE)
                return -EBUSY;
        d->record.state = MDEVD_DEVICE_SUSPENDED;
        d->reserver = getpid();
        d->reserver_fd = ioctl_fd;
        send_event(root, MDEVD_EVENT_DEVICE_SUSPENDED, d->parent, s->uuid, 0, NULL);
        return 0;
}

static int on_resume(FakeModule *m, const char *root, void *arg) {
        const struct mdevd_resume *s = arg;
        FakeDevice *d = find_device(m, s->uuid);

        if (!d || d->record.state != MDEVD_DEVICE_SUSPENDED || d->reserver != getpid())
                return -ENOENT;
        d->record.state = MDEVD_DEVICE_LIVE;
        send_event(root, MDEVD_EVENT_DEVICE_RESUMED, d->parent, s->uuid, 0, NULL);
        return 0;
}

static bool is_movable(FakeModule *m, const FakeDevice *d) {
        const FakeParent *p = find_parent(m, d->parent);

        for (unsigned i = 0; p && i < p->n_types; i++)
                if (strcmp(p->types[i].name, d->record.type) == 0)
                        return p->types[i].flags & MDEVD_TYPE_MOVABLE;
        return false;
}

static int begin_move(FakeModule *m, FakeDevice *d, const struct mdevd_move *a) {
        struct mdevd_extent to = d->extents[a->extent];

        to.bar = a->bar;
        to.offset = a->offset;
        if (d->has_other)
                return d->other.finished || d->other.extent != a->extent ||
                                       d->other.other.offset != to.offset ?
                               -EBUSY :
                               0;
        if (a->flags & MDEVD_MOVE_BACK)
                return -ENOENT;
        if (!in_pool(find_parent(m, d->parent), &to))
                return -ERANGE;
        if (is_taken(m, d->parent, &to))
                return -EBUSY;
        d->has_other = true;
        d->other = (struct mdevd_move_record){ .other = to, .extent = a->extent };
        return 0;
}

/* One chunk a call, as long as <root>/fake/chunk-us says; the source is free as the flags say. */
static int on_move(FakeModule *m, const char *root, void *arg) {
        struct mdevd_move *a = arg;
        FakeDevice *d = find_device(m, a->uuid);
        uint64_t chunk = 2 << 20, left;
        int r;

        if (!d || a->extent >= d->n_extents)
                return -ENOENT;
        if (!is_movable(m, d))
                return -EPERM;
        r = begin_move(m, d, a);
        if (r < 0)
                return r;
        left = a->flags & MDEVD_MOVE_BACK ? d->other.moved :
                                            d->other.other.length - d->other.moved;
        chunk = left < chunk ? left : chunk;
        d->other.moved += a->flags & MDEVD_MOVE_BACK ? -chunk : chunk;
        a->moved = d->other.moved;
        a->longest_us = (uint32_t) read_number(P("%s/fake/chunk-us", root), 100);
        if (chunk < left)
                return 0;
        d->has_other = !(a->flags & MDEVD_MOVE_RELEASE) &&
                       (d->record.opened || !(a->flags & MDEVD_MOVE_RELEASE_IF_CLOSED));
        d->other.finished = true;
        d->other.moved = 0;
        if (!(a->flags & MDEVD_MOVE_BACK)) {
                struct mdevd_extent left_behind = d->extents[a->extent];

                d->extents[a->extent] = d->other.other;
                d->other.other = left_behind;
        }
        return 0;
}

static const struct {
        unsigned long request;
        int (*fn)(FakeModule *m, const char *root, void *arg);
        bool changes;
} verbs[] = {
        { MDEVD_GET_INFO, on_get_info, false },
        { MDEVD_CONFIGURE, on_configure, true },
        { MDEVD_UNCONFIGURE, on_unconfigure, true },
        { MDEVD_RESERVE, on_reserve, true },
        { MDEVD_QUERY, on_query, false },
        { MDEVD_SUSPEND, on_suspend, true },
        { MDEVD_RESUME, on_resume, true },
        { MDEVD_MOVE, on_move, true },
        { MDEVD_LISTEN, on_listen, false },
        { MDEVD_ANSWER, on_answer, true },
        { MDEVD_SET_AVAILABLE, on_set_available, false },
};

/* ---- files ---- */

/* "<root>/sys/…" of a fake tree: its root, and what follows. */
static char *split(int fd, char path[static PATH_MAX], const char **ret_root) {
        static const char *const marks[] = { "/sys/", "/dev/mdevd", "/run/mdevd/ops/" };
        ssize_t n;

        n = readlink(P("/proc/self/fd/%d", fd), path, PATH_MAX - 1);
        if (n <= 0)
                return NULL;
        path[n] = '\0';
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
                char *at = strstr(path, marks[i]);

                if (!at)
                        continue;
                *at = '\0';
                if (at != path && access(P("%s/fake", path), F_OK) >= 0) {
                        *ret_root = path;
                        return at + 1;
                }
                *at = '/';
        }
        return NULL;
}

static bool is_worker(void) {
        static int cached = -1;
        char line[256];
        ssize_t n;
        int fd;

        if (cached >= 0)
                return cached;
        fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, line, sizeof(line));
        if (fd >= 0)
                (void) close(fd);
        cached = n > 0 && memmem(line, n, "--worker", 8) != NULL;
        return cached;
}

/* From the environment that the worker was started in, or from a file that it finds later. */
static const char *kill_at(const char *root, int *count) {
        static char text[16];
        char now[16] = {};
        int fd;

        if (getenv("FAKE_KERNEL_KILL_AT"))
                return getenv("FAKE_KERNEL_KILL_AT");
        fd = open(P("%s/fake/kill-at", root), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        (void) !read(fd, now, sizeof(now) - 1);
        (void) close(fd);
        if (strcmp(now, text) != 0)
                *count = 0;
        memcpy(text, now, sizeof(text));
        return text[0] ? text : NULL;
}

static void maybe_kill(const char *root, bool after) {
        static int count;
        int saved = errno;
        const char *at = is_worker() ? kill_at(root, &count) : NULL;

        errno = saved;
        if (!at)
                return;
        if ((at[0] == '-') == after && abs(atoi(at)) == count &&
            (access(P("%s/fake/killed", root), F_OK) < 0 ||
             access(P("%s/fake/kill-all", root), F_OK) == 0)) {
                write_text(P("%s/fake/killed", root), "");
                (void) raise(SIGKILL);
        }
        if (after)
                count++;
}

static int take_instance(const char *types, const char *type, int by) {
        const char *path = P("%s/%s/available_instances", types, type);
        const char *next = P("%s/%s/next", types, type);
        int n = read_number(path, 0);
        char text[16];

        if (n + by < 0)
                return -EUSERS;
        (void) snprintf(text, sizeof(text), "%d\n", n + by);
        write_text(next, text); /* who reads it meanwhile reads one of the two */
        return rename(next, path) < 0 ? -errno : 0;
}

static void parse_uuid(const char *s, uint8_t uuid[static 16]) {
        for (unsigned i = 0; i < 16; s += s[2] == '-' ? 3 : 2, i++) {
                unsigned v = 0;

                (void) sscanf(s, "%2x", &v);
                uuid[i] = v;
        }
}

static int make_device(const char *root, const char *parent_path, const char *type,
                       const char *uuid) {
        char names[512], *save = NULL;

        if (mkdir(P("%s/%s/%s", root, parent_path, uuid), 0755) < 0)
                return -errno;
        if (symlink(P("../mdev_supported_types/%s", type),
                    P("%s/%s/%s/mdev_type", root, parent_path, uuid)) < 0)
                abort();
        write_text(P("%s/%s/%s/remove", root, parent_path, uuid), "");
        if (read_text(P("%s/%s/fake/attributes", root, parent_path), names, sizeof(names)))
                for (char *s = strtok_r(names, " ", &save); s; s = strtok_r(NULL, " ", &save))
                        write_text(P("%s/%s/%s/%s", root, parent_path, uuid, s), "");
        /* parent_path begins with "sys/" */
        if (symlink(P("../../../%s/%s", parent_path + 4, uuid),
                    P("%s/sys/bus/mdev/devices/%s", root, uuid)) < 0)
                abort();
        return 0;
}

static void drop_device(const char *root, const char *parent_path, const char *uuid) {
        const char *folder = P("%s/%s/%s", root, parent_path, uuid);
        char names[512], *save = NULL;

        (void) unlink(P("%s/sys/bus/mdev/devices/%s", root, uuid));
        (void) unlink(P("%s/mdev_type", folder));
        (void) unlink(P("%s/remove", folder));
        (void) unlink(P("%s/mdevd/opened", folder));
        (void) rmdir(P("%s/mdevd", folder));
        if (read_text(P("%s/%s/fake/attributes", root, parent_path), names, sizeof(names)))
                for (char *s = strtok_r(names, " ", &save); s; s = strtok_r(NULL, " ", &save))
                        (void) unlink(P("%s/%s", folder, s));
        (void) rmdir(folder);
}

/* What our module does when mdev core probes a device of it. */
static int module_probe(const char *root, const char *parent, const char *type, const char *uuid) {
        FakeModule *m = map_module(root);
        uint8_t bytes[16];
        FakeDevice *d;
        int r = 0;

        parse_uuid(uuid, bytes);
        d = find_device(m, bytes);
        if (!d || d->record.state != MDEVD_DEVICE_RESERVED || d->reserver != getpid() ||
            strcmp(d->parent, parent) != 0 || strcmp(d->record.type, type + strlen("mdevd-")) != 0)
                r = -ENOENT;
        else {
                d->record.state = MDEVD_DEVICE_LIVE;
                send_event(root, MDEVD_EVENT_DEVICE_ADDED, parent, bytes, 0, NULL);
        }
        unmap_module(m);
        return r;
}

static void module_remove(const char *root, const char *uuid) {
        FakeModule *m = map_module(root);
        uint8_t bytes[16];
        FakeDevice *d;

        parse_uuid(uuid, bytes);
        d = find_device(m, bytes);
        if (d) {
                d->record.state = MDEVD_DEVICE_DYING;
                send_event(root, MDEVD_EVENT_DEVICE_GONE, d->parent, bytes, 0, NULL);
                if (!m->hold_scrub)
                        clean_device(root, d);
        }
        unmap_module(m);
}

static void mdev_uevent(const char *root, const char *action, const char *parent_path,
                        const char *uuid) {
        fake_kernel_uevent(root, action, P("/%s/%s", parent_path + 4, uuid), "mdev", NULL);
}

static int create(const char *root, char *rel, const char *text) {
        char *types = strstr(rel, "/mdev_supported_types/"), *parent, *type, *end;
        int lock, r;

        *types = '\0';
        type = types + strlen("/mdev_supported_types/");
        end = strchr(type, '/');
        *end = '\0';
        parent = strrchr(rel, '/') + 1;
        wait_at(P("%s/%s/fake/create-block", root, rel));
        r = read_number(P("%s/%s/fake/create-errno", root, rel), 0);
        if (r > 0)
                return -r;
        if (strlen(text) != 36)
                return -EINVAL;

        lock = lock_tree(root);
        if (access(P("%s/sys/bus/mdev/devices/%s", root, text), F_OK) >= 0)
                r = -EEXIST;
        else if (strncmp(type, "mdevd-", 6) == 0)
                r = module_probe(root, parent, type, text);
        else
                r = take_instance(P("%s/%s/mdev_supported_types", root, rel), type, -1);
        if (r >= 0)
                r = make_device(root, rel, type, text);
        (void) close(lock);
        if (r < 0)
                return r;
        mdev_uevent(root, "add", rel, text);
        mdev_uevent(root, "bind", rel, text);
        return 0;
}

static int destroy(const char *root, char *rel, const char *text) {
        char *slash = strrchr(rel, '/'), *uuid, type[PATH_MAX];
        int lock, r;
        ssize_t n;

        *slash = '\0';
        uuid = strrchr(rel, '/');
        *uuid++ = '\0';
        wait_at(P("%s/%s/fake/remove-block", root, rel));
        r = read_number(P("%s/%s/fake/remove-errno", root, rel), 0);
        if (r > 0)
                return -r;
        n = readlink(P("%s/%s/%s/mdev_type", root, rel, uuid), type, sizeof(type) - 1);
        if (n < 0)
                return -ENODEV;
        type[n] = '\0';
        mdev_uevent(root, "unbind", rel, uuid);
        lock = lock_tree(root);
        drop_device(root, rel, uuid);
        if (strncmp(strrchr(type, '/') + 1, "mdevd-", 6) == 0)
                module_remove(root, uuid);
        else
                (void) take_instance(P("%s/%s/mdev_supported_types", root, rel),
                                     strrchr(type, '/') + 1, 1);
        (void) close(lock);
        mdev_uevent(root, "remove", rel, uuid);
        return 0;
}

static int unbind(const char *root, char *rel, const char *text) {
        if (unlink(P("%s/sys/" DEVPATH "/%s/driver", root, text)) < 0)
                return -ENODEV;
        fake_kernel_uevent(root, "unbind", P("/" DEVPATH "/%s", text), "pci", NULL);
        return 0;
}

static int override(const char *root, char *rel, const char *text) {
        write_text(P("%s/%s", root, rel), strcmp(text, "\n") == 0 ? "(null)\n" : P("%s\n", text));
        return 0;
}

static int probe(const char *root, char *rel, const char *text) {
        const char *dev = P("%s/sys/" DEVPATH "/%s", root, text);
        char driver[64];

        if (access(P("%s/driver", dev), F_OK) >= 0)
                return 0;
        if (!read_text(P("%s/driver_override", dev), driver, sizeof(driver)))
                return -ENODEV;
        if (strcmp(driver, "(null)") == 0 &&
            !read_text(P("%s/fake/home-driver", dev), driver, sizeof(driver)))
                return 0;
        if (strcmp(driver, "mdevd") == 0 && read_number(P("%s/fake/probe-errno", dev), 0) > 0)
                return 0; /* drivers_probe does not say so */
        if (access(P("%s/sys/bus/pci/drivers/%s", root, driver), F_OK) < 0)
                return 0;
        if (symlink(P("../../../bus/pci/drivers/%s", driver), P("%s/driver", dev)) < 0)
                return -EIO;
        fake_kernel_uevent(root, "bind", P("/" DEVPATH "/%s", text), "pci", NULL);
        return 0;
}

static int attribute(const char *root, char *rel, const char *text) {
        char *name = strrchr(rel, '/'), *uuid;
        int r;

        *name++ = '\0';
        uuid = strrchr(rel, '/');
        *uuid++ = '\0';
        r = read_number(P("%s/%s/fake/attribute-%s-errno", root, rel, name), 0);
        if (r > 0)
                return -r;
        write_text(P("%s/%s/%s/%s", root, rel, uuid, name), text);
        return 0;
}

static bool ends_with(const char *s, const char *end) {
        size_t n = strlen(s), k = strlen(end);

        return n >= k && strcmp(s + n - k, end) == 0;
}

static int fill_function(const char *root, const char *rel, const char *text) {
        int lock, r, fd = open(P("%s/%.*s/fake/vgpu-block", root,
                                 (int) (strstr(rel, "/nvidia/") - rel), rel), O_RDONLY | O_CLOEXEC);
        char byte;

        while (fd >= 0 && read(fd, &byte, 1) < 0 && errno == EINTR)
                ;
        if (fd >= 0)
                (void) close(fd);
        lock = lock_tree(root);
        r = fake_vgpu_write(root, rel, text);
        (void) close(lock);
        return r;
}

static int act(const char *root, char *rel, const char *text) {
        if (ends_with(rel, "/nvidia/current_vgpu_type"))
                return fill_function(root, rel, text);
        if (strstr(rel, "/mdev_supported_types/") && ends_with(rel, "/create"))
                return create(root, rel, text);
        if (ends_with(rel, "/remove"))
                return destroy(root, rel, text);
        if (ends_with(rel, "/unbind"))
                return unbind(root, rel, text);
        if (ends_with(rel, "/driver_override"))
                return override(root, rel, text);
        if (ends_with(rel, "/drivers_probe"))
                return probe(root, rel, text);
        return attribute(root, rel, text);
}

ssize_t write(int fd, const void *buf, size_t n) {
        char path[PATH_MAX], text[PATH_MAX];
        const char *root;
        char *rel;
        ssize_t r;

        rel = split(fd, path, &root);
        if (!rel)
                return real_write(fd, buf, n);
        maybe_kill(root, false);
        if (strncmp(rel, "sys/", 4) != 0)
                r = real_write(fd, buf, n);
        else {
                (void) snprintf(text, sizeof(text), "%.*s", (int) n, (const char *) buf);
                r = tracer_mark_begin(P("write %s", rel));
                if (r >= 0)
                        r = act(root, rel, text);
                tracer_mark_end();
                errno = r < 0 ? (int) -r : 0;
                r = r < 0 ? -1 : (ssize_t) n;
        }
        maybe_kill(root, true);
        return r;
}

int ioctl(int fd, unsigned long request, ...) {
        char path[PATH_MAX];
        const char *root;
        FakeModule *m;
        va_list ap;
        void *arg;
        int lock, r = -ENOTTY;

        va_start(ap, request);
        arg = va_arg(ap, void *);
        va_end(ap);
        if (_IOC_TYPE(request) != 'm' || !split(fd, path, &root))
                return (int) syscall(SYS_ioctl, fd, request, arg);

        ioctl_fd = fd;
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                if (verbs[i].request != request)
                        continue;
                if (verbs[i].changes)
                        maybe_kill(root, false);
                r = 0;
                if (verbs[i].changes)
                        r = tracer_mark_begin(P("ioctl %u", (unsigned) _IOC_NR(request)));
                else
                        tracer_mark_quiet(); /* it has the lock of the tree meanwhile */
                if (r >= 0) {
                        lock = lock_tree(root);
                        m = map_module(root);
                        r = verbs[i].fn(m, root, arg);
                        unmap_module(m);
                        (void) close(lock);
                }
                tracer_mark_end();
                if (verbs[i].changes)
                        maybe_kill(root, true);
        }
        if (r >= 0)
                return 0;
        errno = -r;
        return -1;
}
