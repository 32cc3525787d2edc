/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-tree.h: a root folder with as much of /sys, /dev and /etc as the daemon looks at. Tests
 * build one with this; fake-kernel.c makes its files behave. All functions end the test when they
 * fail.
 *
 * What a test may put into the tree to change how the kernel behaves, all below <parent>/fake/:
 *   create-errno, remove-errno    a positive errno: the write fails with it
 *   create-block, remove-block    a FIFO: the write waits until somebody opens it for writing
 *   attributes                    names of the attributes that a new mdev has, blanks between
 *   attribute-<name>-errno        a write to that attribute fails with it
 *   home-driver                   the driver that a probe binds when nothing is overridden
 *   probe-errno                   the overriding driver does not take it
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"
#include "util/uuid.h"

typedef struct FakeTree FakeTree;

struct FakeTree {
        char *root;
        int root_fd;
};

FakeTree *fake_tree_new(void);
FakeTree *fake_tree_free(FakeTree *t); /* removes it */
DEFINE_CLEANUP(FakeTree *, fake_tree_free)

/* Paths are below the root; missing folders are made. */
void fake_write(FakeTree *t, const char *text, const char *path, ...) _printf_(3, 4);
void fake_link(FakeTree *t, const char *target, const char *path, ...) _printf_(3, 4);
void fake_fifo(FakeTree *t, const char *path, ...) _printf_(2, 3);
void fake_mkdir(FakeTree *t, const char *path, ...) _printf_(2, 3);
void fake_remove(FakeTree *t, const char *path, ...) _printf_(2, 3);
bool fake_exists(FakeTree *t, const char *path, ...) _printf_(2, 3);
/* To be freed; NULL: no such file. */
char *fake_read(FakeTree *t, const char *path, ...) _printf_(2, 3);

#define FAKE_DEVPATH "devices/pci0000:00" /* of all parents */

/* A PCI device with BARs 0 and 2 of that many bytes (0: absent). @driver may be NULL. */
void fake_pci(FakeTree *t, const char *name, const char *driver, uint64_t bar0, uint64_t bar2);
void fake_pci_remove(FakeTree *t, const char *name);
/* Makes it a registered mdev parent; sends the uevent. */
void fake_register(FakeTree *t, const char *name);
void fake_unregister(FakeTree *t, const char *name);
void fake_type(FakeTree *t, const char *name, const char *id, unsigned available);
/* An mdev that somebody else makes or removes, with uevents. */
int fake_create(FakeTree *t, const char *parent, const char *type, const char *uuid);
int fake_destroy(FakeTree *t, const char *parent, const char *uuid);
/* /dev/mdevd and the driver's folder: the module is loaded. */
void fake_load_module(FakeTree *t);

void fake_uevent(FakeTree *t, const char *action, const char *devpath, const char *subsystem,
                 const char *extra);
