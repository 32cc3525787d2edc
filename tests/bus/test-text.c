/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-text.c: what sd-bus would refuse to send is found, and only that. */
#include <limits.h>
#include <locale.h>
#include <sys/socket.h>
#include <wchar.h>

#include "bus/bus-error.h"
#include "bus/text.h"
#include "test.h"
#include "util/utf8.h"

TEST(printable_copies_only_what_it_must) {
        const char *good = "a\xe2\x82\xac";
        char *own;

        ASSERT_TRUE(text_printable(good, &own) == good);
        ASSERT_NULL(own);
        ASSERT_STREQ(text_printable("a\xff", &own), "a\\xff");
        ASSERT_NOT_NULL(own);
        free(own);
}

/* sd-bus is asked itself, about every character: its rule is not ours to know by heart. */
TEST(sendable_is_what_sd_bus_sends) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int fds[2];

        ASSERT_NOT_NULL(setlocale(LC_CTYPE, "C.UTF-8"));
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ASSERT_OK(sd_bus_new(&bus));
        ASSERT_OK(sd_bus_set_fd(bus, fds[0], fds[0]));
        ASSERT_OK(sd_bus_start(bus));
        for (uint32_t c = 1; c <= 0x10ffff; c++) {
                char text[MB_LEN_MAX + 1] = "";
                bool sent;

                if (c % 0x1000 == 1) { /* not all in one message */
                        m = sd_bus_message_unref(m);
                        ASSERT_TRUE(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C") >= 0);
                }
                if (c >= 0xd800 && c <= 0xdfff)
                        continue;
                ASSERT_TRUE(wcrtomb(text, (wchar_t) c, &(mbstate_t) {}) != (size_t) -1);
                sent = sd_bus_message_append_basic(m, 's', text) >= 0;
                if (sent != utf8_is_sendable(text))
                        test_fail(__FILE__, __LINE__, "U+%04x: sd-bus %s it", c,
                                  sent ? "sends" : "refuses");
        }
        ASSERT_EQ(close(fds[1]), 0);
}

TEST(an_error_is_text_whatever_its_sentence) {
        _cleanup_(sd_bus_error_free) sd_bus_error cut = SD_BUS_ERROR_NULL, none = SD_BUS_ERROR_NULL;

        ASSERT_TRUE(bus_error_set_outcome(&cut, OUTCOME_NO_ROOM, "cut \xe2\x82") < 0);
        ASSERT_TRUE(utf8_is_valid(cut.message));
        ASSERT_STREQ(cut.name, MDEVD_ERROR_PREFIX "NoRoom");
        ASSERT_TRUE(bus_error_set_outcome(&none, OUTCOME_BUSY, NULL) < 0);
        ASSERT_CONTAINS(none.message, "journal");
}

TEST(every_outcome_has_a_name_of_its_own) {
        for (int i = OUTCOME_OK + 1; i < _OUTCOME_MAX; i++)
                for (int j = i + 1; j < _OUTCOME_MAX; j++)
                        ASSERT_FALSE(streq(bus_error_name(i), bus_error_name(j)));
        ASSERT_STREQ(bus_error_name(_OUTCOME_MAX), bus_error_name(OUTCOME_FAILED));
        ASSERT_STREQ(bus_error_name(-1), bus_error_name(OUTCOME_FAILED));
}

TEST(quotes_are_short_and_plain) {
        char buf[BUS_QUOTE_MAX], text[512];

        ASSERT_STREQ(bus_quote("a\nb\x7f", buf), "a?b?");
        for (size_t i = 0; i < 8; i++) {
                memset(text, 'x', i);
                text[i] = '\0';
                while (strlen(text) < 200)
                        (void) strcat(text, "\xf0\x9f\x98\x80");
                ASSERT_TRUE(utf8_is_valid(bus_quote(text, buf)));
                ASSERT_TRUE(strlen(buf) < BUS_QUOTE_MAX);
        }
}

TESTS_MAIN
