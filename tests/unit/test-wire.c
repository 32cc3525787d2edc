/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-wire.c: messages as bytes. That what is written is what a bus understands is shown by a real
 * one in tests/cli; here it is the bytes themselves, and that nothing is read that is not there.
 */
#include "cli/wire.h"

#include "test.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ORDER 'l'
#define U32(n) (char) (n), 0, 0, 0
#else
#define ORDER 'B'
#define U32(n) 0, 0, 0, (char) (n)
#endif

/* An error, as a bus would send it: its name, the call, the type of its one argument. */
static const char error[] = {
        ORDER, WIRE_ERROR, 1, 1, U32(9), U32(7), U32(41),
        4, 1, 's', 0, U32(3), 'a', '.', 'b', 0, 0, 0, 0, 0, /* error name, and up to the next */
        5, 1, 'u', 0, U32(2),                               /* of call 2 */
        8, 1, 'g', 0, 1, 's', 0, 0,                         /* signature */
        42, 1, 'o', 0, U32(0), 0,                           /* a field that nobody knows */
        0, 0, 0, 0, 0, 0, 0,                                /* up to the body */
        U32(4), 'o', 'h', '!', '\n', 0,
};

/* As bytes of just that size, so that a sanitizer sees who reads behind them. */
static int read_copy(const char *bytes, size_t size, WireMessage *m) {
        _cleanup_(freep) char *copy = malloc(MAX(size, (size_t) 1));
        WireReader body;
        const char *text;
        int r;

        ASSERT_TRUE(copy);
        memcpy(copy, bytes, size);
        r = wire_read(copy, size, m);
        if (r < 0)
                return r;
        body = (WireReader) { .bytes = m->body, .size = m->body_size };
        while (wire_next_string(&body, &text) >= 0)
                ASSERT_TRUE(strlen(text) < size);
        ASSERT_TRUE(strlen(m->error) < size && strlen(m->signature) < size);
        return 0;
}

TEST(a_call) {
        static const char expected[] = {
                ORDER, 1, 4, 1, U32(32), U32(3), U32(76),
                1, 1, 'o', 0, U32(2), '/', 'p', 0, 0, 0, 0, 0, 0,
                2, 1, 's', 0, U32(3), 'i', '.', 'f', 0, 0, 0, 0, 0,
                3, 1, 's', 0, U32(1), 'M', 0, 0, 0, 0, 0, 0, 0,
                6, 1, 's', 0, U32(3), 'd', '.', 'e', 0, 0, 0, 0, 0,
                8, 1, 'g', 0, 6, 's', 'a', '{', 's', 'v', '}', 0, 0, 0, 0, 0,
                U32(1), 'x', 0, 0, 0,                     /* "x" */
                U32(16), 0, 0, 0, 0,                      /* an array, of this length from here */
                U32(1), 'k', 0, 1, 'b', 0, 0, 0, 0, U32(0), /* { "k": false } */
        };
        _cleanup_(wire_done) Wire w = {};
        size_t options;

        wire_raw(&w, "hello", 5); /* what stands before does not count */
        wire_begin(&w, 3, &(WireCall) { .destination = "d.e", .path = "/p", .iface = "i.f",
                                        .member = "M", .signature = "sa{sv}",
                                        .interactive = true });
        wire_string(&w, "x");
        options = wire_array(&w);
        wire_struct(&w);
        wire_string(&w, "k");
        wire_signature(&w, "b");
        wire_bool(&w, false);
        wire_array_end(&w, options);
        wire_end(&w);
        ASSERT_FALSE(w.failed);
        for (size_t i = 0; i < sizeof(expected) && i + 5 < w.size; i++)
                if (w.bytes[i + 5] != expected[i])
                        test_fail(__FILE__, __LINE__, "byte %zu is %d, not %d", i, w.bytes[i + 5],
                                  expected[i]);
        ASSERT_EQ(w.size, 5 + sizeof(expected));
}

TEST(an_error) {
        WireReader body;
        const char *text;
        WireMessage m;
        size_t size;

        ASSERT_OK(wire_size(error, &size));
        ASSERT_EQ(size, sizeof(error));
        ASSERT_OK(wire_read(error, sizeof(error), &m));
        ASSERT_EQ(m.type, WIRE_ERROR);
        ASSERT_EQ(m.answers, 2);
        ASSERT_STREQ(m.error, "a.b");
        ASSERT_STREQ(m.signature, "s");
        body = (WireReader) { .bytes = m.body, .size = m.body_size };
        ASSERT_OK(wire_next_string(&body, &text));
        ASSERT_STREQ(text, "oh!\n");
        ASSERT_EQ(wire_next_string(&body, &text), -EBADMSG);
}

TEST(what_is_cut_is_none) {
        WireMessage m;

        for (size_t n = 0; n < sizeof(error); n++)
                ASSERT_EQ(read_copy(error, n, &m), -EBADMSG);
}

/* Each byte with each value: it is read or it is none, and nothing behind it is looked at. */
TEST(what_is_wrong_does_no_harm) {
        char bytes[sizeof(error)];
        unsigned good = 0, bad = 0;
        WireMessage m;

        for (size_t i = 0; i < sizeof(error); i++)
                for (int value = 0; value < 256; value++) {
                        memcpy(bytes, error, sizeof(error));
                        bytes[i] = (char) value;
                        if (read_copy(bytes, sizeof(bytes), &m) < 0)
                                bad++;
                        else
                                good++;
                }
        ASSERT_TRUE(good > 0 && bad > 0);
}

TEST(what_is_too_long_is_refused) {
        char head[WIRE_HEAD];
        uint32_t huge = UINT32_MAX;
        size_t size;

        for (size_t at = 4; at <= 12; at += 8) {
                memcpy(head, error, sizeof(head));
                memcpy(head + at, &huge, sizeof(huge));
                ASSERT_EQ(wire_size(head, &size), -EMSGSIZE);
        }
        memcpy(head, error, sizeof(head));
        head[0] = 'x';
        ASSERT_EQ(wire_size(head, &size), -EBADMSG);
}

TESTS_MAIN
