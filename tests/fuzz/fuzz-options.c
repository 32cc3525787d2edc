/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-options.c: the arguments of methods with options as anybody may send them: a request that is
 * right in form, or an error with a name of ours and a sentence. The input is read as a byte for
 * the method, parent, type and options, strings ended by NUL, a byte before each option for the
 * type of its value.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "bus/options.h"
#include "fuzz.h"
#include "names.h"
#include "util/macro.h"
#include "util/parse.h"
#include "util/utf8.h"

typedef struct Input Input;

struct Input {
        const char *at;
        size_t size;
};

static sd_bus *bus;

static void make_bus(void) {
        int fds[2];

        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        assert(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
        assert(sd_bus_start(bus) >= 0);
}

static char *string(Input *in) {
        const char *end = in->size ? memchr(in->at, '\0', in->size) : NULL;
        size_t n = end ? (size_t) (end - in->at) : in->size;
        char *s = malloc(n + 1);

        assert(s);
        if (n > 0)
                memcpy(s, in->at, n);
        s[n] = '\0';
        in->at += n + (end != NULL);
        in->size -= n + (end != NULL);
        return s;
}

static uint8_t byte(Input *in) {
        if (in->size == 0)
                return 0;
        in->size--;
        return (uint8_t) *in->at++;
}

static int append_attributes(sd_bus_message *m, Input *in) {
        unsigned n = byte(in) % 70;
        int r;

        r = sd_bus_message_open_container(m, 'v', "a(ss)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (unsigned i = 0; r >= 0 && i < n; i++) {
                _cleanup_(freep) char *name = string(in), *value = string(in);

                r = sd_bus_message_append(m, "(ss)", name, value);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_option(sd_bus_message *m, Input *in) {
        static const char *const names[] = { "uuid", "owner", "numa", "attributes", "autostart",
                                             "reserve", "live", "config", "insist", "type", "plan",
                                             NULL };
        uint8_t kind = byte(in), which = byte(in) % ARRAY_SIZE(names);
        _cleanup_(freep) char *name = names[which] ? strdup(names[which]) : string(in);
        _cleanup_(freep) char *value = NULL;
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r < 0)
                return r;
        switch (kind % 7) {
        case 0:
        case 1:
                value = string(in);
                r = sd_bus_message_append(m, "v", "s", value);
                break;
        case 2:
                r = sd_bus_message_append(m, "v", "i", (int32_t) byte(in) - 2);
                break;
        case 3:
                r = append_attributes(m, in);
                break;
        case 4:
                r = sd_bus_message_append(m, "v", "(sv)", "x", "ai", 1, 5);
                break;
        case 5:
                r = sd_bus_message_append(m, "v", "u", byte(in));
                break;
        case 6:
                r = sd_bus_message_append(m, "v", "b", byte(in) & 1);
                break;
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int make_message(Input *in, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(freep) char *parent = string(in), *type = string(in);
        int r;

        r = sd_bus_message_new_method_call(bus, &m, "a.b", "/", "a.b", "C");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", parent, type);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        while (r >= 0 && in->size > 0)
                r = append_option(m, in);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_seal(m, 1, 0);
        if (r >= 0)
                r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

static void check(const Request *q, unsigned methods) {
        assert(methods == OPTIONS_DEFINE || q->type[0]);
        assert(!strchr(q->type, '/'));
        assert(!q->parent || name_is_valid_parent(q->parent));
        assert(name_is_valid_owner(q->owner ?: "") && q->numa_node >= -1);
        assert(q->n_attributes <= OPTION_ATTRIBUTES_MAX);
        for (size_t i = 0; i < q->n_attributes; i++) {
                const char *name = q->attributes[i].name;

                assert(name[0] && name[0] != '/' && !streq(name, "..") && !strstr(name, "/../") &&
                       strncmp(name, "../", 3) != 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(request_freep) Request *q = NULL;
        Input in = { (const char *) data, size };
        unsigned methods;
        int r;

        if (!bus)
                make_bus();
        methods = byte(&in) & 1 ? OPTIONS_DEFINE : OPTIONS_CREATE;
        if (make_message(&in, &m) < 0)
                return 0; /* not even sd-bus would send it */
        r = options_read_request(m, methods, &q, &e);
        if (r >= 0) {
                assert(!sd_bus_error_is_set(&e));
                check(q, methods);
                return 0;
        }
        assert(!q);
        if (!sd_bus_error_is_set(&e))
                return 0; /* a message that is torn: sd-bus has a word for that */
        assert(strncmp(e.name, MDEVD_ERROR_PREFIX, strlen(MDEVD_ERROR_PREFIX)) == 0);
        assert(strlen(e.message) > 10);
        for (const char *s = e.message; *s; s++)
                assert((unsigned char) *s >= 0x20 && *s != 0x7f);
        return 0;
}
