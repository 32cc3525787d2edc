/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pass.h: an open file handed from one process to another over a socket, with a number. */
#pragma once

#include <stdint.h>

/* Never waits; the caller's descriptor stays its own. */
int pass_send(int socket_fd, int fd, uint64_t number);
/*
 * A descriptor; -ENODATA: the other side is gone, or sends something else. @flags: 0: waits;
 * MSG_DONTWAIT: -EAGAIN. @ret_number may be NULL.
 */
int pass_receive(int socket_fd, int flags, uint64_t *ret_number);
