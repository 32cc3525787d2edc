/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * notify.h: what the service manager is told, by the protocol of sd_notify(3). That function waits
 * for as long as the manager does not read; here nobody waits for longer than NOTIFY_PATIENCE_USEC,
 * and who says the same again anyway does not wait at all.
 */
#pragma once

#include <stdbool.h>

#include "util/macro.h"

#define NOTIFY_PATIENCE_USEC 1000000

/*
 * @fd goes along; negative: none does. 0: said, or nobody wants to know. -EAGAIN: the manager does
 * not read; @patient: nor has it for NOTIFY_PATIENCE_USEC.
 */
int notify_send(bool patient, int fd, const char *format, ...) _printf_(3, 4);
