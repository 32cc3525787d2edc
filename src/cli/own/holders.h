/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* holders.h: who has a device open, for another verb whose change they are in the way of. */
#pragma once

#include "cli/own/find.h"

/* On stderr, a line for each of the first few, or how to find out. */
void holders_tell(Target *t);
