/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-noise.c: calls of every method there is, with any arguments: too few, too many, of other
 * types, with strings that have no business there; and calls of what is not there. Each is
 * answered, with an error that has a name, and the daemon goes on as if nothing had been. Under
 * ASan it must also end without a leak. 2,000 calls; with $MDEVD_TEST_LONG 100,000.
 */
#include <sys/random.h>

#include "fixture.h"

#define AT_ONCE 16
#define DEPTH_MAX 4

static uint64_t seed;

static uint64_t random_below(uint64_t n) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (seed >> 11) % n;
}

#define PICK(table) ((table)[random_below(ARRAY_SIZE(table))])

static const char *const hostile[] = {
        "", ".", "..", "/", "../../etc/passwd", "0000:00:05.0", "0000:00:06.0", "ffff:ff:1f.7",
        TYPE, UUID1, UUID2, "11111111-2222-3333-4444-55555555550",
        "11111111222233334444555555555501",
        "%s%n%x", "\n", "\x1b[31m", "\u202e", "\xc3\xa4\xf0\x9f\x98\x80", "uuid", "owner", "numa",
        "attributes", "vram", "a/../../b", "/absolute", "autostart", "force", "plan", "lease", "-1",
        "18446744073709551616", "org.mdevd1.Manager", "org.mdevd1.Device", "org.mdevd1.Parent",
        "org.mdevd1.Operation", "State", "Version", "LogLevel", "debug",
};

static const char *random_string(void) {
        static char text[8192];
        size_t n;

        if (random_below(8) > 0)
                return PICK(hostile);
        n = random_below(random_below(16) == 0 ? sizeof(text) - 1 : 80);
        for (size_t i = 0; i < n; i++)
                text[i] = (char) (1 + random_below(126)); /* the bus takes nothing but UTF-8 */
        text[n] = '\0';
        return text;
}

static const char *const objects[] = {
        MDEVD_OBJECT_ROOT,
        MDEVD_OBJECT_ROOT,
        "/org/mdevd1/device/_30000_3a00_3a05_2e0/_311111111_2d2222_2d3333_2d4444_2d555555555501",
        "/org/mdevd1/device/_30000_3a00_3a06_2e0/_311111111_2d2222_2d3333_2d4444_2d555555555502",
        "/org/mdevd1/parent/_30000_3a00_3a05_2e0",
        "/org/mdevd1/operation/1",
        "/org/mdevd1/operation/_31",
        "/org/freedesktop/LogControl1",
        "/",
        "/org/mdevd1/device/x/y",
};

static const char *random_object(void) {
        return PICK(objects);
}

/* Signatures that calls of ours have, and some that none has. */
static const char *const signatures[] = {
        "", "s", "ss", "sss", "ssa{sv}", "sa{sv}", "a{sv}", "b", "u", "t", "ssv", "sssv", "o", "as",
        "ao", "(ss)", "a(ss)", "v", "ay", "a{ss}", "ssa{sv}s", "i", "d", "y", "n", "q", "x", "g",
};

static int append_type(sd_bus_message *m, const char *signature, unsigned depth);

/* One complete type at the front of @signature: its length. */
static size_t type_length(const char *signature) {
        unsigned open = 0;
        size_t n = 0;

        while (signature[n] == 'a')
                n++;
        do {
                open += signature[n] == '(' || signature[n] == '{';
                open -= signature[n] == ')' || signature[n] == '}';
                n++;
        } while (open > 0);
        return n;
}

static int append_basic(sd_bus_message *m, char type) {
        union {
                uint64_t t;
                double d;
                int b;
        } v = { .t = random_below(4) ? random_below(5) - 2 : random_below(UINT64_MAX) };
        const char *s = random_string();

        switch (type) {
        case 's':
                return sd_bus_message_append_basic(m, type, s);
        case 'o':
                return sd_bus_message_append_basic(m, type, random_object());
        case 'g':
                return sd_bus_message_append_basic(m, type, PICK(signatures));
        case 'b':
                v.b = (int) (v.t & 1);
                return sd_bus_message_append_basic(m, type, &v.b);
        default:
                return sd_bus_message_append_basic(m, type, &v.t);
        }
}

static int append_variant(sd_bus_message *m, unsigned depth) {
        static const char *const contents[] = { "s", "s", "s", "i", "u", "b", "t", "a(ss)", "as",
                                                "v", "ay", "a{sv}" };
        const char *inner = depth < DEPTH_MAX ? PICK(contents) : "s";
        int r;

        r = sd_bus_message_open_container(m, 'v', inner);
        if (r >= 0)
                r = append_type(m, inner, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_container(sd_bus_message *m, char kind, const char *inner, size_t length,
                            unsigned times, unsigned depth) {
        char contents[64];
        int r;

        (void) snprintf(contents, sizeof(contents), "%.*s", (int) length, inner);
        r = sd_bus_message_open_container(m, kind, contents);
        for (unsigned i = 0; r >= 0 && i < times; i++)
                r = append_type(m, contents, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_type(sd_bus_message *m, const char *signature, unsigned depth) {
        int r = 0;

        while (r >= 0 && *signature) {
                size_t n = type_length(signature);

                switch (*signature) {
                case 'a':
                        r = append_container(m, 'a', signature + 1, n - 1,
                                             (unsigned) random_below(depth < 2 ? 6 : 3), depth);
                        break;
                case '(':
                        r = append_container(m, 'r', signature + 1, n - 2, 1, depth);
                        break;
                case '{':
                        r = append_container(m, 'e', signature + 1, n - 2, 1, depth);
                        break;
                case 'v':
                        r = append_variant(m, depth);
                        break;
                default:
                        r = append_basic(m, *signature);
                }
                signature += n;
        }
        return r;
}

/* ---- methods, as the live daemon names them ---- */

typedef struct Method Method;

struct Method {
        char path[160], iface[64], member[64], signature[64];
};

static Method methods[256];
static size_t n_methods;

static bool attribute_of(const char *tag, const char *name, char *buf, size_t size) {
        char key[16];
        const char *at, *end = strchr(tag, '>');

        (void) snprintf(key, sizeof(key), " %s=\"", name);
        at = strstr(tag, key);
        if (!at || at > end)
                return false;
        at += strlen(key);
        (void) snprintf(buf, size, "%.*s", (int) strcspn(at, "\""), at);
        return true;
}

static void learn(const char *path, const char *xml) {
        char iface[64] = "";
        Method *m = NULL;

        for (const char *tag = xml; (tag = strchr(tag, '<')); tag++) {
                char direction[8] = "in", type[32];

                if (strncmp(tag, "<interface", 10) == 0)
                        (void) attribute_of(tag, "name", iface, sizeof(iface));
                if (strncmp(tag, "<method", 7) == 0) {
                        ASSERT_TRUE(n_methods < ARRAY_SIZE(methods));
                        m = &methods[n_methods++];
                        *m = (Method){};
                        (void) snprintf(m->path, sizeof(m->path), "%s", path);
                        (void) snprintf(m->iface, sizeof(m->iface), "%s", iface);
                        ASSERT_TRUE(attribute_of(tag, "name", m->member, sizeof(m->member)));
                }
                if (strncmp(tag, "<signal", 7) == 0)
                        m = NULL;
                if (m && strncmp(tag, "<arg", 4) == 0) {
                        (void) attribute_of(tag, "direction", direction, sizeof(direction));
                        ASSERT_TRUE(attribute_of(tag, "type", type, sizeof(type)));
                        if (streq(direction, "in"))
                                strncat(m->signature, type,
                                        sizeof(m->signature) - strlen(m->signature) - 1);
                }
        }
}

static void learn_all(Fixture *f) {
        for (size_t i = 1; i < ARRAY_SIZE(objects); i++) {
                const char *xml;
                Reply r = {};

                call_begin(f->client, &r, objects[i], "org.freedesktop.DBus.Introspectable",
                           "Introspect", "");
                call_wait(f, &r);
                if (sd_bus_message_read(r.m, "s", &xml) > 0)
                        learn(objects[i], xml);
                reply_done(&r);
        }
}

/* ---- calls ---- */

static sd_bus_message *make_noise(Fixture *f) {
        const Method *known = &methods[random_below(n_methods)];
        const char *path = random_below(12) ? known->path : random_object();
        const char *signature = random_below(4) ? known->signature : PICK(signatures);
        sd_bus_message *m = NULL;

        if (sd_bus_message_new_method_call(f->client, &m, MDEVD_BUS_NAME, path, known->iface,
                                           random_below(50) ? known->member : "Nothing") < 0 ||
            append_type(m, signature, 0) < 0)
                return sd_bus_message_unref(m); /* not even sd-bus would send it */
        return m;
}

static void check_answer(const Reply *r, unsigned *n_good) {
        const sd_bus_error *e = sd_bus_message_get_error(r->m);

        *n_good += !e;
        if (!e)
                return;
        if (streq(e->name, SD_BUS_ERROR_NO_REPLY) || streq(e->name, SD_BUS_ERROR_SERVICE_UNKNOWN))
                test_fail(__FILE__, __LINE__, "%s: %s", e->name, e->message);
        ASSERT_TRUE(strncmp(e->name, MDEVD_ERROR_PREFIX, strlen(MDEVD_ERROR_PREFIX)) == 0 ||
                    strncmp(e->name, "org.freedesktop.DBus.Error.", 27) == 0 ||
                    strncmp(e->name, "System.Error.", 13) == 0);
        if (strncmp(e->name, MDEVD_ERROR_PREFIX, strlen(MDEVD_ERROR_PREFIX)) != 0)
                return; /* sd-bus repeats what it got as it is */
        for (const char *s = e->message ?: ""; *s; s++)
                if ((unsigned char) *s < 0x20 || *s == 0x7f)
                        test_fail(__FILE__, __LINE__, "%s has a control character: %s: %s", r->what,
                                  e->name, e->message);
}

static unsigned make_noises(Fixture *f, unsigned n) {
        unsigned n_good = 0;

        for (unsigned i = 0; i < n;) {
                Reply replies[AT_ONCE] = {};
                size_t k = 0;

                for (; k < AT_ONCE && i < n; i++) {
                        sd_bus_message *m = make_noise(f);

                        if (m)
                                call_begin_message(f->client, &replies[k++], m);
                        sd_bus_message_unref(m);
                }
                for (size_t j = 0; j < k; j++) {
                        call_wait(f, &replies[j]);
                        check_answer(&replies[j], &n_good);
                        reply_done(&replies[j]);
                }
        }
        return n_good;
}

TEST(any_call_is_answered_and_nothing_is_lost) {
        const unsigned n = getenv("MDEVD_TEST_LONG") ? 100000 : 2000;
        _cleanup_(freep) char *path = NULL, *other = NULL;
        const char *given = getenv("MDEVD_TEST_SEED");
        unsigned n_good;
        Fixture f;

        if (given)
                seed = strtoull(given, NULL, 0);
        else
                ASSERT_EQ(getrandom(&seed, sizeof(seed), 0), (ssize_t) sizeof(seed));
        seed |= 1;
        printf("# MDEVD_TEST_SEED=%#" PRIx64 "\n", seed);
        fixture_init(&f);
        fixture_start(&f);
        path = create_device(&f, PARENT, UUID1, "vm1");
        learn_all(&f);
        ASSERT_TRUE(n_methods >= 15);
        n_good = make_noises(&f, n);
        printf("# %u calls of %zu methods; %u succeeded\n", n, n_methods, n_good);
        ASSERT_TRUE(n_good > 0 && n_good < n);
        /* it works as before */
        other = create_device(&f, OTHER, UUID3, "vm3");
        ASSERT_TRUE(file_exists(&f, "sys/bus/mdev/devices/" UUID3));
        fixture_done(&f);
}

TESTS_MAIN
