/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fixture.h: the real daemon on a bus of its own, over a fake kernel's tree, and clients for it.
 * All connections of a test share one loop; a test waits for what it names (a reply, a signal, a
 * notification) and never for time. The limit is there to end a hang, and says what was awaited.
 */
#pragma once

#include <signal.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "fake-kernel.h"
#include "names.h"
#include "tree.h"

#define PARENT "0000:00:05.0"
#define OTHER "0000:00:06.0"
#define TYPE "faker-1"
#define UUID1 "11111111-2222-3333-4444-555555555501"
#define UUID2 "11111111-2222-3333-4444-555555555502"
#define UUID3 "11111111-2222-3333-4444-555555555503"
#define NOBODY 65534
#define MANAGER MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER

typedef struct Fixture Fixture;
typedef struct Reply Reply;

struct Fixture {
        Tree tree;
        sd_event *event;
        pid_t bus_pid, daemon_pid;
        char address[128];
        int notify_fd;
        char *notified; /* all notifications so far, a line each */
        char *signals;  /* all signals of the daemon so far: "member path [interface]",
        a line each */
        sd_bus *client; /* root's */
        sd_bus *watcher; /* hears the signals */
        const char *awaited;
        const char *wrapper; /* a program, and options, that runs the daemon; NULL: none */
};

struct Reply {
        sd_bus_message *m;
        sd_bus_slot *slot;
        char iface[64], what[64]; /* what was called: for who waits in vain, and coverage.py */
};

/* A bus and a tree with two parents (PARENT, OTHER) of TYPE, 4 instances each. No daemon yet. */
#define fixture_init(f) fixture_init_for((f), test_running)
void fixture_init_for(Fixture *f, const char *test);
/* Ends everything; the daemon must end well. */
void fixture_done(Fixture *f);

/* Starts the daemon and waits until it is ready. */
void fixture_start(Fixture *f);
/* Starts it with more arguments, and does not wait. */
void fixture_spawn(Fixture *f, char *const extra[]);
/* Sends a signal, waits for its end, returns what waitpid() says. */
int fixture_end(Fixture *f, int signal);
/* Without a signal. */
int fixture_wait_end(Fixture *f);

sd_bus *fixture_connect(Fixture *f, uid_t uid);
/* A process of @uid that has @device open, from now on and until it is killed, or we end. */
pid_t fixture_hold(const char *device, uid_t uid);
/* Turns the loop until @done says so. */
void fixture_wait(Fixture *f, bool (*done)(void *userdata), void *userdata, const char *what);
/* Until a line of notifications, or signals, has @text. */
void wait_notified(Fixture *f, const char *text);
void wait_signal(Fixture *f, const char *text);
size_t count_lines(const char *text, const char *part);
void forget_signals(Fixture *f);

/* Begins a call; @types as of sd_bus_message_append(). */
void call_begin(sd_bus *bus, Reply *r, const char *path, const char *iface, const char *member,
                const char *types, ...);
void call_begin_message(sd_bus *bus, Reply *r, sd_bus_message *m);
void call_wait(Fixture *f, Reply *r);
void reply_done(Reply *r);
bool reply_is_there(void *reply);

/* Begins, waits, and wants success; the caller ends with reply_done(). */
#define CALL(f, bus, r, ...)                                                                       \
        do {                                                                                       \
                call_begin((bus), (r), __VA_ARGS__);                                               \
                call_wait((f), (r));                                                               \
                ASSERT_REPLY(r);                                                                   \
        } while (0)

#define ASSERT_REPLY(r)                                                                            \
        do {                                                                                       \
                const sd_bus_error *_e = sd_bus_message_get_error((r)->m);                         \
                if (_e)                                                                            \
                        test_fail(__FILE__, __LINE__, "%s: %s", _e->name, _e->message);            \
        } while (0)

/* @error_name: without "org.mdevd1.Error.", or whole. */
#define ASSERT_ERROR(r, error_name, part)                                                          \
        do {                                                                                       \
                const sd_bus_error *_e = sd_bus_message_get_error((r)->m);                         \
                if (!_e)                                                                           \
                        test_fail(__FILE__, __LINE__, "no error, %s expected", error_name);        \
                ASSERT_STREQ(strncmp(_e->name, MDEVD_ERROR_PREFIX,                                 \
                                     strlen(MDEVD_ERROR_PREFIX)) == 0 ?                            \
                                     _e->name + strlen(MDEVD_ERROR_PREFIX) : _e->name,             \
                             error_name);                                                          \
                ASSERT_CONTAINS(_e->message, part);                                                \
        } while (0)

/* Begins, waits, and wants that error. */
#define CALL_ERROR(f, bus, error_name, part, ...)                                                  \
        do {                                                                                       \
                Reply _r = {};                                                                     \
                call_begin((bus), &_r, __VA_ARGS__);                                               \
                call_wait((f), &_r);                                                               \
                ASSERT_ERROR(&_r, error_name, part);                                               \
                reply_done(&_r);                                                                   \
        } while (0)

#define GET "org.freedesktop.DBus.Properties", "Get", "ss"

/* A property as text (numbers in decimal); to be freed. */
char *get_property(Fixture *f, const char *path, const char *iface, const char *name);
/* Until it runs no more; its state then, to be freed. */
char *wait_operation(Fixture *f, const char *path);
/* Makes a device, returns its path; to be freed. */
char *create_device(Fixture *f, const char *parent, const char *uuid, const char *owner);
void write_fake(Fixture *f, const char *name, const char *text);
void remove_fake(Fixture *f, const char *name);
/* A gate: who writes is stopped there. hold: waits until somebody is at it. release: lets it go. */
void gate_make(Fixture *f, const char *name);
int gate_hold(Fixture *f, const char *name);
void gate_release(Fixture *f, const char *name, int fd);
void write_definition(Fixture *f, const char *parent, const char *uuid, const char *type);
bool file_exists(const Fixture *f, const char *path);
