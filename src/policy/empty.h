/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* empty.h: the same parents with nothing on them, for questions of what could ever be. */
#pragma once

#include "model/model.h"

/*
 * A model of copies of @parents, all ready, without devices, definitions and rules. A vendor's
 * type has as many instances as are available and live now.
 */
int empty_model_new(Model **ret, const List *parents);
