/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * moves.h: which extents to move so that something has room. A plan is data: the moves are to be
 * made one after the other, each to bytes that are free when its turn comes. Moving is the
 * manager's affair.
 *
 * Room for a size is made in one window, an aligned range of that size: what is in it goes
 * elsewhere in the same region, largest first, best fit. Of all windows that can be emptied so the
 * one with the fewest bytes is taken, and then nothing moves twice and all goes to what is free
 * before the first move. Where none can, for what is in it finds no room in one piece, room for
 * that is made first in the same way: so there is a plan whenever all is movable and enough bytes
 * are free. What is not movable, or as large as the window, stays.
 */
#pragma once

#include "policy/layout.h"
#include "policy/policy.h"

/*
 * Makes room for a device of @type, adding to @moves. 0; OUTCOME_NO_ROOM: no moves would do it;
 * -ENOMEM. With @remove, what is in the way is not moved but removed, whoever's it is, plans apart.
 */
int layout_make_room(Layout *l, const Group *group, const Type *type, bool remove, Moves *moves);

/*
 * Makes the largest free block of @pool that at most @max_bytes of moves can make. OUTCOME_NO_ROOM:
 * it cannot become larger.
 */
int layout_restore_block(Layout *l, const Pool *pool, uint64_t max_bytes, Moves *moves);
