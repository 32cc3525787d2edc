/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit.h: a polkit authority for tests: says what it is told, remembers what it was asked. */
#pragma once

#include "fixture.h"

typedef enum PolkitMode {
        POLKIT_NO,
        POLKIT_YES,
        POLKIT_CHALLENGE, /* only interactively, and then yes */
        POLKIT_DISMISSED, /* interactively, and the person says no */
        POLKIT_HOLD,      /* no answer until polkit_release() */
        POLKIT_ERROR,
} PolkitMode;

typedef struct Polkit Polkit;

struct Polkit {
        sd_bus *bus;
        PolkitMode mode;
        unsigned n_asked, n_cancelled;
        char *asked; /* a line a question: "action subject flags name=value …" */
        sd_bus_message *held[64];
        size_t n_held;
};

void polkit_init(Polkit *p, Fixture *f);
void polkit_done(Polkit *p);
/* Answers all that is held, by the mode that is set now. */
void polkit_release(Polkit *p);
/* Until so many questions came, or were called off. */
void polkit_wait_asked(Polkit *p, Fixture *f, unsigned n);
void polkit_wait_cancelled(Polkit *p, Fixture *f, unsigned n);
