/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* refused.h: what mdevctl's users are told when a device cannot be started. */
#pragma once

#include "cli/daemon.h"
#include "model/definition.h"

/* Ends a start of @d that the daemon, or the way to it, refused. */
int refused_start(int root_fd, const Definition *d, const Refusal *refusal);
