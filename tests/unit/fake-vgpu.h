/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-vgpu.h: a card whose driver makes no mdevs but lends each virtual function one type, as
 * NVIDIA's does on newer kernels: what files there are, and what a write to current_vgpu_type
 * does to those of the siblings. Written after NVIDIA's user guide and what other programs meet
 * there; no such card was at hand.
 *
 * The card has 48 GiB and types nvidia-48, -16, -8 and -4 of as many GiB each. Once it bears one
 * it bears only those of the same size, unless it has a file fake/mixed. Of a function a test may
 * say: fake/in-use       it cannot be emptied: EPERM fake/vgpu-errno   a positive errno: the
 * write fails with it fake/vgpu-block   a FIFO: the write waits until somebody opens it for
 * writing fake/vgpu-mute    the write is taken, and nothing happens
 */
#pragma once

#define FAKE_VGPU_FUNCTIONS 4

/* The card at @name, "0000:41:00.0", with functions 0000:41:00.4 to .7; no uevents. */
void fake_vgpu_add(const char *root, const char *name);
/* Its functions go, as when SR-IOV is switched off, or come again. */
void fake_vgpu_remove_functions(const char *root, const char *name);
void fake_vgpu_add_functions(const char *root, const char *name);
/* What each could bear beside what there is, anew: after a change of "mixed". */
void fake_vgpu_tell(const char *root, const char *name);
/* @rel: "sys/…/nvidia/current_vgpu_type"; who calls has the tree's lock. 0 or a negative errno. */
int fake_vgpu_write(const char *root, const char *rel, const char *text);
