/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wish.h: what "plan", "create" and "define" ask for: the options that they share, as a call. */
#pragma once

#include "cli/client.h"
#include "cli/own/own.h"

enum {
        WISH_PARENT = _OWN_PRINTS,
        WISH_OWNER,
        WISH_UUID,
        WISH_ATTRIBUTES,
        WISH_JSONFILE,
        WISH_AUTO,
        WISH_RESERVE,
        WISH_FORCE,
        WISH_NUMA, /* not of "define" */
        WISH_DEFINE,
        WISH_MOVES,
        WISH_LEASE, /* of "create" alone, as the next */
        WISH_LINGER,
        _WISH_MAX,
};

#define WISH_OPTIONS                                                                               \
        OWN_PRINT_OPTIONS,                                                                         \
        [WISH_PARENT] = { "parent", 'p', "PARENT", .help = "On this one; else policy chooses" },   \
        [WISH_OWNER] = { "owner", 'o', "NAME", .help = "Whom it is for, such as a VM's name" },    \
        [WISH_UUID] = { "uuid", 'u', "UUID", .is_valid = argument_is_uuid, .expect = EXPECT_UUID,  \
                        .help = "Its UUID; else a random one" },                                   \
        [WISH_ATTRIBUTES] = { "attributes", 'a', "NAME=VALUE,…",                                   \
                              .help = "Attributes to write, in this order" },                      \
        [WISH_JSONFILE] = { "jsonfile", .value = "FILE",                                           \
                            .help = "Attributes, in mdevctl's form; \"-\" for stdin" },   \
        [WISH_AUTO] = { "auto", .help = "Its definition is started with its parent" },             \
        [WISH_RESERVE] = { "reserve", .help = "Its definition keeps its room while it is down" },  \
        [WISH_FORCE] = { "force", 'f', .help = "Although a callout script refuses it" }

/*
 * A call of Manager's @member (CreateDevice, DefineDevice or PlanDevice, or its Async form) for
 * @given. 0, CLIENT_REFUSED, or -EINVAL after it was said what is wrong.
 */
int wish_message(Client *c, const char *member, const Given *given, sd_bus_message **ret);
/* The end of a verb whose message could not be made. */
int wish_failed(Client *c, int error);
