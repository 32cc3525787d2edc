/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * authz.h: polkit, asked without blocking. A handler calls authz_check() after it has validated its
 * arguments and before it changes anything; when the answer is pending it returns 1, and the whole
 * handler is run again when polkit has spoken. So all before the check must be free of side
 * effects, and what was looked up before it must be looked up again. No polkit, or one that fails,
 * means no.
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "util/macro.h"

#define AUTHZ_QUERIES_PER_UID_MAX 16 /* under way at polkit */

typedef struct Authz Authz;

int authz_new(Authz **ret, sd_bus *bus);
Authz *authz_free(Authz *a);
DEFINE_CLEANUP(Authz *, authz_free)

/*
 * @details: names and values in turn, ends with NULL. Positive: allowed. 0: @m will be dispatched
 * again. Negative: refused, @e says why. A verdict holds for this message, action and details.
 */
int authz_check(Authz *a, sd_bus_message *m, uid_t uid, const char *action,
                const char *const *details, sd_bus_error *e);
