/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * holders.h: which processes have a device open, found in /proc. For workers only: it looks at
 * every descriptor of every process.
 *
 * A process that uses a device by VFIO has three kinds of descriptors: of the container, of the
 * group or the device's own character device, and of the device itself. The last one is what the
 * kernel waits for, but it is an anonymous inode and names no device; the character device does, by
 * its number (drivers/vfio/group.c, device_cdev.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/macro.h"

#define HOLDERS_MAX 16        /* described; all are counted */
#define HOLDER_DEVICES_MAX 4  /* character devices of one mdev */
#define HOLDER_WHERE_MAX 128
#define HOLDER_MACHINE_MAX 256 /* bytes of a virtual machine's name, with its end */

typedef struct HolderDevice HolderDevice;
typedef struct Holder Holder;
typedef struct Holders Holders;

struct HolderDevice {
        dev_t number;
        bool is_group; /* of VFIO: who has only that open does not use the device */
};

struct Holder {
        pid_t pid;
        char command[17];             /* its comm */
        char where[HOLDER_WHERE_MAX]; /* "machine NAME", "unit NAME", or "" */
        /* The virtual machine, by the name that libvirt and oVirt know it by; "": it is none. */
        char machine[HOLDER_MACHINE_MAX];
        bool uses; /* as of holders_find_users() */
};

struct Holders {
        Holder holders[HOLDERS_MAX];
        size_t n; /* all of them, described or not */
};

/*
 * Who has one of the character devices open. An error where nobody was found and a process could
 * not be looked at. @caller and its ancestors are passed over as long as they have no device of any
 * kind open by VFIO: libvirt holds the group while it has a device removed. 0 @caller: nobody is.
 */
int holders_find(int root_fd, const HolderDevice *devices, size_t n_devices, pid_t caller,
                 Holders *ret);
/*
 * Who uses the device: has its own character device open, or its group and a device of VFIO's. Not
 * libvirt, which has the group open at times, nor whom a descriptor of the group was handed to.
 */
int holders_find_users(int root_fd, const HolderDevice *devices, size_t n_devices, Holders *ret);
/* The numbers of the mdev's character devices; its folder is a path below the root. */
int holders_devices_of(int root_fd, const char *folder,
                       HolderDevice ret[static HOLDER_DEVICES_MAX], size_t *ret_n);
/*
 * The name of the virtual machine that a process is, by holder_where() and the @size bytes of its
 * /proc/PID/cmdline: what QEMU was told as its guest's name; else what libvirt has made of that for
 * the scope, "machine-qemu-1-NAME.scope", which has not every character of it. "": it is none. Who
 * runs the process chooses the first: it is a name to show, and no proof.
 */
void holder_machine(const char *where, const char *cmdline, size_t size,
                    char ret[static HOLDER_MACHINE_MAX]);
/* Where a process belongs by the text of its /proc/PID/cgroup. */
void holder_where(const char *cgroup, char ret[static HOLDER_WHERE_MAX]);
/*
 * The unit of the system's manager that a process is in, by the same text: "machine-vm1.scope".
 * Positive: it is a scope (1) or a service (2). 0: none, or one that is a person's whole session.
 */
#define HOLDER_UNIT_SCOPE 1
#define HOLDER_UNIT_SERVICE 2
#define HOLDER_UNIT_MAX 256 /* bytes, as in systemd's unit-name.h */
int holder_unit(const char *cgroup, char ret[static HOLDER_UNIT_MAX]);
/* The same of one process; 0 too where that cannot be read. */
int holder_unit_of(int root_fd, pid_t pid, char ret[static HOLDER_UNIT_MAX]);
/* Whether that process uses the device now, as for holders_find_users(). */
bool holder_uses(int root_fd, pid_t pid, const HolderDevice *devices, size_t n_devices);
/* Describes one process; what cannot be read is empty. */
void holder_describe(int root_fd, pid_t pid, Holder *ret);
