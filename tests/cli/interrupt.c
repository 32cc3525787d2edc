/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interrupt.c: loaded before mdevdctl, it plays a Ctrl-C at the worst moment: the first call of the
 * method $INTERRUPT_AT, or that asks for the property of that name, is sent to a daemon,
 * $INTERRUPT_DAEMON, that was stopped just before, and SIGINT follows.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define EXPORT __attribute__((visibility("default")))

typedef int (*CallAsync)(sd_bus *bus, sd_bus_slot **slot, sd_bus_message *m,
                         sd_bus_message_handler_t callback, void *userdata, uint64_t usec);

static char property[64]; /* that the last message asks for */

EXPORT int sd_bus_message_append(sd_bus_message *m, const char *types, ...) {
        va_list ap, copy;
        int r;

        va_start(ap, types);
        va_copy(copy, ap);
        if (strcmp(types, "ss") == 0) {
                (void) va_arg(copy, const char *);
                strncpy(property, va_arg(copy, const char *), sizeof(property) - 1);
        }
        va_end(copy);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        return r;
}

static bool is_wanted(sd_bus_message *m) {
        const char *wanted = getenv("INTERRUPT_AT"), *member = sd_bus_message_get_member(m);
        static bool done;

        if (done || !wanted || !member)
                return false;
        done = strcmp(wanted, strcmp(member, "Get") == 0 ? property : member) == 0;
        return done;
}

EXPORT int sd_bus_call_async(sd_bus *bus, sd_bus_slot **slot, sd_bus_message *m,
                             sd_bus_message_handler_t callback, void *userdata, uint64_t usec) {
        CallAsync real = (CallAsync) dlsym(RTLD_NEXT, "sd_bus_call_async");
        const char *daemon = getenv("INTERRUPT_DAEMON");
        int r;

        if (!is_wanted(m) || !daemon)
                return real(bus, slot, m, callback, userdata, usec);
        (void) kill((pid_t) strtol(daemon, NULL, 10), SIGSTOP);
        r = real(bus, slot, m, callback, userdata, usec);
        (void) raise(SIGINT);
        return r;
}
