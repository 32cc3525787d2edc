/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * holder.c: owns those who use a device as a VMM does. What one finds at its open must be zeros,
 * lest it sees what the opener before it, or the extent's last owner, has left there; from then on
 * it must be what it wrote itself, whatever is held, moved, asked to go or killed meanwhile.
 */
#include <dirent.h>
#include <sys/mman.h>

#include "../kmod/lib.h"
#include "storm.h"

#define STRIDE 256 /* bytes from one word to the next */
#define ROUNDS_MAX 12
#define SHARE 8 /* operations of others for one look at what there is to hold */

typedef struct Use Use;

struct Use {
        Actor *actor;
        struct device device;
        volatile uint64_t *map;
        size_t size; /* bytes */
        char uuid[37];
        uint64_t key;
};

/* The first BAR that there is; those of VFIO's tables, which are trapped, come behind it. */
static bool map_bar(Use *u) {
        for (uint32_t i = 0; i < 6; i++) {
                struct vfio_region_info info = {};
                void *at;

                if (device_region(&u->device, i, &info) < 0 || info.size == 0)
                        continue;
                at = device_map(&u->device, i, 0, info.size);
                if (at == MAP_FAILED)
                        return false;
                u->map = at;
                u->size = info.size;
                return true;
        }
        return false;
}

static bool use_begin(Use *u) {
        if (device_open(&u->device, u->uuid) < 0)
                return false;
        if (map_bar(u))
                return true;
        storm_wrong(u->actor->storm, "%s is open and cannot be mapped: %m", u->uuid);
        device_close(&u->device);
        return false;
}

static void use_end(Use *u) {
        (void) munmap((void *) u->map, u->size);
        device_close(&u->device);
}

/* @u->key is 0 until something was written. */
static void check(Use *u) {
        Storm *s = u->actor->storm;

        for (size_t at = 0; at < u->size; at += STRIDE) {
                uint64_t got = u->map[at / sizeof(*u->map)], want = u->key ? u->key ^ at : 0;

                if (got == want)
                        continue;
                storm_wrong(s, "%s at %#zx: %#llx, and %#llx was written", u->uuid, at,
                            (unsigned long long) got, (unsigned long long) want);
                break;
        }
        s->checks++;
}

static void fill(Use *u) {
        u->key = storm_random(u->actor) << 16 | 0xffff;
        for (size_t at = 0; at < u->size; at += STRIDE)
                u->map[at / sizeof(*u->map)] = u->key ^ at;
}

/* Any of our module's that is there. */
static bool find_device(Use *u) {
        char path[128];

        storm_uuid(storm_random(u->actor) % STORM_UUIDS, u->uuid);
        (void) snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/mdevd", u->uuid);
        return access(path, F_OK) == 0;
}

void *holder_run(void *actor) {
        Actor *a = actor;

        while (a->storm->begun < a->storm->total) {
                Use u = { .actor = a };

                storm_await(a->storm, a->storm->begun + SHARE);
                if (!find_device(&u) || !use_begin(&u))
                        continue;
                (void) storm_next(a->storm);
                a->storm->held++;
                check(&u);
                for (unsigned n = storm_random(a) % ROUNDS_MAX; n > 0; n--) {
                        fill(&u);
                        check(&u);
                }
                use_end(&u);
        }
        return NULL;
}

/* Made before the storm, and nobody's to remove; it is looked at until all is over. */
void *resident_run(void *actor) {
        Actor *a = actor;
        Use u = { .actor = a };

        storm_resident(a->number, u.uuid);
        if (!use_begin(&u)) {
                storm_wrong(a->storm, "resident %s cannot be opened: %m", u.uuid);
                return NULL;
        }
        check(&u);
        fill(&u);
        while (!a->storm->over) {
                storm_await(a->storm, a->storm->begun + 1);
                check(&u);
                if (storm_random(a) % 8 == 0)
                        fill(&u);
        }
        check(&u);
        use_end(&u);
        return NULL;
}
