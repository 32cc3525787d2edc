/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kills.h: what test-kills.c lets the daemon do, and where it takes something out. */
#pragma once

#include "trial.h"

typedef struct Sabotage Sabotage;

struct Sabotage {
        const Scenario *scenario;
        const char *point; /* without "#N": all such calls are taken out */
};

extern const Scenario *const kills_scenarios[]; /* ends with NULL */
extern const Sabotage kills_sabotages[];        /* ends with a NULL scenario */
