/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* functions.h: which device a virtual function is that bears a vGPU; within core only. */
#pragma once

#include "core/internal.h"
#include "sysfs/sysfs.h"

/* After a look at @p's functions: says which devices they are, and has those looked at. */
int functions_update(Manager *m, Parent *p);
/* What sysfs_read_device() is for mdevs. -ENOENT: no function bears it. */
int functions_find_device(Manager *m, const Uuid *uuid, SysfsDevice *ret);
/* Of a PCI device that is no parent: has the one looked at that it is, or was, a function of. */
int functions_note_uevent(Manager *m, const Uevent *event);
/*
 * Nothing tells what these can bear: true: they are looked at anew. @parent NULL: all. @only_asked:
 * nothing is to be made, and a look of the last 100 ms will do.
 */
bool functions_look_again(Manager *m, const char *parent, bool only_asked);
/*
 * Its worker reads or writes files of the card. While it is at that, nobody else of ours is, not
 * even to look: the driver may make who reads wait for who writes.
 */
bool functions_needs_card(const Operation *op);
bool functions_are_busy(Manager *m, const char *parent);
/* Which function a create is to fill, where @p has such. Positive: none can, @reason says so. */
int functions_choose(Manager *m, const Parent *p, Record *record, Reason *reason);
/* Before its worker begins: another function, where the chosen one is others' by now. */
int functions_choose_anew(Manager *m, Record *record);
/* @record is about what bears @d: that function, or where both have none, an mdev. */
bool functions_is_of(const Record *record, const Device *d);
/* Of a record about @d (NULL: none is there): what bears it, if a function does. */
int functions_note(const Device *d, Record *record);
