/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * offline.h: what mdevd says about its configuration without running. All return an exit status.
 * @prefix: what an error of the program's begins with, such as "mdevd: ".
 */
#pragma once

#include <stdbool.h>

/*
 * Prints what is wrong with @file, or (NULL) with all that the daemon would read below @root, as
 * "file:line:column: sentence"; fails if anything is. Rules that contradict each other are. As
 * JSON: {"good", "parents": how many, "problems": [{"file", "line", "column", "warning", "text"}]},
 * where line and column are 0 if it is about the file.
 */
int offline_check_config(const char *prefix, const char *root, const char *file, bool json);
/*
 * Prints the rules in the order in which they count, for people or as JSON. What is wrong goes to
 * stderr, and if it is more than a warning nothing is printed but that: such rules are not put in
 * force.
 */
int offline_explain_policy(const char *prefix, const char *root, const char *file, bool json);
/*
 * Prints a configuration file of NVIDIA's vgpu-device-manager as profiles of ours, for the GPUs
 * that are found below @root; or says on stderr, with file and line, why it cannot be.
 */
int offline_convert_vgpu(const char *root, const char *file);
