/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device.h: one mdev as the kernel reports it, a reservation of our module that is none yet, or
 * what a virtual function bears (function.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/extent.h"
#include "model/lease.h"
#include "model/types.h"
#include "util/list.h"
#include "util/uuid.h"

typedef enum DeviceState {
        DEVICE_RESERVED,  /* extents are taken, no mdev yet */
        DEVICE_LIVE,      /* can be opened */
        DEVICE_SCRUBBING, /* closed, its memory is being zeroed; opens wait */
        DEVICE_DYING,     /* mdev gone, extents not yet clean */
        DEVICE_REVOKED,   /* parent gone, a VMM still has it open */
        DEVICE_SUSPENDED, /* live, but whoever touches its BARs waits */
        DEVICE_MOVING,    /* live; an extent of it is in two places, and the move has not ended */
        _DEVICE_STATE_MAX,
} DeviceState;

typedef enum Origin {
        ORIGIN_FOREIGN,    /* made by somebody else: left alone */
        ORIGIN_REQUEST,    /* CreateDevice */
        ORIGIN_DEFINITION, /* a definition was started */
        ORIGIN_PROFILE,    /* a profile was applied */
        ORIGIN_SYSFS,      /* its UUID was written to sysfs, and the policy granted it */
        _ORIGIN_MAX,
} Origin;

DECLARE_STRING_TABLE(device_state, DeviceState)
DECLARE_STRING_TABLE(origin, Origin)

/* The second place of an extent that moves, or has moved and was not let go of yet. */
typedef struct Other Other;

struct Other {
        bool used;       /* else nothing below is valid */
        bool finished;   /* nothing of the device is there any more */
        unsigned extent; /* which one */
        Extent place;
        uint64_t moved;  /* bytes that are there */
};

struct Device {
        List node;        /* in model->devices */
        List parent_node; /* in parent->devices, while linked */
        Device *next_alike; /* in the model's index by UUID */
        Model *model;     /* borrowed; NULL while unlinked */
        Parent *parent;   /* borrowed */
        Uuid uuid;
        char *type;     /* sysfs id */
        char *function; /* PCI address of the function that bears it; NULL: it is an mdev */
        char *owner;    /* never NULL, may be empty */
        bool relabelled; /* the owner is not the one that the module was told */
        DeviceState state;
        Origin origin;
        char *profile; /* name, of ORIGIN_PROFILE; else NULL */
        bool ours; /* of our module: extents and counts below are the kernel's word */
        Attribute *attributes; /* that it was made with, as far as this daemon has seen it made */
        size_t n_attributes;
        Extent extents[EXTENTS_MAX];
        size_t n_extents;
        Other other;
        unsigned opened;
        pid_t opener;         /* who opened it first; 0: not known, or closed */
        char opener_name[17]; /* its comm */
        uint64_t faults;
        uint64_t faults_huge;
        uint64_t insertions;
        uint64_t mapped;
        uint64_t evict_usec;  /* CLOCK_MONOTONIC: when who has it open is killed; 0: never */
        unsigned evictions;   /* how many times that was begun */
        uint64_t mend_usec;   /* CLOCK_MONOTONIC: when its move's end is tried again; 0: never */
        unsigned mends;       /* how many of those tries have died */
        Lease lease;
        unsigned n_users;     /* of a vendor's with a lease: who uses it, at the last look */
        bool seen; /* scratch of a reconciliation */
        uint64_t counted; /* the turn of the loop in which its counters were read; 0: none */
};

int device_new(Device **ret, Parent *parent, const Uuid *uuid, const char *type);
Device *device_free(Device *d);
DEFINE_CLEANUP(Device *, device_free)

/* For linked and unlinked devices alike. @n <= EXTENTS_MAX. */
void device_set_extents(Device *d, const Extent *extents, size_t n);
void device_set_other(Device *d, const Other *other);
int device_set_owner(Device *d, const char *owner);
