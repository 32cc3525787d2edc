/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ask.c owns the connection of a command to the bus. Who we are, our name on the bus and the call
 * are sent at once, so that a command waits for the bus no more often than for its answer.
 */
#include "cli/ask.h"

#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/answer.h"
#include "cli/argument.h"
#include "cli/wire.h"
#include "names.h"
#include "util/utf8.h"

#define BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"
#define BUS_NAME "org.freedesktop.DBus"
#define BUS_OBJECT "/org/freedesktop/DBus"
#define HELLO_SERIAL 1
#define GREETING_MAX 512 /* of the bus's answer to who we are */

void ask_done(Ask *a) {
        a->fd = safe_close(a->fd);
        free(a->bytes);
        free(a->name);
        free(a->text);
        *a = (Ask) ASK_NULL;
}

static int refuse(Ask *a, const char *name, const char *format, ...) _printf_(3, 4);

static int refuse(Ask *a, const char *name, const char *format, ...) {
        char *text;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return -ENOMEM;
        free(a->text);
        free(a->name);
        a->text = text;
        a->name = strdup(name);
        if (!a->name)
                return -ENOMEM;
        a->refusal = (Refusal) { a->name, a->text };
        return ASK_REFUSED;
}

static int no_bus(Ask *a, int error) {
        return error == -ENOMEM ? error : refuse(a, DBUS_ERROR_PREFIX "NoServer", DAEMON_NO_BUS,
                                                 strerror(-error));
}

/* ---- the connection ---- */

static int unhex(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                return (c | 0x20) - 'a' + 10;
        return -EINVAL;
}

/* Up to a comma, with %2c and the like. Bytes, or -EINVAL. */
static int unescape(const char *s, char *ret, size_t room) {
        size_t n = 0;

        for (; *s && *s != ',' && *s != ';'; s++) {
                char c = *s;

                if (c == '%') {
                        int high = unhex(s[1]), low = high < 0 ? -EINVAL : unhex(s[2]);

                        if (low < 0)
                                return -EINVAL;
                        c = (char) (high << 4 | low);
                        s += 2;
                }
                if (n >= room || !c)
                        return -EINVAL;
                ret[n++] = c;
        }
        return (int) n;
}

/* One address of a list of them: "unix:path=…" or "unix:abstract=…". */
static int parse_address(const char *s, struct sockaddr_un *ret, socklen_t *ret_size) {
        static const char *const keys[] = { "unix:path=", "unix:abstract=" };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                int n;

                if (strncmp(s, keys[i], strlen(keys[i])) != 0)
                        continue;
                *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
                n = unescape(s + strlen(keys[i]), ret->sun_path + i, sizeof(ret->sun_path) - i - 1);
                if (n <= 0)
                        return -EINVAL;
                *ret_size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n);
                return 0;
        }
        return -EAFNOSUPPORT;
}

static int connect_to(const char *address) {
        _cleanup_(closep) int fd = -EBADF;
        struct sockaddr_un to;
        socklen_t size;
        int r = parse_address(address, &to, &size);

        if (r < 0)
                return r;
        fd = RET_NERRNO(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (fd < 0)
                return fd;
        r = RET_NERRNO(connect(fd, (const struct sockaddr *) &to, size));
        return r < 0 ? r : TAKE_FD(fd);
}

static int open_bus(Ask *a) {
        const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: BUS_ADDRESS;

        if (!daemon_is_of_this_root())
                return refuse(a, DBUS_ERROR_PREFIX "Failed", DAEMON_OTHER_ROOT, argument_root());
        for (const char *end;; address = end + 1) {
                a->fd = connect_to(address);
                end = strchr(address, ';');
                if (a->fd >= 0 || !end || !end[1])
                        break;
        }
        return a->fd < 0 ? no_bus(a, a->fd) : 0;
}

/* Who we are, as the kernel will say as well, and that messages follow. */
static void greet(Wire *w) {
        char uid[16], text[64] = "AUTH EXTERNAL ";
        size_t n = strlen(text);

        (void) snprintf(uid, sizeof(uid), "%u", (unsigned) geteuid());
        for (const char *c = uid; *c; c++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%02x", (unsigned) *c);
        (void) snprintf(text + n, sizeof(text) - n, "\r\nBEGIN\r\n");
        wire_raw(w, "", 1);
        wire_raw(w, text, strlen(text));
        wire_begin(w, HELLO_SERIAL,
                   &(WireCall) { .destination = BUS_NAME, .path = BUS_OBJECT, .iface = BUS_NAME,
                                 .member = "Hello" });
        wire_end(w);
}

/* ---- a call and its answer ---- */

static int begin(Ask *a, Wire *w, const WireCall *call) {
        int r = a->fd < 0 ? open_bus(a) : 0;

        if (r != 0)
                return r;
        if (a->serial == 0) {
                greet(w);
                a->serial = HELLO_SERIAL;
        }
        wire_begin(w, ++a->serial, call);
        return 0;
}

static int begin_method(Ask *a, Wire *w, const char *path, const char *iface, const char *member,
                        const char *signature) {
        return begin(a, w,
                     &(WireCall) { .destination = MDEVD_BUS_NAME, .path = path, .iface = iface,
                                   .member = member, .signature = signature,
                                   .interactive = true });
}

/* A bus that does not listen any more may have said why before. */
static int send_all(int fd, const Wire *w) {
        for (size_t sent = 0; sent < w->size;) {
                ssize_t n = send(fd, w->bytes + sent, w->size - sent, MSG_NOSIGNAL);

                if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
                sent += n > 0 ? (size_t) n : 0;
        }
        return 0;
}

/* At least @size bytes behind those that are used. */
static int fill(Ask *a, size_t size) {
        while (a->size - a->used < size) {
                ssize_t n;

                if (a->room - a->used < size || a->room == a->size) {
                        size_t room = MAX(2 * a->room, a->used + size + 1024);
                        char *bigger = realloc(a->bytes, room);

                        if (!bigger)
                                return -ENOMEM;
                        a->bytes = bigger;
                        a->room = room;
                }
                n = read(a->fd, a->bytes + a->size, a->room - a->size);
                if (n == 0)
                        return -ECONNRESET;
                if (n < 0 && errno != EINTR)
                        return -errno;
                a->size += n > 0 ? (size_t) n : 0;
        }
        return 0;
}

/* The line that the bus answers who we are with: "OK", or it does not let us in. */
static int read_greeting(Ask *a) {
        for (size_t n = 2; n <= GREETING_MAX; n++) {
                int r = fill(a, n);

                if (r < 0)
                        return r;
                if (memcmp(a->bytes + n - 2, "\r\n", 2) != 0)
                        continue;
                a->used = n;
                a->greeted = true;
                return memcmp(a->bytes, "OK", 2) == 0 ? 0 : -EACCES;
        }
        return -EBADMSG;
}

/* Aligned as all that is read from it expects: a message moves to the begin. */
static int read_message(Ask *a, WireMessage *ret) {
        size_t size;
        int r;

        a->size -= a->used;
        memmove(a->bytes, a->bytes + a->used, a->size);
        a->used = 0;
        r = fill(a, WIRE_HEAD);
        if (r >= 0)
                r = wire_size(a->bytes, &size);
        if (r >= 0)
                r = fill(a, size);
        if (r >= 0)
                r = wire_read(a->bytes, size, ret);
        if (r >= 0)
                a->used = size;
        return r;
}

static int refused(Ask *a, const WireMessage *m) {
        WireReader reader = { .bytes = m->body, .size = m->body_size };
        const char *text = "";

        if (m->signature[0] != 's' || wire_next_string(&reader, &text) < 0)
                text = "";
        return refuse(a, m->error, "%s", text);
}

/* What is no answer to us is passed over: the bus tells us our name. */
static int finish(Ask *a, Wire *w, WireMessage *ret) {
        int r;

        wire_end(w);
        if (w->failed)
                return -ENOMEM;
        r = send_all(a->fd, w);
        if (r >= 0 && !a->greeted)
                r = read_greeting(a);
        if (r < 0)
                return no_bus(a, r);
        do {
                r = read_message(a, ret);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return refuse(a, DBUS_ERROR_PREFIX "Disconnected", "%s", strerror(-r));
                if (ret->type == WIRE_ERROR &&
                    (ret->answers == a->serial || ret->answers == HELLO_SERIAL))
                        return refused(a, ret);
        } while (ret->type != WIRE_REPLY || ret->answers != a->serial);
        return 0;
}

/* ---- what is asked ---- */

static void put_bool(Wire *w, const char *name, bool value) {
        wire_struct(w);
        wire_string(w, name);
        wire_signature(w, "b");
        wire_bool(w, value);
}

static void put_string(Wire *w, const char *name, const char *value) {
        wire_struct(w);
        wire_string(w, name);
        wire_signature(w, "s");
        wire_string(w, value);
}

static void put_attributes(Wire *w, const Definition *d) {
        size_t list;

        wire_struct(w);
        wire_string(w, "attributes");
        wire_signature(w, "a(ss)");
        list = wire_array(w);
        for (size_t i = 0; i < d->n_attributes; i++) {
                wire_struct(w);
                wire_string(w, d->attributes[i].name);
                wire_string(w, d->attributes[i].value);
        }
        wire_array_end(w, list);
}

static void put_wish(Wire *w, const Wish *wish) {
        size_t options = wire_array(w);

        if (wish->uuid)
                put_string(w, "uuid", UUID_STR(wish->uuid));
        if (wish->autostart)
                put_bool(w, "autostart", *wish->autostart);
        if (wish->type)
                put_string(w, "type", wish->type);
        if (wish->attributes)
                put_attributes(w, wish->attributes);
        if (wish->live)
                put_bool(w, "live", true);
        if (wish->config)
                put_bool(w, "config", true);
        if (wish->force)
                put_bool(w, "force", true);
        wire_array_end(w, options);
}

static bool wish_is_sendable(const Wish *w) {
        for (size_t i = 0; w->attributes && i < w->attributes->n_attributes; i++)
                if (!utf8_is_sendable(w->attributes->attributes[i].name) ||
                    !utf8_is_sendable(w->attributes->attributes[i].value))
                        return false;
        return !w->type || utf8_is_sendable(w->type);
}

int ask_make(Ask *a, const char *member, const char *parent, const char *type, const Wish *wish,
             Uuid *ret) {
        const char *path = NULL, *uuid = NULL;
        _cleanup_(wire_done) Wire w = {};
        WireReader reader;
        WireMessage m;
        int r;

        if (!utf8_is_sendable(parent) || !utf8_is_sendable(type) || !wish_is_sendable(wish))
                return -EINVAL;
        r = begin_method(a, &w, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, member, "ssa{sv}");
        if (r != 0)
                return r;
        wire_string(&w, parent);
        wire_string(&w, type);
        put_wish(&w, wish);
        r = finish(a, &w, &m);
        if (r != 0 || !ret)
                return r;
        reader = (WireReader) { .bytes = m.body, .size = m.body_size };
        r = streq(m.signature, "os") ? wire_next_string(&reader, &path) : -EBADMSG;
        if (r >= 0)
                r = wire_next_string(&reader, &uuid);
        return r < 0 ? r : uuid_parse(uuid, ret);
}

/* The object's path, to be freed. */
static int find_device(Ask *a, const Uuid *uuid, const char *parent, char **ret) {
        _cleanup_(wire_done) Wire w = {};
        const char *path = NULL;
        WireMessage m;
        int r;

        r = begin_method(a, &w, MDEVD_OBJECT_ROOT, MDEVD_IFACE_MANAGER, "GetDevice", "ss");
        if (r != 0)
                return r;
        wire_string(&w, UUID_STR(uuid));
        wire_string(&w, parent);
        r = finish(a, &w, &m);
        if (r != 0)
                return r;
        r = streq(m.signature, "o") ? 0 : -EBADMSG;
        if (r >= 0)
                r = wire_next_string(&(WireReader) { .bytes = m.body, .size = m.body_size }, &path);
        if (r < 0)
                return r;
        *ret = strdup(path);
        return *ret ? 0 : -ENOMEM;
}

int ask_change(Ask *a, const char *member, const Uuid *uuid, const char *parent,
               const Wish *wish) {
        _cleanup_(freep) char *path = NULL;
        _cleanup_(wire_done) Wire w = {};
        WireMessage m;
        int r;

        if (!utf8_is_sendable(parent) || !wish_is_sendable(wish))
                return -EINVAL;
        r = find_device(a, uuid, parent, &path);
        if (r == 0)
                r = begin_method(a, &w, path, MDEVD_IFACE_DEVICE, member, "a{sv}");
        if (r != 0)
                return r;
        put_wish(&w, wish);
        return finish(a, &w, &m);
}

bool ask_is_running(Ask *a) {
        _cleanup_(wire_done) Wire w = {};
        uint32_t owned = 0;
        WireMessage m;
        int r;

        r = begin(a, &w, &(WireCall) { .destination = BUS_NAME, .path = BUS_OBJECT,
                                       .iface = BUS_NAME, .member = "NameHasOwner",
                                       .signature = "s" });
        if (r == 0) {
                wire_string(&w, MDEVD_BUS_NAME);
                r = finish(a, &w, &m);
        }
        return r == 0 && streq(m.signature, "b") &&
               wire_next_u32(&(WireReader) { .bytes = m.body, .size = m.body_size }, &owned) >= 0 &&
               owned == 1;
}

int ask_failed(int error, const char *otherwise) {
        return error == -EINVAL ? answer_no_text("parent, type or attribute")
                                : answer_failed_errno(error, otherwise);
}
