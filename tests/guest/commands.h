/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the commands share: the device and the window of bytes that they act on.
 */
#pragma once

#include "guest.h"

struct range {
        uint32_t offset;
        uint32_t size;
};

/* -- window.c ---------------------------------------------------------------------------------- */

extern struct device device;
extern volatile uint8_t *window; /* what the commands act on: a BAR of it, or RAM */
extern uint64_t window_size;

/* Reads the BARs, switches them on, and takes the biggest for the commands that follow. */
bool use_device(void);
void put_device(const struct device *d);
void put_bars(const struct device *d);
/* Words [at] and [at + 1] as offset and length in the window; all of it where they are missing. */
bool parse_range(char **words, unsigned n, unsigned at, unsigned align, struct range *ret);
/* NULL: 4. */
bool parse_width(const char *text, unsigned *ret);
void err(const char *text);

void do_info(char **words, unsigned n);
void do_list(char **words, unsigned n);
void do_device(char **words, unsigned n);
void do_bar(char **words, unsigned n);
void do_map(char **words, unsigned n);

/* -- bytes.c ----------------------------------------------------------------------------------- */

void do_fill(char **words, unsigned n);
void do_check(char **words, unsigned n);
void do_touch(char **words, unsigned n);
void do_peek(char **words, unsigned n);
void do_poke(char **words, unsigned n);

/* -- ports.c ----------------------------------------------------------------------------------- */

void do_config_read(char **words, unsigned n);
void do_config_write(char **words, unsigned n);
void do_port_read(char **words, unsigned n);
void do_port_write(char **words, unsigned n);
