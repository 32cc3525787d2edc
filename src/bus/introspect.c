/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * introspect.c: `mdevd --bus-introspect`. sd-bus has no call that prints a vtable, so the vtables
 * are exported over a pair of sockets and asked for from the other end, in this one process.
 */
#include <sys/socket.h>

#include "bus/bus-internal.h"
#include "names.h"
#include "util/log.h"

typedef struct Page Page;

struct Page {
        const char *path, *iface;
        const sd_bus_vtable *vtable;
};

static const Page pages[] = {
        { "/manager", MDEVD_IFACE_MANAGER, bus_manager_vtable },
        { "/parent", MDEVD_IFACE_PARENT, bus_parent_vtable },
        { "/device", MDEVD_IFACE_DEVICE, bus_device_vtable },
        { "/operation", MDEVD_IFACE_OPERATION, bus_operation_vtable },
};

static int open_end(sd_bus **ret, int fd, bool server) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        sd_id128_t id = SD_ID128_MAKE(5c, 6e, 19, 1b, e3, 0d, 4f, 62, 8b, 55, d1, 8c, 7a, 1f, 0e,
                                      90);
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0) {
                (void) safe_close(fd);
                return r;
        }
        if (server)
                r = sd_bus_set_server(bus, true, id);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

static int on_text(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        char **ret = userdata;
        const char *text;
        int r;

        r = sd_bus_message_get_errno(reply);
        if (r > 0)
                return -r;
        r = sd_bus_message_read_basic(reply, 's', &text);
        if (r < 0)
                return r;
        *ret = strdup(text);
        return *ret ? 1 : -ENOMEM;
}

/* Lets both ends work until there is an answer; both are here, so there is nothing to wait for. */
static int ask(sd_bus *server, sd_bus *client, const char *path, char **ret) {
        int r;

        r = sd_bus_call_method_async(client, NULL, NULL, path,
                                     "org.freedesktop.DBus.Introspectable", "Introspect", on_text,
                                     ret, NULL);
        while (r >= 0 && !*ret) {
                r = sd_bus_process(client, NULL);
                if (r >= 0)
                        r = sd_bus_process(server, NULL);
        }
        return r;
}

int bus_introspect(FILE *file) {
        _cleanup_(sd_bus_unrefp) sd_bus *server = NULL, *client = NULL;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        r = open_end(&server, fds[0], true);
        if (r < 0) {
                (void) safe_close(fds[1]);
                return r;
        }
        r = open_end(&client, fds[1], false);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
                _cleanup_(freep) char *text = NULL;

                r = sd_bus_add_object_vtable(server, NULL, pages[i].path, pages[i].iface,
                                             pages[i].vtable, NULL);
                if (r < 0)
                        return r;
                r = ask(server, client, pages[i].path, &text);
                if (r < 0)
                        return r;
                fputs(text, file);
        }
        return ferror(file) ? -EIO : 0;
}
