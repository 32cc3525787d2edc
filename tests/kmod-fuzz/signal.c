/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod-signal: a read() or write() of a whole BAR can be interrupted, wherever it begins. A device
 * that is dead or slow answers each access late, and whoever waits for it must be able to go.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "../kmod/lib.h"

#define DEVICE UUID(55)
#define LENGTH (16 * MIB)

static struct device dev;
static char *buffer;
static uint64_t begin;
static bool writing;
static volatile bool started, done;
static ssize_t result;

static void on_signal(int sig) {
        (void)sig;
}

static void *transfer(void *arg) {
        off_t at = (off_t)(REGION(0) + begin);

        (void)arg;
        started = true;
        result = writing ? pwrite(dev.fd, buffer, LENGTH - begin, at) :
                           pread(dev.fd, buffer, LENGTH - begin, at);
        done = true;
        return NULL;
}

/* Signals come until it ends; it must end by one of them and not by having all of it. */
static void interrupted(uint64_t offset, bool write) {
        pthread_t thread;

        begin = offset;
        writing = write;
        started = done = false;
        MUST(-pthread_create(&thread, NULL, transfer, NULL));
        while (!started)
                sched_yield();
        while (!done) {
                pthread_kill(thread, SIGUSR1);
                sched_yield();
        }
        pthread_join(thread, NULL);
        CHECK(result > 0 && (uint64_t)result < LENGTH - offset,
              "%s of the BAR from byte %lu on: %zd bytes, then a signal",
              write ? "write" : "read", offset, result);
}

int main(void) {
        const char *parent = parent_name(1);
        struct sigaction action = { .sa_handler = on_signal };
        int ctl;

        sigaction(SIGUSR1, &action, NULL);
        buffer = calloc(1, LENGTH);
        MUST(buffer ? 0 : -ENOMEM);
        MUST(bind_parent(parent));
        ctl = (int)MUST(ctl_open(O_WRONLY));
        MUST(standard_parent(ctl, parent));
        MUST(mdev_make(ctl, parent, "16M", DEVICE, 0, LENGTH));
        MUST(device_open(&dev, DEVICE));
        for (uint64_t offset = 0; offset < 9; offset++) {
                interrupted(offset, false);
                interrupted(offset, true);
        }
        device_close(&dev);
        MUST(mdev_remove(DEVICE));
        MUST(unbind_parent(parent));
        close(ctl);
        return check_done();
}
