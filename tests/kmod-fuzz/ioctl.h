/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fuzzer of the module's system calls. Everything it does follows from one seed, which it
 * prints. It keeps a model of what the module must say, so that a call that should have failed, or
 * should not have, is found when it is made.
 */
#pragma once

#include "../kmod/lib.h"

#define PAGE UINT64_C(4096)
#define PARENTS 2
#define POOLS 2
#define TYPES 4
#define BAR2_PAGES 16384
#define CTLS 4
#define SLOTS 16   /* UUIDs in play */
#define DEVICES 3  /* of these, open at once at most */

/* ---- ioctl-memory.c: buffers, good and bad ---- */

enum reach {
        REACH_NONE,
        REACH_READ,
        REACH_WRITE, /* and read */
};

struct target {
        uint64_t addr;
        const void *data; /* what stands there, as much as can be read; NULL: nothing */
};

void memory_init(void);
/* an address to pass to a call with the struct copied to it if it can be written; most are good */
uint64_t memory_place(const void *data, size_t size);
uint64_t memory_good(const void *data, size_t size);
uint64_t memory_hostile(void);
bool memory_reaches(uint64_t addr, uint64_t size, enum reach reach);
bool memory_zero(uint64_t addr, uint64_t size);
void memory_guards_check(void);

/* ---- ioctl-model.c: what the module must think ---- */

struct model_claim {
        bool used;
        bool live;
        int parent;
        int ctl; /* -1: none */
        uint8_t uuid[16];
        char type[MDEVD_NAME_LEN];
        char owner[MDEVD_LABEL_LEN];
        uint32_t n;
        struct mdevd_extent extents[MDEVD_MAX_EXTENTS];
};

struct model_parent {
        char name[MDEVD_PARENT_LEN];
        bool configured;
        struct mdevd_pool pools[POOLS];
        struct mdevd_type types[TYPES];
        uint64_t bar_pages;
        uint16_t owner[BAR2_PAGES]; /* 1 + index of the claim */
};

#define CLAIMS 64

struct model {
        struct model_parent parents[PARENTS];
        struct model_claim claims[CLAIMS];
};

extern struct model model;

void model_init(void);
int model_parent(const char *name);
const struct mdevd_type *model_type(int parent, const char *name);
int model_claim(const uint8_t *uuid);
bool model_reserve(int ctl, const struct mdevd_reserve *arg);
void model_drop(int claim);
void model_forget_ctl(int ctl);
/* one QUERY must say what the model says */
void model_compare(int ctl);

/* ---- ioctl-sysfs.c: devices made and removed ---- */

void sysfs_init(void);
void sysfs_end(void);
/* of a reservation; of a device that is not open */
void sysfs_create(int claim);
void sysfs_remove(int claim);
void uuid_text(const uint8_t *b, char text[static 37]);

/* ---- ioctl-ctl.c, ioctl-vfio.c: the calls ---- */

int ctl_fd(unsigned i);
void ctl_init(void);
void ctl_step(void);
void ctl_end(void);
void vfio_step(void);
void vfio_open_close(void);
void vfio_end(void);
bool vfio_is_open(int claim);

/* ---- ioctl-main.c ---- */

extern uint64_t calls;

/* What went through; a run in which nothing did has tested nothing. */
enum done {
        DONE_RESERVE,
        DONE_RELEASE,
        DONE_CONFIGURE,
        DONE_UNCONFIGURE,
        DONE_HOLD,
        DONE_CREATE,
        DONE_REMOVE,
        DONE_OPEN,
        DONE_READ,
        DONE_WRITE,
        DONE_MMAP,
        DONE_IRQ,
        DONE_RACE,
        DONES,
};

extern uint64_t done[DONES];

uint64_t rnd(void);
uint64_t rnd_below(uint64_t n);
bool rnd_chance(uint64_t n);
/* a number that breaks sums and casts */
uint64_t rnd_wild(void);
void bad(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#define EXPECT(expr, ...)                                                                          \
        do {                                                                                       \
                if (!(expr))                                                                       \
                        bad(__VA_ARGS__);                                                          \
        } while (0)
