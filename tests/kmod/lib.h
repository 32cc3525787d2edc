/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the test programs of the module share: a line per check, the verbs of /dev/mdevd, an mdev
 * made and opened as a VMM would. Every helper returns 0 or a value, or a negative errno.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <linux/vfio.h>
#include "mdevd.h"

#define KIB (1024ULL)
#define MIB (1024ULL * 1024)
#define ELEMENTS(a) (sizeof(a) / sizeof(*(a)))
#define REGION(index) ((uint64_t)(index) << 40)

/* UUIDs that differ in their last digits */
#define UUID(n) "00000000-1111-4222-8333-0000000000" #n

void check_line(bool ok, const char *file, int line, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
int check_done(void);

#define CHECK(ok, ...) check_line(ok, __FILE__, __LINE__, __VA_ARGS__)
#define CHECK_EQ(got, want, what)                                                                  \
        do {                                                                                       \
                long long _got = (long long)(got), _want = (long long)(want);                      \
                CHECK(_got == _want, "%s: %lld (want %lld)", what, _got, _want);                   \
        } while (0)
/* for what the rest of the program cannot do without */
#define MUST(call)                                                                                 \
        ({                                                                                         \
                long long _r = (long long)(call);                                                  \
                if (_r < 0) {                                                                      \
                        CHECK(false, "%s: %s", #call, strerror((int)-_r));                         \
                        _exit(check_done());                                                       \
                }                                                                                  \
                _r;                                                                                \
        })

const char *parent_name(unsigned i);
int write_file(const char *path, const char *text);
int read_file(const char *path, char *buf, size_t size);
int bind_parent(const char *parent);
int unbind_parent(const char *parent);

int ctl_open(int flags);
int ctl_call(int ctl, unsigned long cmd, void *arg);
int ctl_suspend(int ctl, const char *uuid, uint32_t ms);
int ctl_resume(int ctl, const char *uuid);
int ctl_configure(int ctl, const char *parent, const struct mdevd_pool *pools, uint32_t n_pools,
                  const struct mdevd_type *types, uint32_t n_types);
int ctl_unconfigure(int ctl, const char *parent);
void reserve_fill(struct mdevd_reserve *arg, const char *parent, const char *type,
                  const char *uuid, const struct mdevd_extent *extents, uint32_t n);
int ctl_reserve(int ctl, const char *parent, const char *type, const char *uuid,
                const struct mdevd_extent *extents, uint32_t n);
int ctl_reserve_at(int ctl, const char *parent, const char *type, const char *uuid,
                   uint64_t offset, uint64_t length);
int ctl_release(int ctl, const char *uuid);
int ctl_event(int ctl, struct mdevd_event *event);
int ctl_wait(int ctl, uint32_t type, const char *uuid);
char *ctl_snapshot(int ctl, size_t *length, uint64_t *generation);
int ctl_device(int ctl, const char *uuid, struct mdevd_device_record *record,
               struct mdevd_extent *extents, uint32_t *n);
int ctl_state(int ctl, const char *uuid);

/* one pool over BAR 2 and a handful of types, see lib.c */
int standard_parent(int ctl, const char *parent);

int mdev_create(const char *parent, const char *type, const char *uuid);
int mdev_remove(const char *uuid);
int mdev_make(int ctl, const char *parent, const char *type, const char *uuid, uint64_t offset,
              uint64_t length);
bool mdev_exists(const char *uuid);
int mdev_attr(const char *uuid, const char *name, char *buf, size_t size);

struct device {
        int container;
        int group;
        int fd;
};

int device_open(struct device *d, const char *uuid);
void device_close(struct device *d);
int device_region(const struct device *d, uint32_t index, struct vfio_region_info *info);
void *device_map(const struct device *d, uint32_t bar, uint64_t offset, uint64_t length);
int device_irq(const struct device *d, uint32_t index, uint32_t flags, uint32_t count,
               const void *data, size_t size);

/* runs a command of the machine around the VM; 0 if it succeeded */
int host(const char *format, ...) __attribute__((format(printf, 1, 2)));
void uuid_bytes(const char *text, uint8_t *bytes);
/* touches without dying: the signal that came, or 0 */
int touch_read(const volatile void *at, uint32_t *value);
int touch_write(volatile void *at, uint32_t value);
