/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* argument.h: what words of the command line and of the environment stand for. */
#pragma once

#include <stdbool.h>

#include "util/uuid.h"

/* As mdevctl takes them: with or without hyphens, in braces, as a URN; in either case. */
int argument_uuid(const char *s, Uuid *ret);
bool argument_is_uuid(const char *s);
/* 0 to UINT32_MAX in decimal digits, as clap reads a u32. */
int argument_index(const char *s, uint32_t *ret);
bool argument_is_index(const char *s);

/* For the grammar's sentence. */
#define EXPECT_UUID "a UUID, 8-4-4-4-12 hexadecimal digits"
#define EXPECT_INDEX "a number from 0, such as `mdevctl list -dv` shows them"

/* $MDEVCTL_ENV_ROOT, "/" if it is not set. */
const char *argument_root(void);
/* A descriptor of it (O_PATH), or negative errno. */
int argument_open_root(void);
