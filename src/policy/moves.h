/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * moves.h: which extents to move so that something has room. A plan is data: the moves are to be
 * made one after the other, each goes to a place that is free before the first one starts, and none
 * is moved twice. Moving is the manager's affair.
 *
 * Room for a size is made in one window, an aligned range of that size: what is in it goes elsewhere
 * in the same region, largest first, best fit. Of all windows the one with the fewest bytes to move
 * is taken. What is not movable, or as large as the window, stays.
 */
#pragma once

#include "policy/policy.h"
#include "policy/view.h"

/* The regions of one parent as they would be, and what lies in them. */
typedef struct Layout Layout;

int layout_new(Layout **ret, View *view, const List *planned);
Layout *layout_free(Layout *l);
DEFINE_CLEANUP(Layout *, layout_free)

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

/* Puts the layout's free space into the view, and again: takes it back. */
void layout_exchange(Layout *l);
/* Forgets the new device's own place, so that layout_exchange() shows the moves alone. */
int layout_drop_placed(Layout *l);
