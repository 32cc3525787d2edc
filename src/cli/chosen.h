/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chosen.h: the definition, or the device, that a command is about, looked up by UUID and parent in
 * the files and in sysfs, as mdevctl does.
 */
#pragma once

#include "cli/listing.h"

/* The only definition. EXIT_SUCCESS, or EXIT_FAILED after it was said why. Takes it out of @l. */
int chosen_definition(Listing *l, const Uuid *uuid, const char *parent, Definition **ret);
/* All definitions of @uuid, with those that cannot be used. */
int chosen_definitions(int root_fd, const Uuid *uuid, const char *parent, Listing *ret);
/* The active device; *@ret is NULL if there is none. @parent: NULL for any. */
int chosen_device(int root_fd, const Uuid *uuid, const char *parent, Definition **ret);
