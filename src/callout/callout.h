/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * callout.h: the callout and notifier scripts of mdevctl's protocol (mdevctl 1.4.0, its manual page
 * and src/callouts.rs): which script knows the type of a device, what it is called with, what its
 * answer means. Everything here blocks until the scripts have ended, at most CALLOUT_LIMIT_SEC for
 * each; the process that calls is their parent, which some scripts rely on from "pre" to "post".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/definition.h"

/* A script that has not ended by then is killed, with all that it has started, and has failed. */
#define CALLOUT_LIMIT_SEC 60

typedef enum CalloutEvent {
        CALLOUT_PRE,
        CALLOUT_POST,
        CALLOUT_LIVE,
        CALLOUT_NOTIFY,
        CALLOUT_GET,
        _CALLOUT_EVENT_MAX,
} CalloutEvent;

typedef enum CalloutAction {
        CALLOUT_START,
        CALLOUT_STOP,
        CALLOUT_DEFINE,
        CALLOUT_UNDEFINE,
        CALLOUT_MODIFY,
        CALLOUT_ATTRIBUTES,
        CALLOUT_CAPABILITIES,
        _CALLOUT_ACTION_MAX,
} CalloutAction;

typedef enum CalloutState {
        CALLOUT_NONE,
        CALLOUT_SUCCESS,
        CALLOUT_FAILURE,
        _CALLOUT_STATE_MAX,
} CalloutState;

typedef struct Callout Callout;
typedef struct CalloutFolder CalloutFolder;
typedef struct CalloutSeen CalloutSeen;

struct CalloutFolder {
        uint64_t device, inode;
        int64_t sec, nsec; /* of its last change */
};

struct CalloutSeen {
        bool empty; /* of all scripts, as long as the folders are these */
        CalloutFolder folders[4];
};

/* A script refused or failed: callout->why says so. */
#define CALLOUT_REFUSED 1

/* The scripts for one device, as long as one command or operation lasts. */
struct Callout {
        const char *root;         /* borrowed */
        const Definition *device; /* borrowed; its type, parent and UUID are told to all */
        unsigned limit_sec;
        CalloutState state; /* of the operation, as "-s" says it */
        char *script;       /* the one that knows the type; NULL: not found yet, or there is none */
        bool versioned;     /* it said what it supports: these, as bits of the enums */
        uint32_t actions, events;
        char *why; /* the sentence of the last refusal; may have more lines, with its stderr */
};

/* Any script at all, callout or notifier? */
bool callout_exists(const char *root);
/*
 * The same, for who asks again and again: where there was none, and no folder has changed since,
 * there is none. *@seen is what the last call saw; zeros at first.
 */
bool callout_exists_since(const char *root, CalloutSeen *seen);
void callout_init(Callout *c, const char *root, const Definition *device);
void callout_done(Callout *c);

/*
 * Asks for the script that can say what it supports. 0, also if there is none, or negative errno.
 */
int callout_find(Callout *c);
/*
 * One event; pre, post and live get the device's definition as JSON. 0: it was accepted, or no
 * script knows the type. CALLOUT_REFUSED. Negative errno.
 */
int callout_call(Callout *c, CalloutEvent event, CalloutAction action);
/* Tells all notifiers; what they answer is of no account. */
void callout_notify(Callout *c, CalloutAction action);
/* What the device has now, appended to @to. As callout_call(); nothing is appended but with 0. */
int callout_get_attributes(Callout *c, Definition *to);
