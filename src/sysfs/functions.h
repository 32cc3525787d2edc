/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * functions.h: reading what NVIDIA's driver shows of vGPUs where it has no mdev part: in the
 * folder "nvidia" of each virtual function, current_vgpu_type (a number; 0: none) and
 * creatable_vgpu_types (a line "number : name" each, which are fewer the more the siblings bear).
 * NVIDIA's Virtual GPU Software User Guide, "Linux with KVM Hypervisor that Uses a
 * Vendor-Specific VFIO Framework". As sysfs.h.
 */
#pragma once

#include "model/function.h"
#include "sysfs/sysfs.h"

#define SYSFS_FUNCTIONS_MAX 1024 /* of one parent; the PCI core has no more than 64 KiB */

/* One of the physical function's virtual functions shows the files. */
bool sysfs_has_functions(int root_fd, const char *path);
/*
 * Brings p->functions and p->types in line: of a type is available what stands on functions that
 * bear nothing, which is an upper bound. A type that was seen once stays: it is not told of any
 * more while there is no room for it. UUIDs are left null. -ENOENT: it has no such function (any
 * more).
 */
int sysfs_read_functions(int root_fd, Parent *p);
/* The name of the physical function that the device at @path is one of. -ENOENT: it is none. */
int sysfs_find_physical(int root_fd, const char *path, char **ret);
/* Calls @fn for each PCI device that has such functions; a non-zero answer ends it. */
int sysfs_foreach_physical(int root_fd, SysfsParentFn fn, void *userdata);

/* What the function at @path bears; 0: nothing. -ENOENT: it is gone, or not one of these. */
int sysfs_read_function_type(int root_fd, const char *path, unsigned *ret);
/* Its creatable_vgpu_types, into an empty @f. */
int sysfs_read_creatable(int root_fd, Function *f);
/* Where in the card's memory it is; -ENODATA: the driver has not said. */
int sysfs_read_placement(int root_fd, const char *path, unsigned *ret);
