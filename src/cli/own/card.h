/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card.h: all that is known of one device. */
#pragma once

#include "cli/own/state.h"

int card_print(const Screen *s, const State *state, const Found *f);
void card_print_json(const Screen *s, const State *state, const Found *f);
