/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pass.h: an open file handed from one process to another over a socket, with one byte. */
#pragma once

/* Never waits; the caller's descriptor stays its own. */
int pass_send(int socket_fd, int fd);
/*
 * A descriptor; -ENODATA: the other side is gone, or sends something else. @flags: 0: waits;
 * MSG_DONTWAIT: -EAGAIN.
 */
int pass_receive(int socket_fd, int flags);
