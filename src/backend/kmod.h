/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod.h: /dev/mdevd, the control device of our kernel module: its verbs in the words of the model,
 * its snapshot, and its events as a source of the loop. Nothing here blocks but a CONFIGURE.
 */
#pragma once

#include <systemd/sd-event.h>

#include "backend/record.h"
#include "model/model.h"

typedef struct Kmod Kmod;
typedef struct KmodEvents KmodEvents;
typedef struct KmodDevice KmodDevice;
typedef struct KmodParent KmodParent;
typedef struct KmodSnapshot KmodSnapshot;
typedef struct KmodEvent KmodEvent;

/* One reservation or device of a snapshot; its strings are in it, for there may be a thousand. */
struct KmodDevice {
        List node; /* in KmodParent->devices */
        Uuid uuid;
        char type[64];  /* sysfs id */
        char owner[72]; /* the module's label, which is shorter */
        DeviceState state;
        Extent extents[EXTENTS_MAX];
        size_t n_extents;
        Other other;
        unsigned opened;
        uint64_t faults, faults_huge, insertions, mapped;
};

struct KmodParent {
        List node; /* in KmodSnapshot->parents */
        char *name;
        ParentState state; /* PARENT_BOUND, _REGISTERED or _CLOSING */
        Parent *config;    /* name, pools and types as the kernel has them; types name no pools */
        List devices;      /* of KmodDevice */
};

struct KmodSnapshot {
        uint64_t generation;
        List parents;
};

KmodSnapshot *kmod_snapshot_free(KmodSnapshot *s);
DEFINE_CLEANUP(KmodSnapshot *, kmod_snapshot_free)

struct KmodEvent {
        uint32_t type; /* enum mdevd_event_type; may be one that we do not know */
        char parent[64];
        Uuid uuid;
        pid_t pid;
        char comm[17];
        uint64_t cookie;  /* of a create request, or of the end of one */
        char type_id[64]; /* of a create request: in sysfs */
};

/* -ENOENT, -ENODEV, -ENXIO: the module is not there. -EPROTO: it speaks another version. */
int kmod_open(Kmod **ret, int root_fd);
/* The same with a descriptor that is open, non-blocking and close-on-exec; taken in every case. */
int kmod_new(Kmod **ret, int fd);
int kmod_get_fd(const Kmod *k); /* borrowed */
Kmod *kmod_free(Kmod *k);
DEFINE_CLEANUP(Kmod *, kmod_free)

/* Of STEP_… of a record's operation; see <mdevd.h> for what they answer. */
int kmod_reserve(Kmod *k, const Record *r);
int kmod_configure(Kmod *k, const Parent *config);
int kmod_unconfigure(Kmod *k, const char *parent);
/* What its BARs hold from the return until the resume, or @k is freed, or the time is over. */
int kmod_suspend(Kmod *k, const Uuid *uuid, unsigned milliseconds);
int kmod_resume(Kmod *k, const Uuid *uuid);

typedef struct KmodMove KmodMove;

/* One extent, one chunk of at most 2 MiB at a call: the same call goes on, see MDEVD_MOVE. */
struct KmodMove {
        Uuid uuid;
        unsigned extent;
        unsigned bar; /* of the parent; there it goes, to @offset */
        uint64_t offset;
        bool back;    /* to where it came from */
        bool release; /* at the end what it left is zeroed and free, also of an open device */
        uint64_t moved;      /* out: bytes that are at @offset */
        unsigned longest_us; /* out: how long a touch may have waited */
};

int kmod_move_chunk(Kmod *k, KmodMove *move);
/*
 * Whoever writes a UUID to sysfs without a reservation is told of by MDEVD_EVENT_REQUEST from now
 * on, who waits already too, and is answered by one of these two. @r: of STEP_… as for
 * kmod_reserve(). @error: a positive errno, which the writer gets. -ESTALE: he has gone.
 */
int kmod_listen(Kmod *k);
int kmod_answer(Kmod *k, uint64_t cookie, const Record *r);
int kmod_refuse(Kmod *k, uint64_t cookie, int error);
/* What sysfs says of the type, by our name of it, as long as somebody listens. */
int kmod_set_available(Kmod *k, const char *parent, const char *type, unsigned n);
/* Everything, in one consistent snapshot. -EBADMSG: records that make no sense. */
int kmod_query(Kmod *k, KmodSnapshot **ret);
/*
 * One reservation or device, with the record of its parent, which has no pools or types here.
 * -ENOENT: there is none. -EOPNOTSUPP: the module is older than that.
 */
int kmod_query_one(Kmod *k, const Uuid *uuid, KmodSnapshot **ret);
/* The same from a buffer: for tests and fuzzers. */
int kmod_snapshot_parse(KmodSnapshot **ret, const void *buffer, size_t size);

typedef void (*KmodEventFn)(const KmodEvent *event, void *userdata);

/* What one read() of /dev/mdevd gave, event by event; for fuzzers too. */
void kmod_parse_events(const void *data, size_t n, KmodEventFn fn, void *userdata);

/*
 * Listens, for as long as @k is there. @fn gets each event; an event of type MDEVD_EVENT_LOST means
 * that others were missed. When the device is gone for good @fn gets NULL, once.
 */
int kmod_events_new(KmodEvents **ret, const Kmod *k, sd_event *event, KmodEventFn fn,
                    void *userdata);
KmodEvents *kmod_events_free(KmodEvents *e);
DEFINE_CLEANUP(KmodEvents *, kmod_events_free)
