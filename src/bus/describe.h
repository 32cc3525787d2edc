/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* describe.h: the whole state as one JSON text, for people, scripts and bug reports. */
#pragma once

#include <stdbool.h>

#include "core/manager.h"

/* @secrets: with the attributes of definitions, which are not for everybody. */
int describe(Manager *m, bool secrets, char **ret);
