/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ask.h: what a command of mdevctl asks of the daemon: a call over the system bus, whose answer is
 * waited for however long the work takes. The bus starts the daemon if it is enabled and does not
 * run. mdevdctl's own verbs, which ask for more, have client.h.
 */
#pragma once

#include "cli/daemon.h"
#include "model/definition.h"

typedef struct Ask Ask;
typedef struct Wish Wish;

/* The daemon, or the bus, refused; ask->refusal says what. */
#define ASK_REFUSED 1

/* A connection: the first call makes it. */
struct Ask {
        int fd;
        uint32_t serial; /* of the last call */
        bool greeted;    /* the bus has let us in */
        char *bytes;     /* that came; the first @used are of the message that was read last */
        size_t size, room, used;
        Refusal refusal; /* its strings are @name and @text */
        char *name, *text;
};

#define ASK_NULL { .fd = -EBADF, .refusal = { "", "" } }

/* Options of a call; what is NULL or false is not sent. Strings are borrowed. */
struct Wish {
        const Uuid *uuid;
        const bool *autostart;
        const char *type;             /* another one, of Modify() */
        const Definition *attributes; /* those of it, all */
        bool live;                    /* of Modify() */
        bool config;                  /* of Modify() */
        bool force;                   /* although a callout script refuses */
};

void ask_done(Ask *a);

/*
 * @member: CreateDevice or DefineDevice. @ret (may be NULL): the UUID that it got. 0, ASK_REFUSED,
 * or negative errno: -EINVAL is text that cannot be sent.
 */
int ask_make(Ask *a, const char *member, const char *parent, const char *type, const Wish *wish,
             Uuid *ret);
/* @member of the device's object, of those that take options. @parent: "" for any. As above. */
int ask_change(Ask *a, const char *member, const Uuid *uuid, const char *parent,
               const Wish *wish);
/* Whether the daemon is there; it is not started. A bus that cannot be reached has none. */
bool ask_is_running(Ask *a);
/* Ends a command whose call could not be made: of what cannot be sent, or with @otherwise. */
int ask_failed(int error, const char *otherwise);
