/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * escort-internal.h: what daemon and escort say to each other; each message begins with one of
 * these.
 */
#pragma once

#define ESCORT_MESSAGE_MAX 8192 /* bytes */

#define ESCORT_SAYS_HERE '!' /* it runs, and will ask the scripts */
#define ESCORT_SAYS_YES '1'
#define ESCORT_SAYS_DONE '2'
#define ESCORT_SAYS_NO '0' /* and why */
#define ESCORT_SAYS_OVER '.'

#define ESCORT_SUCCESS 'S'
#define ESCORT_FAILURE 'F'
