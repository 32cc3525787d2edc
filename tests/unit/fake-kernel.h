/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-kernel.h: makes the files of a fake tree behave. The file defines write() and ioctl():
 * linked into a test program, or loaded into the real daemon with LD_PRELOAD, it stands between the
 * program and those of its files that lie in a root that has a folder "fake". So an effect is there
 * when the write returns, and an errno can be had, as with the real kernel.
 *
 * With FAKE_KERNEL_KILL_AT=<n> in the environment, or n in <root>/fake/kill-at, a worker kills
 * itself by SIGKILL before its n-th call that changes something (0 is the first; from when the file
 * is there), with a minus sign: right after that call. <root>/fake/killed tells that it did: one
 * does, or all of them as long as there is a file <root>/fake/kill-all.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Sent to <root>/run/mdevd/uevent; lost when nobody listens. */
void fake_kernel_uevent(const char *root, const char *action, const char *devpath,
                        const char *subsystem, const char *extra);
/* Our module: somebody opens or closes a device; an opened one of a removed device lingers. */
void fake_module_open(const char *root, const uint8_t uuid[16], int32_t pid, const char *comm);
void fake_module_close(const char *root, const uint8_t uuid[16]);
/* The parent begins to go away; it waits for what is open. */
void fake_module_unplug(const char *root, const char *parent);
/* While held, extents of removed devices stay dirty; letting go cleans them. */
void fake_module_hold_scrub(const char *root, int hold);
/* Somebody writes a UUID to sysfs and waits for the listener's answer. Answers the cookie. */
uint64_t fake_module_request(const char *root, const char *parent, const char *type,
                             const uint8_t uuid[16], int32_t pid, const char *comm);
/* He is told of once more, as by a new LISTEN. */
void fake_module_repeat(const char *root, uint64_t cookie);
/* The queue of events was full: who asks meanwhile is not told of. */
void fake_module_lose(const char *root, int lose);
/* From now on what is granted cannot be made: somebody has removed it meanwhile. */
void fake_module_cancel(const char *root, int cancel);
/* He gives up. */
void fake_module_leave(const char *root, uint64_t cookie);
/* What he got: 1: nothing yet; 0: the device, which is there; or the errno, negative. */
int fake_module_outcome(const char *root, uint64_t cookie);
/* What sysfs would say of a type; -1: nobody listens. */
int fake_module_available(const char *root, const char *parent, const char *type);
/* How many reservations and devices it knows. */
unsigned fake_module_count(const char *root);
/* It is of a version that can be asked for everything only. */
void fake_module_set_older(const char *root, int older);
/* How often it was asked for everything, and for one, since this was called last. */
void fake_module_count_queries(const char *root, unsigned *ret_all, unsigned *ret_one);
