/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the parts of the agent share: agent.c owns the channel and the loop, jobs.c what runs, ask.c
 * the questions to the host.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOBS_MAX 16
#define ASKS_MAX 16

enum frame_type {
        /* host to VM */
        FRAME_RUN = 1,   /* strings: tty, pipe or "", folder, number of env, env..., argv... */
        FRAME_INPUT = 2, /* bytes for a job's terminal or pipe; none: close the pipe */
        FRAME_SIZE = 3,  /* rows, columns as words */
        FRAME_KILL = 4,  /* end the job and all it started */
        FRAME_ANSWER = 5, /* status byte, text */
        /* VM to host */
        FRAME_HELLO = 16,
        FRAME_OUTPUT = 17,
        FRAME_EXIT = 18, /* wait status, number of processes left behind, as words */
        FRAME_ASK = 19,  /* strings: argv of host */
};

/* agent.c */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);
void send_frame(uint32_t id, uint32_t type, const void *data, size_t size);

/* jobs.c */
void jobs_init(void);
void jobs_poll_set(struct pollfd *p);  /* JOBS_MAX of them */
void jobs_poll_done(struct pollfd *p);
void jobs_reap(int sigfd);
void job_run(uint32_t id, char *data, size_t size);
void job_input(uint32_t id, const char *data, size_t size);
void job_size(uint32_t id, const char *data, size_t size);
void job_kill(uint32_t id);

/* ask.c */
void asks_init(void);
void asks_poll_set(struct pollfd *p); /* 1 + ASKS_MAX of them */
void asks_poll_done(struct pollfd *p);
void ask_answer(uint32_t id, const char *data, size_t size);
