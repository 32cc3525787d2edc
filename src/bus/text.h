/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * text.h: strings that a driver, a file or a cut sentence has given. sd-bus sends UTF-8 only, and
 * not all of that (util/utf8.h); an answer that it refuses to send costs more than the answer: it
 * closes the connection.
 */
#pragma once

#include <systemd/sd-bus.h>

/*
 * @s itself, or, if sd-bus would not send it, an escaped copy that *@ret_own owns; NULL: no memory.
 */
const char *text_printable(const char *s, char **ret_own);
/* Appends it to a message, escaped if need be. NULL is "". */
int text_append(sd_bus_message *m, const char *s);
