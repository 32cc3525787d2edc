/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* empty.h: the same parents with nothing on them, for questions of what could ever be. */
#pragma once

#include "model/model.h"

#define EMPTY_UNKNOWN 0x100000u /* more than anybody may ask for */

/*
 * A model of copies of @parents, all ready, without devices, definitions and rules. A vendor's type
 * has as many instances as are available and live now; EMPTY_UNKNOWN while devices of others of the
 * driver's types are there, which may be what has taken its room.
 */
int empty_model_new(Model **ret, const List *parents);
