/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-store.c: mdevctl's format to the byte, and folders in which anything may lie. */
#include "config/store.h"

#include "alloc.h"
#include "config/store-plain.h"
#include "model/model.h"
#include "names.h"
#include "tree.h"

#define UUID_A "11111111-2222-3333-4444-555555555555"
#define UUID_B "abcdef01-2345-6789-abcd-ef0123456789"
#define DEFINITION "{\"mdev_type\":\"t\",\"start\":\"auto\"}"
#define PARENT "0000:00:05.0"
#define FOLDER MDEVD_PATH_DEFINITIONS "/" PARENT "/"
#define EXTRAS MDEVD_PATH_EXTRAS "/" PARENT "/"

static Definition *definition(void) {
        Definition *d;
        Uuid uuid;

        ASSERT_OK(uuid_parse(UUID_A, &uuid));
        ASSERT_OK(definition_new(&d, PARENT, &uuid));
        return d;
}

typedef struct FileCase FileCase;

/* @result: as store_format() says it, or "f:line:column: what was expected" */
struct FileCase {
        const char *text;
        const char *result;
};

/* The same text, too long for the short way, which must not read it in another way. */
static void check_long_way(const FileCase *c, bool invalid) {
        _cleanup_(definition_freep) Definition *d = definition();
        _cleanup_(freep) char *text = NULL, *padded = NULL;

        ASSERT_TRUE(asprintf(&padded, "%s%*s", c->text, STORE_PLAIN_MAX, "") > 0);
        ASSERT_OK(store_parse(d, "f", padded, strlen(padded)));
        ASSERT_EQ(d->invalid != NULL, invalid);
        if (invalid)
                return;
        ASSERT_OK(store_format(d, &text));
        ASSERT_STREQ(text, c->result);
}

static void check_files(const FileCase *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_(definition_freep) Definition *d = definition();
                _cleanup_(freep) char *text = NULL;

                ASSERT_OK(store_parse(d, "f", cases[i].text, strlen(cases[i].text)));
                ASSERT_NOT_NULL(d->type);
                ASSERT_NOT_NULL(d->owner);
                ASSERT_EQ(d->reserve, d->autostart);
                if (!d->invalid)
                        ASSERT_OK(store_format(d, &text));
                ASSERT_STREQ(d->invalid ?: text, cases[i].result);
                check_long_way(&cases[i], d->invalid);
        }
}

/* The example of consumers' documentation, and what mdevctl 1.4.0 writes. */
TEST(format_to_the_byte) {
        static const FileCase cases[] = {
                { "{\n"
                  "  \"mdev_type\": \"vfio_ap-passthrough\",\n"
                  "  \"start\": \"auto\",\n"
                  "  \"attrs\": [\n"
                  "    {\n"
                  "      \"assign_adapter\": \"5\"\n"
                  "    },\n"
                  "    {\n"
                  "      \"assign_domain\": \"0xab\"\n"
                  "    }\n"
                  "  ]\n"
                  "}", NULL },
                { "{\n"
                  "  \"mdev_type\": \"i915-GVTg_V5_8\",\n"
                  "  \"start\": \"manual\",\n"
                  "  \"attrs\": []\n"
                  "}", NULL },
                { "{\n"
                  "  \"mdev_type\": \"t\",\n"
                  "  \"start\": \"manual\",\n"
                  "  \"attrs\": [\n"
                  "    {\n"
                  "      \"a/b\": \"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001é\"\n"
                  "    },\n"
                  "    {\n"
                  "      \"a/b\": \"\"\n"
                  "    },\n"
                  "    {\n"
                  "      \"a\": \"x\"\n"
                  "    },\n"
                  "    {\n"
                  "      \"a/b\": \"\"\n"
                  "    }\n"
                  "  ]\n"
                  "}", NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                check_files(&(FileCase) { cases[i].text, cases[i].text }, 1);
}

#define MANUAL "{\n  \"mdev_type\": \"t\",\n  \"start\": \"manual\",\n  \"attrs\": []\n}"
#define AUTO "{\n  \"mdev_type\": \"t\",\n  \"start\": \"auto\",\n  \"attrs\": []\n}"

TEST(read_as_mdevctl_does) {
        static const FileCase cases[] = {
                { "{\"mdev_type\":\"t\",\"start\":\"manual\"}", MANUAL },
                { "{\"start\":\"auto\",\"mdev_type\":\"t\"}\n", AUTO },
                { "{\"mdev_type\":\"t\",\"start\":\"Auto\"}", MANUAL },
                { "{\"mdev_type\":\"t\",\"start\":\"\"}", MANUAL },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[]}", AUTO },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":null}", AUTO },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\"type\":1,\"x\":{\"y\":[]}}", AUTO },
        };

        check_files(cases, ARRAY_SIZE(cases));
}

/* Which texts go the short way; what each means, check_files() compares with the long one. */
TEST(the_short_way) {
        static const struct {
                const char *text;
                int plain;
        } cases[] = {
                { "{\"mdev_type\":\"t\",\"start\":\"auto\"}", 1 },
                { " { \"mdev_type\" : \"t\" , \"start\" : \"x\" , \"attrs\" : [ ] } \n", 1 },
                { "{\"mdev_type\":\"t\",\"start\":\"\","
                  "\"attrs\":[{\"a\":\"1\"},{\"a\":\"\"}]}", 1 },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\"} x", 0 },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",}", 0 },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\"", 0 },
                { "{\"mdev_type\":\"t\\u0041\",\"start\":\"auto\"}", 0 },
                { "{\"mdev_type\":\"\xc3\xa4\",\"start\":\"auto\"}", 0 },
                { "{\"mdev_type\":\"..\",\"start\":\"auto\"}", 0 },
                { "{\"start\":\"auto\",\"mdev_type\":\"t\"}", 0 },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"../a\":\"1\"}]}", 0 },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"a\":\"1\"},]}", 0 },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"a\":\"1\"}],\"x\":1}", 0 },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":null}", 0 },
                { "{\"mdev_type\":\"t", 0 },
                { "", 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(definition_freep) Definition *d = definition();

                ASSERT_EQ(store_parse_plain(d, cases[i].text, strlen(cases[i].text)),
                          cases[i].plain);
                ASSERT_EQ(d->type != NULL, cases[i].plain == 1);
                ASSERT_TRUE(cases[i].plain == 1 || (!d->attributes && d->n_attributes == 0));
        }
}

TEST(invalid) {
        static const FileCase cases[] = {
                { "", "f:1:1: expected a value, found the end of the file" },
                { "mdev_type=t\nstart=auto\n", "f:1:1: expected a value, found \"mdev\"" },
                { "[]", "f:1:1: expected an object in { }, found an empty list" },
                { "{}", "f:1:1: expected the key \"mdev_type\" with the name of a type in quotes, "
                       "found none" },
                { "{\"mdev_type\":\"t\"}",
                 "f:1:1: expected the key \"start\" with \"auto\" or \"manual\", found none" },
                { "{\"start\":\"auto\",\n\"mdev_type\":3}",
                 "f:2:13: expected the name of a type in quotes, found 3" },
                { "{\"start\":\"auto\",\n\"mdev_type\":\"\"}",
                 "f:2:13: expected the name of a type in quotes, found \"\"" },
                { "{\"start\":\"auto\",\n\"mdev_type\":\"..\"}",
                 "f:2:13: expected the name of a type in quotes, found \"..\"" },
                { "{\"start\":\"auto\",\n\"mdev_type\":\"a/b\"}",
                 "f:2:13: expected the name of a type in quotes, found \"a/b\"" },
                { "{\"start\":\"auto\",\n\"mdev_type\":\"a\\nb\"}",
                 "f:2:13: expected the name of a type in quotes, found \"a\\u000ab\"" },
                { "{\"mdev_type\":\"t\",\n\"start\":true}",
                 "f:2:9: expected \"auto\" or \"manual\", found true" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\n\"start\":\"manual\"}",
                 "f:2:1: expected each key once, found \"start\" again after line 1" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\", // no\n}",
                 "f:1:34: expected JSON without comments, found a comment" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\"} x",
                 "f:1:34: expected nothing more, found \"x\"" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\n\"attrs\":{\"a\":\"b\"}}",
                 "f:2:9: expected a list of attributes, found an object" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\n\"attrs\":7}",
                 "f:2:9: expected a list of attributes, found 7" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\n\"attrs\":[\"a\"]}",
                 "f:2:10: expected an object of one attribute's name and value, found \"a\"" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\n\"attrs\":[{}]}",
                 "f:2:10: expected an object of one attribute's name and value, found an empty "
                 "object" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\n"
                  "\"attrs\":[{\"a\":\"1\",\"b\":\"2\"}]}",
                 "f:2:10: expected an object of one attribute's name and value, found an object" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\n"
                  "\"attrs\":[{\"a\":\"1\",\"a\":\"2\"}]}",
                 "f:2:10: expected an object of one attribute's name and value, found an object" },
                { "{\"mdev_type\":\"t\",\"start\":\"auto\",\n\"attrs\":[{\"a\":1}]}",
                 "f:2:15: expected an attribute's value in quotes, found 1" },
        };

        check_files(cases, ARRAY_SIZE(cases));
}

TEST(attribute_names) {
        static const struct {
                const char *name;
                bool valid;
        } cases[] = {
                { "a", true },      { "a/b", true },     { "a.b", true },   { "..a", true },
                { "a..", true },    { "...", true },     { "é b", true },   { "", false },
                { "/a", false },    { "a/", false },     { "a//b", false }, { ".", false },
                { "..", false },    { "../a", false },   { "a/..", false }, { "a/../b", false },
                { "a/./b", false }, { "a\\nb", false },  { "a\\u007f", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(definition_freep) Definition *d = definition();
                char text[200];

                (void) snprintf(text, sizeof(text),
                                "{\"mdev_type\":\"t\",\"start\":\"auto\",\n\"attrs\":[{\"%s\":"
                                "\"v\"}]}",
                                cases[i].name);
                ASSERT_OK(store_parse(d, "f", text, strlen(text)));
                ASSERT_EQ(d->n_attributes, cases[i].valid ? 1U : 0U);
                if (!cases[i].valid)
                        ASSERT_STREQ(
                                d->invalid,
                                "f:2:11: expected an attribute's name, a path below the device "
                                "without \"..\"");
        }
}

TEST(length_of_names) {
        char name[257], text[400];

        for (size_t over = 0; over < 2; over++) {
                _cleanup_(definition_freep) Definition *type = definition();
                _cleanup_(definition_freep) Definition *attribute = definition();

                memset(name, 'x', sizeof(name));
                name[255 + over] = '\0';
                (void) snprintf(text, sizeof(text), "{\"mdev_type\":\"%s\",\"start\":\"auto\"}",
                                name);
                ASSERT_OK(store_parse(type, "f", text, strlen(text)));
                ASSERT_EQ(!type->invalid, !over);
                (void) snprintf(
                        text, sizeof(text),
                        "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"%s\":\"\"}]}", name);
                ASSERT_OK(store_parse(attribute, "f", text, strlen(text)));
                ASSERT_EQ(!attribute->invalid, !over);
        }
}

/* "parent/uuid type start owner reserve", or the reason after "!", one a line. */
static char *model_text(const Model *m) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ASSERT_NOT_NULL(f);
        list_foreach(d, &m->definitions, Definition, node) {
                (void) fprintf(f, "%s%s/%s ", ftell(f) > 0 ? "\n" : "", d->parent,
                               UUID_STR(&d->uuid));
                if (d->invalid)
                        (void) fprintf(f, "!%s", d->invalid);
                else
                        (void) fprintf(f, "%s %s %s%s", d->type, d->autostart ? "auto" : "manual",
                                       d->owner[0] ? d->owner : "-", d->reserve ? " reserve" : "");
        }
        ASSERT_EQ(fclose(f), 0);
        return text;
}

static void check_store(const Tree *t, const char *problems, const char *result) {
        _cleanup_(model_freep) Model *m = NULL;
        _cleanup_(freep) char *found_problems = NULL, *found_result = NULL;
        List list = LIST_INIT(list);

        ASSERT_OK(model_new(&m));
        ASSERT_OK(store_load(m, t->fd, &list));
        found_problems = problems_text(&list);
        ASSERT_STREQ(found_problems, problems);
        found_result = model_text(m);
        ASSERT_STREQ(found_result, result);
        config_problems_clear(&list);
}

TEST(folders) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        check_store(&t, "", "");
        tree_mkdir(&t, MDEVD_PATH_DEFINITIONS);
        check_store(&t, "", "");
        tree_write(&t, FOLDER UUID_A, DEFINITION);
        tree_write(&t, FOLDER UUID_B, "{\"mdev_type\":\"u\",\"start\":\"manual\"}");
        /* one UUID under two parents is lawful */
        tree_write(&t, MDEVD_PATH_DEFINITIONS "/matrix/" UUID_A, DEFINITION);
        /* temporary files of ours and of others, and mdevctl's scripts */
        tree_write(&t, MDEVD_PATH_DEFINITIONS "/." UUID_A ".x1", "{");
        tree_write(&t, MDEVD_PATH_DEFINITIONS "/" UUID_A, DEFINITION);
        tree_write(&t, MDEVD_PATH_DEFINITIONS "/scripts.d/callouts/x.sh", "");
        tree_write(&t, MDEVD_PATH_DEFINITIONS "/scripts.d/notifiers/y.sh", "");
        check_store(&t, "",
                    PARENT "/" UUID_A " t auto - reserve\n"
                    PARENT "/" UUID_B " u manual -\n"
                    "matrix/" UUID_A " t auto - reserve");
}

TEST(hostile_names) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        tree_write(&t, FOLDER UUID_A, DEFINITION);
        tree_write(&t, FOLDER "ABCDEF01-2345-6789-ABCD-EF0123456789", DEFINITION);
        tree_write(&t, FOLDER "README", "");
        tree_write(&t, FOLDER "a\nb\xff", "");
        tree_write(&t, MDEVD_PATH_DEFINITIONS "/-\x1b[31m/" UUID_A, DEFINITION);
        ASSERT_EQ(symlinkat(PARENT, t.fd, MDEVD_PATH_DEFINITIONS "/link"), 0);
        check_store(
                &t,
                "/etc/mdevctl.d/-\\x1b[31m:0:0: warning: expected the name of a device: it is "
                "passed over\n"
                "/etc/mdevctl.d/" PARENT "/ABCDEF01-2345-6789-ABCD-EF0123456789:0:0: warning: "
                "expected a UUID in lower case as the file's name: it is passed over\n"
                "/etc/mdevctl.d/" PARENT "/README:0:0: warning: expected a UUID in lower case "
                "as the file's name: it is passed over\n"
                "/etc/mdevctl.d/" PARENT "/a\\x0ab\\xff:0:0: warning: expected a UUID in lower "
                "case as the file's name: it is passed over\n"
                "/etc/mdevctl.d/link:0:0: warning: expected a folder, found a symbolic link: it "
                "is passed over",
                PARENT "/" UUID_A " t auto - reserve");
}

/* What is no file of JSON is one invalid definition, and its neighbours are read. */
TEST(hostile_files) {
        _cleanup_(tree_done) Tree t;
        int fd;

        tree_init(&t);
        tree_write(&t, FOLDER UUID_A, DEFINITION);
        ASSERT_EQ(mkfifoat(t.fd, FOLDER "10000000-0000-0000-0000-000000000000", 0600), 0);
        ASSERT_EQ(symlinkat("/dev/zero", t.fd, FOLDER "20000000-0000-0000-0000-000000000000"), 0);
        tree_mkdir(&t, FOLDER "30000000-0000-0000-0000-000000000000");
        fd = openat(t.fd, FOLDER "40000000-0000-0000-0000-000000000000",
                    O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        ASSERT_TRUE(fd >= 0);
        ASSERT_EQ(ftruncate(fd, (off_t) 1 << 40), 0);
        ASSERT_EQ(close(fd), 0);
        tree_write_bytes(&t, FOLDER "50000000-0000-0000-0000-000000000000", "{\n\0}", 4);
        tree_write(&t, FOLDER "60000000-0000-0000-0000-000000000000", "{\"\xff\"");
        tree_write(&t, FOLDER "70000000-0000-0000-0000-000000000000", "");
        check_store(&t, "",
                    PARENT "/10000000-0000-0000-0000-000000000000 !/etc/mdevctl.d/" PARENT
                           "/10000000-0000-0000-0000-000000000000: expected a plain file, found a "
                           "FIFO\n"
                    PARENT "/" UUID_A " t auto - reserve\n"
                    PARENT "/20000000-0000-0000-0000-000000000000 !/etc/mdevctl.d/" PARENT
                           "/20000000-0000-0000-0000-000000000000: expected a plain file, found a "
                           "symbolic link\n"
                    PARENT "/30000000-0000-0000-0000-000000000000 !/etc/mdevctl.d/" PARENT
                           "/30000000-0000-0000-0000-000000000000: expected a plain file, found a "
                           "folder\n"
                    PARENT "/40000000-0000-0000-0000-000000000000 !/etc/mdevctl.d/" PARENT
                           "/40000000-0000-0000-0000-000000000000: expected at most 1048576 bytes, "
                           "found 1099511627776\n"
                    PARENT "/50000000-0000-0000-0000-000000000000 !/etc/mdevctl.d/" PARENT
                           "/50000000-0000-0000-0000-000000000000:2:1: expected text, found a NUL "
                           "byte\n"
                    PARENT "/60000000-0000-0000-0000-000000000000 !/etc/mdevctl.d/" PARENT
                           "/60000000-0000-0000-0000-000000000000:1:3: expected text in UTF-8, "
                           "found the byte 0xff\n"
                    PARENT "/70000000-0000-0000-0000-000000000000 !/etc/mdevctl.d/" PARENT
                           "/70000000-0000-0000-0000-000000000000:1:1: expected a value, found the "
                           "end of the file");
}

TEST(folder_that_is_none) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        tree_write(&t, MDEVD_PATH_DEFINITIONS, "x");
        check_store(&t, "/etc/mdevctl.d:0:0: cannot list this folder: Not a directory", "");
}

TEST(extras) {
        _cleanup_(tree_done) Tree t;

        tree_init(&t);
        tree_write(&t, FOLDER UUID_A, DEFINITION);
        tree_write(&t, FOLDER UUID_B, "{\"mdev_type\":\"u\",\"start\":\"manual\"}");
        tree_write(&t, EXTRAS UUID_A ".json", "{\"owner\":\"vm é\",\"reserve\":false,\"new\":1}");
        tree_write(&t, EXTRAS UUID_B ".json", "{\"reserve\":true}");
        check_store(&t, "",
                    PARENT "/" UUID_A " t auto vm é\n" PARENT "/" UUID_B " u manual - reserve");

        /* without a definition they are nothing, whatever stands in them */
        ASSERT_EQ(unlinkat(t.fd, FOLDER UUID_A, 0), 0);
        tree_write(&t, EXTRAS "x.json", "{");
        tree_write(&t, EXTRAS UUID_B, "{");
        tree_write(&t, MDEVD_PATH_EXTRAS "/matrix/" UUID_B ".json", "{}");
        check_store(&t,
                    "/etc/mdevd/definitions/" PARENT "/" UUID_A ".json:0:0: warning: expected a "
                    "definition of this name, found none: it is ignored\n"
                    "/etc/mdevd/definitions/" PARENT "/" UUID_B ":0:0: warning: expected a "
                    "definition of this name, found none: it is ignored\n"
                    "/etc/mdevd/definitions/" PARENT "/x.json:0:0: warning: expected a definition "
                    "of this name, found none: it is ignored\n"
                    "/etc/mdevd/definitions/matrix/" UUID_B ".json:0:0: warning: expected a "
                    "definition of this name, found none: it is ignored",
                    PARENT "/" UUID_B " u manual - reserve");
}

/* An owner is not guessed: who it is for decides what it may have. */
TEST(bad_extras) {
        static const struct {
                const char *text;
                const char *why;
        } cases[] = {
                { "{", ":1:2: expected a key in double quotes, found the end of the file" },
                { "{\"owner\":1}",
                 ":1:10: expected an owner in quotes, at most 63 bytes of plain text, "
                 "found 1" },
                { "{\"owner\":\"a\\nb\"}",
                 ":1:10: expected an owner in quotes, at most 63 bytes of plain text, "
                 "found \"a\\u000ab\"" },
                { "{\"owner\":\"a\xef\xbf\xbe\"}", /* sd-bus would not send it */
                 ":1:10: expected an owner in quotes, at most 63 bytes of plain text, "
                 "found \"a\xef\xbf\xbe\"" },
                { "{\"owner\":\"a\\ufdd0\"}",
                 ":1:10: expected an owner in quotes, at most 63 bytes of plain text, "
                 "found \"a\xef\xb7\x90\"" },
                { "{\"owner\":\"a\xff\"}",
                 ":1:12: expected text in UTF-8, found the byte 0xff" },
                { "{\"reserve\":\"no\"}", ":1:12: expected true or false, found \"no\"" },
                { NULL, ": expected a plain file, found a symbolic link" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(tree_done) Tree t;
                _cleanup_(freep) char *result = NULL;

                tree_init(&t);
                tree_write(&t, FOLDER UUID_A, DEFINITION);
                tree_mkdir(&t, MDEVD_PATH_EXTRAS "/" PARENT);
                if (cases[i].text)
                        tree_write(&t, EXTRAS UUID_A ".json", cases[i].text);
                else
                        ASSERT_EQ(symlinkat("/dev/null", t.fd, EXTRAS UUID_A ".json"), 0);
                ASSERT_TRUE(asprintf(&result, "%s !/%s%s", PARENT "/" UUID_A,
                                     EXTRAS UUID_A ".json", cases[i].why) > 0);
                check_store(&t, "", result);
        }
}

static int parse_long(Definition **ret) {
        static const char text[] =
                "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"a\":\"1\"},{\"b\":\"2\"},"
                "{\"c\":3}]}";
        _cleanup_(definition_freep) Definition *d = NULL;
        Uuid uuid = {};
        int r;

        r = definition_new(&d, PARENT, &uuid);
        if (r < 0)
                return r;
        r = store_parse(d, "f", text, strlen(text));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

TEST(out_of_memory) {
        long before = alloc_balance();
        Definition *d = NULL;
        size_t n = 0;
        int r;

        FOR_EACH_ALLOCATION_FAILURE(r, parse_long(&d)) {
                ASSERT_EQ(r, -ENOMEM);
                ASSERT_EQ(alloc_balance(), before);
                n++;
        }
        ASSERT_OK(r);
        ASSERT_NOT_NULL(d->invalid);
        definition_free(d);
        ASSERT_EQ(alloc_balance(), before);
        ASSERT_TRUE(n > 10);
}

static int load_and_forget(const Tree *t) {
        _cleanup_(model_freep) Model *m = NULL;
        List problems = LIST_INIT(problems);
        int r;

        r = model_new(&m);
        if (r < 0)
                return r;
        r = store_load(m, t->fd, &problems);
        config_problems_clear(&problems);
        return r;
}

TEST(out_of_memory_loading) {
        _cleanup_(tree_done) Tree t;
        size_t n = 0;
        int r;

        tree_init(&t);
        tree_write(&t, FOLDER UUID_A, DEFINITION);
        tree_write(&t, FOLDER "README", "");
        ASSERT_EQ(symlinkat("/dev/null", t.fd, FOLDER UUID_B), 0);
        tree_write(&t, EXTRAS UUID_A ".json", "{\"owner\":\"vm1\"}");
        tree_write(&t, EXTRAS "x.json", "");
        FOR_EACH_ALLOCATION_FAILURE(r, load_and_forget(&t)) {
                ASSERT_EQ(r, -ENOMEM);
                n++;
        }
        ASSERT_OK(r);
        ASSERT_TRUE(n > 30);
}

TESTS_MAIN
