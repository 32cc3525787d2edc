/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lease.h: when a device goes by itself. Plain data and pure functions: what time it is, and
 * whether somebody has the device open, is told to them. Times are microseconds of CLOCK_MONOTONIC,
 * which a restart of the daemon does not touch and which ends with what /run remembers. It stands
 * still while the host sleeps, as those do who were to open the device in that time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

typedef enum LeaseKind {
        LEASE_NONE,   /* it stays until somebody removes it */
        LEASE_CLIENT, /* it goes when the bus client does; from the first open on: LEASE_VM */
        LEASE_VM,     /* it goes a while after its last close, or if nobody ever opens it */
        _LEASE_KIND_MAX,
} LeaseKind;

typedef enum LeasePhase {
        LEASE_UNOPENED,
        LEASE_OPEN,
        LEASE_CLOSED, /* it was open */
        LEASE_OVER,   /* the client has left */
        _LEASE_PHASE_MAX,
} LeasePhase;

DECLARE_STRING_TABLE(lease_kind, LeaseKind)
DECLARE_STRING_TABLE(lease_phase, LeasePhase)

/* Seconds from the last close: what a VM that is started anew takes, and not more than a day. */
#define LEASE_LINGER_SEC 30U
#define LEASE_LINGER_SEC_MAX 86400U
/* From the making until the first open. */
#define LEASE_UNOPENED_USEC (600 * UINT64_C(1000000))
/* After a removal that failed: 1, 2, 4 … 64 s. */
#define LEASE_RETRY_USEC UINT64_C(1000000)
#define LEASE_RETRY_DOUBLED_MAX 6U

typedef struct Lease Lease;

struct Lease {
        LeaseKind kind;
        LeasePhase phase;
        unsigned linger_sec; /* at most LEASE_LINGER_SEC_MAX */
        uint64_t until_usec; /* 0: nothing ends it now */
        char *client;        /* unique name, of LEASE_CLIENT; owned */
        unsigned tries;      /* removals that were begun */
};

/* Of a device that has just been made; kind, linger and client are set. */
void lease_begin(Lease *l, uint64_t now);
/* Whether somebody has the device open. Answers whether anything of the lease is another now. */
bool lease_update(Lease *l, bool open, uint64_t now);
/* The client has left the bus. The same answer. */
bool lease_client_left(Lease *l, uint64_t now);
bool lease_is_due(const Lease *l, uint64_t now);
/* Its removal is begun: if that fails, the next one is due then. Not a change: it is not kept. */
void lease_note_try(Lease *l, uint64_t now);
/* Frees what it owns; it is none then. */
void lease_done(Lease *l);
/* -ENOMEM: @to is as it was. */
int lease_copy(Lease *to, const Lease *from);
