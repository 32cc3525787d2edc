/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz.h: a fuzz target is one function, called by libFuzzer or by replay.c with a corpus. */
#pragma once

#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
