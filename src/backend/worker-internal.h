/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-internal.h: what the files of a worker process share; a file a kind of step. */
#pragma once

#include "backend/holders.h"
#include "backend/kmod.h"
#include "backend/refusal.h"
#include "backend/worker.h"

typedef struct Job Job;

struct Job {
        Record *record;
        int record_fd;
        off_t record_size; /* bytes of it that are whole */
        char *last;        /* line in it, if the last that was to be is there */
        uint64_t begun_usec; /* CLOCK_MONOTONIC */
        int root_fd;
        const WorkerAbove *above;
        Kmod *kmod; /* holds the reservation until the device has it */
};

/* ---- worker-steps.c ---- */

/* Notes the step in the record. */
void job_reach(Job *j, RecordStep step);
/* Ends the job: @error is the errno of @step, and the answer. */
int job_refuse(Job *j, RefusalStep step, int error, const char *detail);
/* A path below the parent's folder in sysfs. */
int job_path(const Job *j, char **ret, const char *format, ...) _printf_(3, 4);

/* Of the device's own folder, below the root: the mdev's, or its function's. */
int job_folder(const Job *j, char **ret);

/* ---- worker-function.c ---- */

/* Makes the function bear the type, when it still can, or empties it: -ENOENT: it has been. */
int job_fill_function(Job *j);
int job_empty_function(Job *j);
/* It bears what the record is about. 0 too where no function does. */
int job_check_function(Job *j);
/* No path but of what the driver has in the function's folder: not what the PCI core has there. */
bool job_function_has(const char *attribute);

/* ---- worker-attributes.c ---- */

/* Refuses names that lead out of the device's folder, before anything is done. */
int job_check_attributes(Job *j);
/* In order; *@ret_n (may be NULL) is how many were written when one is refused. */
int job_write_attributes(Job *j, size_t *ret_n, char **ret_name);

/* ---- worker-evict.c ---- */

/* Kills who has the device open, and waits until they have ended. */
int job_evict(Job *j);

/* ---- worker-hold.c ---- */

/* Holds the device until the record is poked or its time is over. */
int job_suspend(Job *j);

/* ---- worker-move.c ---- */

/* Those moves of the record that are not done yet. */
int job_move(Job *j);

/* ---- worker-holders.c ---- */

/* Refuses a device that somebody has open: whoever is no ancestor of the caller. */
int job_check_holders(Job *j);
/* Who that is becomes the record's text; NULL: nobody was found. */
/* What the record says of who has the device open: @holders, which are @n of @total. */
int job_set_who(Job *j, const Holder *holders, size_t n, size_t total);
int job_look(Job *j);
