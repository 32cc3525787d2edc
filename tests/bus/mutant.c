/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mutant.c: one rule of the policy changed, for a test that sees who asks it. Linked in front of
 * match_placement(), it makes pack of spread and spread of pack, in a daemon and a simulator that
 * are else built of the same objects as the real ones.
 */
#include "policy/match.h"

const PlacementRule *__real_match_placement(const Rules *rules, const char *owner,
                                            const Type *type);
const PlacementRule *__wrap_match_placement(const Rules *rules, const char *owner,
                                            const Type *type);

const PlacementRule *__wrap_match_placement(const Rules *rules, const char *owner,
                                            const Type *type) {
        static PlacementRule mutated;

        mutated = *__real_match_placement(rules, owner, type);
        mutated.order = mutated.order == ORDER_PACK ? ORDER_SPREAD : ORDER_PACK;
        return &mutated;
}
