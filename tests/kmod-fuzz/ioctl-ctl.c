/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of /dev/mdevd: each verb with structs that are right, nearly right and nonsense, of every
 * size, at good and bad addresses, and devices made and removed through sysfs in between.
 */
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "ioctl.h"

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

static int ctls[CTLS];

int ctl_fd(unsigned i) {
        return ctls[i];
}

static int call(int fd, unsigned long cmd, uint64_t addr) {
        int r = ioctl(fd, cmd, addr) < 0 ? -errno : 0;

        calls++;
        EXPECT(r > -134, "ioctl %#lx: error %d is not one for user space", cmd, r);
        return r;
}

static int call_one(unsigned ctl, unsigned long cmd, uint64_t addr) {
        return call(ctls[ctl], cmd, addr);
}

static void mutate(void *data, size_t size) {
        uint8_t *bytes = data;

        for (uint64_t n = 1 + rnd_below(3); n > 0; n--)
                bytes[rnd_below(size)] ^= (uint8_t)(1 << rnd_below(8));
}

/*
 * Puts a struct somewhere, its first word being its size, which may have been made wrong. Says
 * whether the module can take in what then stands there, and what that is.
 */
static uint64_t place(void *data, size_t size, size_t min, void *seen, bool *ok) {
        uint8_t buf[PAGE + 64] = {};
        uint32_t claimed;
        uint64_t addr;

        if (rnd_chance(8)) {
                static const int delta[] = { -8, -4, -1, 1, 4, 8, 64, 1000 };

                *(uint32_t *)data = (uint32_t)((int)size + delta[rnd_below(ELEMENTS(delta))]);
        } else if (rnd_chance(40)) {
                *(uint32_t *)data = (uint32_t)rnd_wild();
        }
        claimed = *(uint32_t *)data;
        memcpy(buf, data, size);
        if (claimed > size && claimed <= PAGE && rnd_chance(3))
                buf[size + rnd_below(claimed - size)] = 1;
        addr = memory_place(buf, claimed > size && claimed <= PAGE ? claimed : size);

        *ok = memory_reaches(addr, sizeof(claimed), REACH_READ);
        if (!*ok)
                return addr;
        memcpy(&claimed, (const void *)(uintptr_t)addr, sizeof(claimed));
        *ok = claimed >= min && claimed <= PAGE && memory_reaches(addr, claimed, REACH_READ);
        if (!*ok)
                return addr;
        memset(seen, 0, size);
        memcpy(seen, (const void *)(uintptr_t)addr, claimed < size ? claimed : size);
        *ok = claimed <= size || memory_zero(addr + size, claimed - size);
        return addr;
}

/* An answer must fit, too. */
static bool fits(uint64_t addr, uint32_t claimed, size_t size) {
        return memory_reaches(addr, claimed < size ? claimed : size, REACH_WRITE);
}

static void random_uuid(uint8_t *uuid) {
        memset(uuid, 0, 16);
        uuid[0] = 0xf0;
        uuid[6] = 0x40;
        uuid[8] = 0x80;
        uuid[15] = (uint8_t)rnd_below(SLOTS);
}

static int random_claim(bool live) {
        int start = (int)rnd_below(CLAIMS);

        for (int i = 0; i < CLAIMS; i++) {
                int at = (start + i) % CLAIMS;

                if (model.claims[at].used && model.claims[at].live == live)
                        return at;
        }
        return -1;
}

static unsigned n_claims(void) {
        unsigned n = 0;

        for (int i = 0; i < CLAIMS; i++)
                n += model.claims[i].used;
        return n;
}

static void reopen(unsigned ctl) {
        close(ctls[ctl]);
        model_forget_ctl((int)ctl);
        ctls[ctl] = ctl_open(rnd_chance(2) ? O_RDWR : O_WRONLY);
        EXPECT(ctls[ctl] >= 0, "/dev/mdevd cannot be opened again");
        calls += 2;
}

/* ---- verbs ---- */

static void step_info(unsigned ctl) {
        struct mdevd_get_info arg = { .size = sizeof(arg) }, seen;
        bool ok;
        uint64_t addr;

        if (rnd_chance(8))
                mutate(&arg, sizeof(arg));
        addr = place(&arg, sizeof(arg), END_OF(struct mdevd_get_info, features), &seen, &ok);
        ok = ok && seen.flags == 0 && fits(addr, seen.size, sizeof(arg));
        EXPECT((call_one(ctl, MDEVD_GET_INFO, addr) == 0) == ok, "GET_INFO should%s work",
               ok ? "" : " not");
        if (ok)
                EXPECT(((struct mdevd_get_info *)(uintptr_t)addr)->page_size == PAGE,
                       "GET_INFO: page size");
}

static size_t random_extents(struct mdevd_extent *extents, const struct mdevd_type *type) {
        size_t n = 0;

        for (uint8_t bar = 0; bar < MDEVD_MAX_BARS; bar++)
                for (uint64_t left = type->bars[bar].length; left > 0;) {
                        uint64_t length = left;

                        if (left < 100 * PAGE && rnd_chance(2))
                                length = (1 + rnd_below(left / PAGE)) * PAGE;
                        extents[n++] = (struct mdevd_extent){
                                .bar = 2, .guest_bar = bar, .length = length,
                                .offset = rnd_below(6 * MIB / PAGE) * PAGE,
                        };
                        left -= length;
                }
        return n;
}

static void step_reserve(unsigned ctl) {
        struct model_parent *p = &model.parents[rnd_below(PARENTS)];
        const struct mdevd_type *type = &p->types[rnd_chance(8) ? 3 : rnd_below(3)];
        struct mdevd_reserve arg = { .size = sizeof(arg), .owner = "somebody",
                                     .extent_size = sizeof(struct mdevd_extent) }, seen;
        struct mdevd_extent extents[MDEVD_MAX_EXTENTS] = {};
        bool ok;
        uint64_t addr;
        int r;

        memcpy(arg.parent, p->name, sizeof(arg.parent));
        memcpy(arg.type, type->name, sizeof(arg.type));
        random_uuid(arg.uuid);
        arg.n_extents = (uint32_t)random_extents(extents, type);
        if (rnd_chance(5))
                mutate(extents, arg.n_extents * sizeof(*extents));
        if (rnd_chance(20))
                *(rnd_chance(2) ? &extents[0].offset : &extents[0].length) = rnd_wild();
        arg.extents = rnd_chance(10) ? memory_hostile() : memory_good(extents, sizeof(extents));
        if (rnd_chance(12))
                arg.n_extents = (uint32_t)rnd_wild();
        if (rnd_chance(12))
                arg.extent_size = (uint32_t)rnd_wild();
        if (rnd_chance(6))
                mutate(&arg, sizeof(arg));
        addr = place(&arg, sizeof(arg), END_OF(struct mdevd_reserve, extents), &seen, &ok);
        ok = ok && model_reserve((int)ctl, &seen);
        r = call_one(ctl, MDEVD_RESERVE, addr);
        EXPECT((r == 0) == ok, "RESERVE should%s work: %s", ok ? "" : " not", strerror(-r));
        done[DONE_RESERVE] += ok;
}

static void step_release(unsigned ctl) {
        struct mdevd_release arg = { .size = sizeof(arg) }, seen;
        int claim = random_claim(rnd_chance(6));
        uint64_t addr;
        bool ok;
        int r;

        if (claim >= 0) {
                memcpy(arg.uuid, model.claims[claim].uuid, 16);
                if (!rnd_chance(4) && model.claims[claim].ctl >= 0)
                        ctl = (unsigned)model.claims[claim].ctl;
        }
        if (rnd_chance(6))
                mutate(&arg, sizeof(arg));
        addr = place(&arg, sizeof(arg), END_OF(struct mdevd_release, uuid), &seen, &ok);
        claim = ok && seen.flags == 0 ? model_claim(seen.uuid) : -1;
        ok = claim >= 0 && !model.claims[claim].live && model.claims[claim].ctl == (int)ctl;
        r = call_one(ctl, MDEVD_RELEASE, addr);
        EXPECT((r == 0) == ok, "RELEASE should%s work: %s", ok ? "" : " not", strerror(-r));
        done[DONE_RELEASE] += ok;
        if (ok)
                model_drop(claim);
}

static void step_query(unsigned ctl) {
        struct mdevd_query arg = { .size = sizeof(arg), .length = rnd_below(8 * PAGE) }, seen;
        static const uint8_t none[16];
        int claim = random_claim(!rnd_chance(6));
        uint64_t addr;
        bool ok;
        int r;

        if (rnd_chance(2))
                arg.flags = MDEVD_QUERY_ONE;
        if (claim >= 0 && (arg.flags || rnd_chance(8)))
                memcpy(arg.uuid, model.claims[claim].uuid, 16);
        arg.buffer = rnd_chance(2) ? memory_hostile() : memory_good(NULL, arg.length);
        if (rnd_chance(8))
                arg.length = rnd_wild();
        if (rnd_chance(8)) {
                uint64_t buffer = arg.buffer;

                mutate(&arg, sizeof(arg));
                /* one bit from the arena may be libc's own memory, and the kernel writes there */
                if (arg.buffer != buffer)
                        arg.buffer = memory_hostile();
        }
        addr = place(&arg, sizeof(arg), END_OF(struct mdevd_query, length), &seen, &ok);
        r = call_one(ctl, MDEVD_QUERY, addr);
        if (!ok || (seen.flags & ~MDEVD_QUERY_ONE) ||
            (!seen.flags && memcmp(seen.uuid, none, sizeof(none)) != 0))
                EXPECT(r < 0, "QUERY should not work");
        /*
         * one that the model has lost may linger while it is cleaned, but not the other way round
         */
        if (ok && seen.flags == MDEVD_QUERY_ONE && model_claim(seen.uuid) >= 0)
                EXPECT(r != -ENOENT, "QUERY of one that is there");
        EXPECT(r == 0 || r == -EFAULT || r == -EINVAL || r == -E2BIG || r == -ENOSPC ||
                       (r == -ENOENT && seen.flags == MDEVD_QUERY_ONE),
               "QUERY: %s", strerror(-r));
}

/* Held and let go at once: nobody touches it in between. */
static void step_hold(unsigned ctl) {
        struct mdevd_suspend arg = { .size = sizeof(arg) }, seen;
        struct mdevd_resume resume = { .size = sizeof(resume) };
        int claim = random_claim(!rnd_chance(6));
        uint64_t addr;
        bool ok;
        int r;

        if (claim >= 0)
                memcpy(arg.uuid, model.claims[claim].uuid, 16);
        arg.timeout_ms = rnd_chance(8) ? (uint32_t)rnd_wild() : 60000;
        if (rnd_chance(4))
                mutate(&arg, sizeof(arg));
        addr = place(&arg, sizeof(arg), END_OF(struct mdevd_suspend, __reserved), &seen, &ok);
        claim = ok && !seen.flags && !seen.__reserved ? model_claim(seen.uuid) : -1;
        ok = claim >= 0 && model.claims[claim].live && seen.timeout_ms <= MDEVD_HOLD_MS_MAX;
        r = call_one(ctl, MDEVD_SUSPEND, addr);
        EXPECT((r == 0) == ok, "SUSPEND should%s work: %s", ok ? "" : " not", strerror(-r));
        if (!ok)
                return;
        memcpy(resume.uuid, seen.uuid, 16);
        r = call_one((ctl + 1) % CTLS, MDEVD_RESUME, (uintptr_t)&resume);
        EXPECT(r == -ENOENT, "RESUME of another's hold: %s", strerror(-r));
        r = call_one(ctl, MDEVD_RESUME, (uintptr_t)&resume);
        /* unless its time was over already */
        EXPECT(r == 0 || (r == -ENOENT && seen.timeout_ms < 60000), "RESUME: %s", strerror(-r));
        done[DONE_HOLD] += r == 0;
}

static int configure(int parent, bool wrong) {
        const struct model_parent *p = &model.parents[parent];
        struct mdevd_configure arg = {
                .size = sizeof(arg),
                .n_pools = POOLS, .pool_size = sizeof(p->pools[0]),
                .n_types = TYPES, .type_size = sizeof(p->types[0]),
        }, seen;
        struct mdevd_pool pools[POOLS];
        struct mdevd_type types[TYPES];
        uint64_t addr;
        bool ok;

        memcpy(arg.parent, p->name, sizeof(arg.parent));
        memcpy(pools, p->pools, sizeof(pools));
        memcpy(types, p->types, sizeof(types));
        if (!wrong) {
                arg.pools = (uintptr_t)pools;
                arg.types = (uintptr_t)types;
                return call(ctls[0], MDEVD_CONFIGURE, (uintptr_t)&arg);
        }
        if (rnd_chance(3))
                mutate(pools, sizeof(pools));
        if (rnd_chance(3))
                mutate(types, sizeof(types));
        if (rnd_chance(4))
                pools[rnd_below(POOLS)].length = rnd_wild();
        if (rnd_chance(4))
                types[rnd_below(TYPES)].bars[rnd_below(6)].length = rnd_wild();
        arg.pools = rnd_chance(6) ? memory_hostile() : (uintptr_t)pools;
        arg.types = rnd_chance(6) ? memory_hostile() : (uintptr_t)types;
        if (rnd_chance(3))
                mutate(&arg, sizeof(arg));
        addr = place(&arg, sizeof(arg), END_OF(struct mdevd_configure, types), &seen, &ok);
        return call(ctls[rnd_below(CTLS)], MDEVD_CONFIGURE, addr);
}

static bool parent_used(int parent) {
        for (int i = 0; i < CLAIMS; i++)
                if (model.claims[i].used && model.claims[i].parent == parent)
                        return true;
        return false;
}

static int unconfigure(unsigned ctl, int parent, bool *want) {
        struct mdevd_unconfigure arg = { .size = sizeof(arg) }, seen;
        const char *end;
        uint64_t addr;
        bool ok;

        memcpy(arg.parent, model.parents[parent].name, sizeof(arg.parent));
        if (rnd_chance(3))
                mutate(&arg, sizeof(arg));
        addr = place(&arg, sizeof(arg), END_OF(struct mdevd_unconfigure, parent), &seen, &ok);
        end = ok ? memchr(seen.parent, 0, sizeof(seen.parent)) : NULL;
        parent = end ? model_parent(seen.parent) : -1;
        *want = ok && seen.flags == 0 && parent >= 0 && model.parents[parent].configured &&
                !parent_used(parent);
        if (*want)
                model.parents[parent].configured = false;
        return call_one(ctl, MDEVD_UNCONFIGURE, addr);
}

/* What was made wrong may still be right, but it is not what the model says. */
static void undo_configure(void) {
        unsigned n = 0;

        for (int i = 0; i < PARENTS; i++)
                n += !model.parents[i].configured &&
                     ctl_unconfigure(ctls[0], model.parents[i].name) == 0;
        EXPECT(n == 1, "CONFIGURE worked on a parent that was configured, or on none");
}

static void step_configure(unsigned ctl) {
        int parent = (int)rnd_below(PARENTS);
        struct model_parent *p = &model.parents[parent];
        bool want;
        int r;

        if (rnd_chance(2)) {
                r = unconfigure(ctl, parent, &want);
                EXPECT((r == 0) == want, "UNCONFIGURE should%s work: %s", want ? "" : " not",
                       strerror(-r));
                done[DONE_UNCONFIGURE] += want;
        } else if (p->configured) {
                if (configure(parent, true) == 0)
                        undo_configure();
        } else if (rnd_chance(2)) {
                r = configure(parent, false);
                EXPECT(r == 0, "CONFIGURE: %s", strerror(-r));
                p->configured = true;
                done[DONE_CONFIGURE]++;
        } else {
                if (configure(parent, true) == 0)
                        undo_configure();
        }
}

static void step_garbage(unsigned ctl) {
        uint8_t bytes[512];
        unsigned long cmd = MDEVD_GET_INFO ^ (rnd_chance(2) ? 1UL << rnd_below(32) : 0);
        size_t size = 8 + rnd_below(sizeof(bytes) - 8);
        uint64_t addr;
        bool ours;
        int r;

        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t)rnd();
        if (rnd_chance(2))
                cmd = _IOC(rnd_below(4), 'm', 0xd0 + rnd_below(16), rnd_below(1 << 14));
        if (rnd_chance(4))
                cmd = (unsigned long)rnd_wild();
        /* a bad address may be of what an earlier call left in a buffer, and that makes sense */
        ours = _IOC_TYPE(cmd) == _IOC_TYPE(MDEVD_GET_INFO);
        addr = ours ? memory_good(bytes, size) : memory_place(bytes, size);
        r = call_one(ctl, cmd, addr);
        /* some numbers are those of every file, FIGETBSZ for one */
        EXPECT(r < 0 || !ours, "garbage works");
}

static void step_read(unsigned ctl) {
        uint64_t count = rnd_chance(3) ? rnd_wild() : rnd_below(20 * sizeof(struct mdevd_event));
        uint64_t addr = rnd_chance(2) ? memory_hostile() : memory_good(NULL, count % PAGE);
        struct pollfd p = { .fd = ctls[ctl], .events = POLLIN };
        ssize_t r;

        calls += 2;
        if (poll(&p, 1, 0) < 1 || !(p.revents & POLLIN))
                return;
        r = read(ctls[ctl], (void *)(uintptr_t)addr, count);
        if (r > 0)
                EXPECT((uint64_t)r <= count && r % (ssize_t)sizeof(struct mdevd_event) == 0,
                       "read of %zu bytes of events returns %zd", (size_t)count, r);
}

/* All of a parent's devices and reservations go, so that it can be unconfigured, and comes back. */
static void step_empty(void) {
        int parent = (int)rnd_below(PARENTS);
        bool want;

        if (!model.parents[parent].configured)
                return;
        vfio_end();
        for (int i = 0; i < CLAIMS; i++)
                if (model.claims[i].used && model.claims[i].parent == parent &&
                    model.claims[i].live)
                        sysfs_remove(i);
        for (unsigned i = 0; i < CTLS; i++)
                reopen(i);
        while (model.parents[parent].configured)
                EXPECT((unconfigure(0, parent, &want) == 0) == want, "UNCONFIGURE of an empty one");
        done[DONE_UNCONFIGURE]++;
        EXPECT(configure(parent, false) == 0, "CONFIGURE of an empty one");
        model.parents[parent].configured = true;
        done[DONE_CONFIGURE]++;
}

static void step_sysfs(bool make) {
        int at = random_claim(!make);

        if (at < 0)
                return;
        if (make)
                sysfs_create(at);
        else if (!vfio_is_open(at))
                sysfs_remove(at);
}

/* ---- all of it ---- */

void ctl_init(void) {
        for (unsigned i = 0; i < PARENTS; i++) {
                int r = bind_parent(model.parents[i].name);

                EXPECT(r == 0, "%s cannot be bound: %s", model.parents[i].name, strerror(-r));
        }
        for (unsigned i = 0; i < CTLS; i++)
                EXPECT((ctls[i] = ctl_open(O_RDWR)) >= 0, "/dev/mdevd cannot be opened");
        sysfs_init();
}

void ctl_step(void) {
        unsigned ctl = (unsigned)rnd_below(CTLS);
        uint64_t pick = rnd_below(1000);

        if (n_claims() > CLAIMS - 4)
                reopen(ctl);
        if (pick < 250)
                step_reserve(ctl);
        else if (pick < 450)
                step_release(ctl);
        else if (pick < 600)
                step_info(ctl);
        else if (pick < 700)
                step_query(ctl);
        else if (pick < 850)
                step_garbage(ctl);
        else if (pick < 950)
                step_read(ctl);
        else if (pick < 970)
                step_configure(ctl);
        else if (pick < 980)
                step_hold(ctl);
        else if (pick < 985)
                reopen(ctl);
        else if (pick < 987)
                step_sysfs(true);
        else if (pick < 989)
                step_sysfs(false);
        else if (pick == 989 && rnd_chance(5))
                step_empty();
}

void ctl_end(void) {
        for (int i = 0; i < CLAIMS; i++)
                if (model.claims[i].used && model.claims[i].live)
                        sysfs_remove(i);
        for (unsigned i = 0; i < CTLS; i++)
                reopen(i);
        model_compare(ctls[0]);
        for (int i = 0; i < PARENTS; i++) {
                if (model.parents[i].configured)
                        EXPECT(ctl_unconfigure(ctls[0], model.parents[i].name) == 0,
                               "UNCONFIGURE at the end");
                EXPECT(unbind_parent(model.parents[i].name) >= 0, "unbind at the end");
        }
        for (unsigned i = 0; i < CTLS; i++)
                close(ctls[i]);
        sysfs_end();
}
