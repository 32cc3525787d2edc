/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * trial.h: one life of the daemon with one misfortune in it, and what must hold afterwards: model,
 * kernel and files say the same, nothing is lost, nobody is disturbed. A scenario is what the
 * daemon does meanwhile; a point (see tracer.c) is where the misfortune comes.
 */
#pragma once

#include <json-c/json.h>

#include "fixture.h"
#include "../unit/fake-tree.h"

#define MODULE "0000:00:07.0" /* the parent that our module divides */
#define MODULE_TYPE "fb-16M"
#define MIB (UINT64_C(1) << 20)
#define BYSTANDER1 "bbbbbbbb-2222-3333-4444-555555555501" /* on OTHER */
#define BYSTANDER2 "bbbbbbbb-2222-3333-4444-555555555502" /* on MODULE, and a guest has it open */

typedef struct Scenario Scenario;
typedef struct Trial Trial;
typedef struct Wanted Wanted;

/* A device that there is, or may be; whose it then is. */
struct Wanted {
        const char *uuid, *parent, *owner, *origin;
        bool initially, finally;
        const char *lease; /* NULL: it has none */
};

struct Scenario {
        const char *name;
        Wanted devices[6];
        /* Before the daemon's first start. */
        void (*prepare)(Trial *t);
        /* Begins the call. NULL: the daemon's start is what is looked at. */
        void (*act)(Trial *t, Reply *r);
        /*
         * What model and files say, however the call ended. @strict: after a restart, when nothing
         * is left over any more. @done: the caller was told that all is well.
         */
        void (*check_files)(Trial *t, json_object *state, bool strict, bool done);
        const char *done_error; /* repeating what is done already: this error is right, too */
        unsigned instances; /* of PARENT, at first; 0: those of OTHER */
        bool boots; /* the module's parent is not configured yet, and nobody is about */
};

struct Trial {
        Fixture f;
        FakeTree tree; /* another view of f.tree */
        const Scenario *s;
        pid_t tracer;
        int ended_fd;
        bool ended;
        char wrapper[1024];
};

/*
 * Lives through @s; with @point, @deed (see tracer.c) happens there. @thaw_late: where the daemon
 * is killed, its workers go on when the next daemon is there. Ends the process when something does
 * not hold. The calls that were met are left in @log (a new file), and whether the point was.
 */
void trial_run(const Scenario *s, const char *point, const char *deed, bool thaw_late,
               const char *log);

bool trial_was_hit(const char *log);

/* Bus and tree, with two vendors' parents and one of our module's; no daemon yet. */
void trial_prepare(Trial *t, const Scenario *s);
/* Until nothing is under way and what is to be there is there; the daemon's own description. */
json_object *trial_settle(Trial *t, bool finally);
json_object *trial_describe(Trial *t);
size_t trial_count_names(const Trial *t, const char *folder); /* all but "." and ".." */
/* The member of @list in a description whose @key is @value; borrowed. NULL: there is none. */
json_object *trial_find(json_object *state, const char *list, const char *key, const char *value);
/* NULL: there is none, or it is null. */
const char *trial_string(json_object *o, const char *key);
