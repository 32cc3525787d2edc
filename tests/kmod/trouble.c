/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the test programs of errors and resets share; see trouble.h.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
#include "trouble.h"

#define TELL "/sys/module/merr/parameters/tell"

int trouble_tell(const char *parent, const char *word) {
        char line[128];

        if (access(TELL, F_OK) < 0 && system("modprobe merr") != 0)
                return -ENOENT;
        snprintf(line, sizeof(line), "%s %s", parent, word);
        return write_file(TELL, line);
}

int trouble_answer(void) {
        char text[32];

        MUST(read_file(TELL, text, sizeof(text)));
        return atoi(text);
}

int trouble_decode(const char *parent, bool on) {
        uint16_t command;
        char path[256];
        int fd, r = 0;

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", parent);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* PCI_COMMAND, PCI_COMMAND_MEMORY */
        if (pread(fd, &command, 2, 4) != 2)
                r = -EIO;
        command = on ? command | 2 : command & ~2;
        if (r == 0 && pwrite(fd, &command, 2, 4) != 2)
                r = -EIO;
        close(fd);
        return r;
}

int trouble_limit(const char *seconds) {
        return write_file("/sys/module/mdevd/parameters/recovery_seconds", seconds);
}

static void *run(void *arg) {
        struct waiter *w = arg;

        w->tid = gettid();
        w->result = w->fn(w->arg);
        w->ended = true;
        return NULL;
}

/* The kernel's waits are the only places where such a thread can sleep. */
bool waiter_blocked(struct waiter *w) {
        char path[64], text[512];

        while (w->tid == 0)
                sched_yield();
        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", w->tid);
        while (!w->ended && read_file(path, text, sizeof(text)) > 0) {
                char state = strrchr(text, ')')[2];

                if (state == 'S' || state == 'D')
                        return !w->ended;
                sched_yield();
        }
        return false;
}

void waiter_start(struct waiter *w, int (*fn)(void *arg), void *arg) {
        *w = (struct waiter){ .fn = fn, .arg = arg };
        pthread_create(&w->thread, NULL, run, w);
}

int waiter_end(struct waiter *w) {
        pthread_join(w->thread, NULL);
        return w->result;
}
