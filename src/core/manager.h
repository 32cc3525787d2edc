/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * manager.h: a request becomes a decision becomes an operation; an event changes the model and is
 * told to the observer. It owns the model, the configuration and the running operations; it knows
 * nothing of D-Bus.
 */
#pragma once

#include <systemd/sd-event.h>

#include "config/config.h"
#include "core/observer.h"
#include "core/operation.h"

/* @root is "/" but in tests; @event is referenced. */
int manager_new(Manager **ret, sd_event *event, const char *root);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free)

/* Before the start: a descriptor of /dev/mdevd that an earlier daemon has left; taken. */
void manager_take_control(Manager *m, int fd);
/* Before the start: the program that workers are, see worker-pool.h; taken. */
void manager_set_worker_program(Manager *m, int fd);
void manager_set_observer(Manager *m, const Observer *observer); /* copied */
/* How processes for callout scripts are started, if not as children; copied. */
void manager_set_launch(Manager *m, const EscortLaunch *launch);

/*
 * Reads configuration and definitions, opens /dev/mdevd and the uevent monitor, then enumerates;
 * adopts or settles the operations found. When it returns the model is built.
 */
int manager_start(Manager *m);
/* Configures parents, starts autostart definitions as their parents get ready. After READY=1. */
int manager_autostart(Manager *m);
/* Reads configuration and definitions anew; what is wrong is left out: manager_get_problems(). */
int manager_reload(Manager *m);

Model *manager_get_model(Manager *m);               /* borrowed; do not change */
const List *manager_get_planned(Manager *m);        /* of Planned */
const List *manager_get_operations(Manager *m);     /* of Operation */
const List *manager_get_problems(Manager *m);       /* of ConfigProblem */
Operation *manager_find_operation(Manager *m, uint64_t id);
/* Devices that are to be up: those that are not yet, and those that could not be brought up. */
void manager_count_autostart(const Manager *m, unsigned *ret_pending, unsigned *ret_failed);

/*
 * Starts, or joins, the creation of a device. Takes ownership of @request in every case. 0: *@ret
 * (borrowed) is the operation, running, or ended already when the same request was repeated.
 * Positive: an Outcome, @reason has the sentence. With request->plan: OUTCOME_OK and *@ret NULL,
 * @reason says what would happen.
 */
/* Where manager_create() would make it now, @reason says it in words. Does nothing. */
int manager_plan(Manager *m, const Request *q, Placement *ret, Reason *reason);
int manager_create(Manager *m, Request *request, const char *client, Operation **ret,
                   Reason *reason);
typedef struct StopOptions StopOptions;

struct StopOptions {
        bool force;   /* although a callout script refuses it */
        bool insist;  /* also if it is in use: it is gone when who uses it lets go */
        pid_t caller; /* who asks: it and its ancestors may hold the device's group open; or 0 */
};

/*
 * The same for the removal of a live device, and for starting a definition. A device that somebody
 * has open is not removed unless the caller insists: the operation fails, and says who.
 */
int manager_stop_with(Manager *m, Device *device, const StopOptions *options, const char *client,
                      Operation **ret, Reason *reason);
int manager_stop(Manager *m, Device *device, const char *client, Operation **ret, Reason *reason);
int manager_start_definition(Manager *m, Definition *definition, bool force, const char *client,
                             Operation **ret, Reason *reason);

/*
 * Definitions, as manager_create(). @request is taken in every case. Define: what is not said comes
 * from the device of that UUID, if it is active. Modify: at least one of @device and @definition,
 * which are of one UUID and parent; the request's type, autostart, reserve and attributes are the
 * changes, its live and config say of what. A definition whose file is wrong can be undefined.
 */
int manager_define(Manager *m, Request *request, const char *client, Operation **ret,
                   Reason *reason);
int manager_modify(Manager *m, Device *device, Definition *definition, Request *request,
                   const char *client, Operation **ret, Reason *reason);
/* Positive: the UUID is a profile's, whose file @reason names as the place to change it. */
int manager_refuse_profile(Manager *m, const Uuid *uuid, Reason *reason);
int manager_undefine(Manager *m, Definition *definition, bool force, const char *client,
                     Operation **ret, Reason *reason);

/*
 * Another owner for the device, its definition, or both; of a device the policy is asked whether it
 * may be that owner's. *@ret NULL with 0: it is done already.
 */
int manager_set_owner(Manager *m, Device *device, Definition *definition, const char *owner,
                      const char *client, Operation **ret, Reason *reason);

/*
 * Holds whoever touches the BARs of @device, from the operation's being reached until its end: that
 * is manager_resume(), @ms later (0: HOLD_MS_DEFAULT), or the death of the worker. Resuming answers
 * with the same operation.
 */
#define HOLD_MS_DEFAULT 2000U
#define HOLD_MS_MAX 60000U
int manager_suspend(Manager *m, Device *device, unsigned ms, const char *client, Operation **ret,
                    Reason *reason);
int manager_resume(Manager *m, Device *device, Operation **ret, Reason *reason);

typedef struct MoveTarget MoveTarget;
typedef struct Progress Progress;

struct MoveTarget {
        const char *pool;
        uint64_t offset; /* bytes, from the start of the BAR; UINT64_MAX: any place */
        int extent;      /* of the device; -1: its only one */
};

/* Bytes of moves; steps of a profile, that take no moves of their own into account. */
struct Progress {
        uint64_t done, total;
        unsigned longest_us; /* that a guest may have waited so far */
};

/* One extent of a device goes elsewhere, under whoever uses it. */
int manager_move(Manager *m, Device *device, const MoveTarget *target, const char *client,
                 Operation **ret, Reason *reason);
/*
 * The moves of at most @max_bytes that make the largest free block of @pool (NULL: the first pool
 * where there are any) as large as can be. OUTCOME_NO_ROOM: there are none.
 */
int manager_defragment(Manager *m, Parent *parent, const char *pool, uint64_t max_bytes,
                       const char *client, Operation **ret, Reason *reason);
/*
 * What manager_apply_profile() would do now; @ret to be freed by profile_diff_done().
 * OUTCOME_INVALID: there is no such profile.
 */
int manager_plan_profile(Manager *m, const char *name, ProfileDiff *ret, Reason *reason);
/*
 * Makes the host what the profile says, a step after the other, each an operation of its own:
 * creations first where there is room, removals where they make it or nothing else is left. When a
 * step fails, all back to the first removal is taken back. A device in use is never removed.
 */
int manager_apply_profile(Manager *m, const char *name, bool force, const char *client,
                          Operation **ret, Reason *reason);
/* That name was a client's, and is nobody's any more: what was leased to it goes. */
void manager_client_left(Manager *m, const char *client);

/* @holders: borrowed; NULL: it could not be found out. Never from within the call that asked. */
typedef void (*HoldersDone)(Manager *m, const Holders *holders, void *userdata);

/* Who ask at one time, in all; more are refused: OUTCOME_LIMIT. */
#define LOOKS_MAX 256

/*
 * Who has the device open now: @done is called once, when a worker has looked; not if this fails.
 */
int manager_find_holders(Manager *m, const Device *device, HoldersDone done, void *userdata,
                         Reason *reason);
/* Whoever asked with that @userdata is not told any more. */
void manager_forget_holders(Manager *m, const void *userdata);
/* As the model has it, or DEVICE_MOVING while an operation moves it. */
DeviceState manager_get_state(Manager *m, const Device *device);
/* Reads the record of a running one; all 0 where nothing moves. */
int manager_get_progress(Manager *m, const Operation *op, Progress *ret);

/*
 * Reads the counters of our module's devices (faults, insertions, mapped) from the kernel, at most
 * once a turn of the loop: they change without an event. Nothing else of the model changes.
 */
int manager_refresh_counters(Manager *m);
/* The same of one; -ENOENT: it has gone. */
int manager_refresh_counters_of(Manager *m, Device *device);
