/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-snapshot.c: what /dev/mdevd answers, torn, older or newer: a tree that fits together, or no.
 */
#include "backend/kmod.h"
#include "fuzz.h"
#include "util/parse.h"

static void check_device(const KmodDevice *d) {
        assert(strncmp(d->type, "mdevd-", 6) == 0 && name_is_valid_owner(d->owner));
        assert(device_state_to_string(d->state));
        assert(d->n_extents <= EXTENTS_MAX);
        for (size_t i = 0; i < d->n_extents; i++)
                assert(d->extents[i].offset + d->extents[i].size >= d->extents[i].offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(kmod_snapshot_freep) KmodSnapshot *s = NULL;

        if (kmod_snapshot_parse(&s, data, size) < 0) {
                assert(!s);
                return 0;
        }
        list_foreach(p, &s->parents, KmodParent, node) {
                assert(p->name && streq(p->name, p->config->name));
                assert(parent_state_to_string(p->state));
                list_foreach(pool, &p->config->pools, Pool, node)
                        assert(pool_kind_to_string(pool->kind) && cache_to_string(pool->cache));
                list_foreach(t, &p->config->types, Type, node)
                        assert(t->id && t->name && t->label && t->ours);
                list_foreach(d, &p->devices, KmodDevice, node)
                        check_device(d);
        }
        return 0;
}
