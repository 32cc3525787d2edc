/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lease.c: the states of a lease. */
#include "model/lease.h"

static const char *const lease_kind_table[_LEASE_KIND_MAX] = {
        [LEASE_NONE] = "none",
        [LEASE_CLIENT] = "client",
        [LEASE_VM] = "vm",
};

static const char *const lease_phase_table[_LEASE_PHASE_MAX] = {
        [LEASE_UNOPENED] = "unopened",
        [LEASE_OPEN] = "open",
        [LEASE_CLOSED] = "closed",
        [LEASE_OVER] = "over",
};

DEFINE_STRING_TABLE(lease_kind, LeaseKind, _LEASE_KIND_MAX)
DEFINE_STRING_TABLE(lease_phase, LeasePhase, _LEASE_PHASE_MAX)

void lease_begin(Lease *l, uint64_t now) {
        l->phase = LEASE_UNOPENED;
        l->until_usec = l->kind == LEASE_VM ? now + LEASE_UNOPENED_USEC : 0;
        l->tries = 0;
}

static void open_it(Lease *l) {
        l->kind = LEASE_VM;
        l->phase = LEASE_OPEN;
        l->until_usec = 0;
        l->tries = 0;
        free(l->client);
        l->client = NULL;
}

bool lease_update(Lease *l, bool open, uint64_t now) {
        if (l->kind == LEASE_NONE || open == (l->phase == LEASE_OPEN))
                return false;
        if (open)
                open_it(l);
        else {
                l->phase = LEASE_CLOSED;
                l->until_usec = now + (uint64_t) l->linger_sec * 1000000;
        }
        return true;
}

bool lease_client_left(Lease *l, uint64_t now) {
        if (l->kind != LEASE_CLIENT || l->phase != LEASE_UNOPENED)
                return false;
        l->phase = LEASE_OVER;
        l->until_usec = now;
        return true;
}

bool lease_is_due(const Lease *l, uint64_t now) {
        return l->kind != LEASE_NONE && l->until_usec > 0 && l->until_usec <= now;
}

void lease_note_try(Lease *l, uint64_t now) {
        l->until_usec = now + (LEASE_RETRY_USEC << MIN(l->tries, LEASE_RETRY_DOUBLED_MAX));
        l->tries++;
}

void lease_done(Lease *l) {
        free(l->client);
        *l = (Lease){};
}

int lease_copy(Lease *to, const Lease *from) {
        char *client = NULL;

        if (from->client) {
                client = strdup(from->client);
                if (!client)
                        return -ENOMEM;
        }
        free(to->client);
        *to = *from;
        to->client = client;
        return 0;
}
