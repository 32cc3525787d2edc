/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of operations: there and back, torn at every byte, and from hostile hands. */
#include "test.h"

#include "backend/record-internal.h"

#define UUID "11111111-1111-4111-8111-111111111111"

static Record *new_create(void) {
        Record *r;

        ASSERT_OK(record_new(&r, RECORD_CREATE));
        r->parent = strdup("0000:00:05.0");
        r->parent_path = strdup("devices/pci0000:00/0000:00:05.0");
        r->type = strdup("mdevd-fb-16M");
        r->type_name = strdup("fb-16M");
        r->owner = strdup("vm \"1\" \xc3\xa4");
        r->client = strdup(":1.42");
        r->origin = ORIGIN_DEFINITION;
        r->ours = true;
        ASSERT_OK(uuid_parse(UUID, &r->uuid));
        r->extents[0] = (Extent){ .offset = UINT64_C(1) << 40, .size = 4096, .bar = 2 };
        r->extents[1] = (Extent){ .offset = 0, .size = 8192, .bar = 5, .guest_bar = 3 };
        r->n_extents = 2;
        ASSERT_OK(record_add_attribute(r, "a/b", "é\n2"));
        ASSERT_OK(record_add_attribute(r, "a/b", ""));
        return r;
}

static void assert_same(const Record *a, const Record *b) {
        ASSERT_EQ(a->kind, b->kind);
        ASSERT_STREQ(a->parent, b->parent);
        ASSERT_STREQ(a->parent_path, b->parent_path);
        ASSERT_STREQ(a->type, b->type);
        ASSERT_STREQ(a->type_name, b->type_name);
        ASSERT_STREQ(a->owner, b->owner);
        ASSERT_STREQ(a->client, b->client);
        ASSERT_TRUE(uuid_equal(&a->uuid, &b->uuid));
        ASSERT_EQ(a->origin, b->origin);
        ASSERT_EQ(a->ours, b->ours);
        ASSERT_EQ(a->n_extents, b->n_extents);
        for (size_t i = 0; i < a->n_extents; i++) {
                ASSERT_EQ(a->extents[i].offset, b->extents[i].offset);
                ASSERT_EQ(a->extents[i].size, b->extents[i].size);
                ASSERT_EQ(a->extents[i].bar, b->extents[i].bar);
                ASSERT_EQ(a->extents[i].guest_bar, b->extents[i].guest_bar);
        }
        ASSERT_EQ(a->n_attributes, b->n_attributes);
        for (size_t i = 0; i < a->n_attributes; i++) {
                ASSERT_STREQ(a->attributes[i].name, b->attributes[i].name);
                ASSERT_STREQ(a->attributes[i].value, b->attributes[i].value);
        }
}

/* The file as a worker leaves it after having come to the end. */
static char *journal_of(Record *r) {
        _cleanup_(freep) char *first = NULL, *pid = NULL, *reserved = NULL, *done = NULL;
        char *text;

        ASSERT_OK(record_format(r, &first));
        r->pid = 4711;
        ASSERT_OK(record_format_change(r, &pid));
        r->step = STEP_RESERVED;
        ASSERT_OK(record_format_change(r, &reserved));
        record_set_result(r, OUTCOME_NO_ROOM, -ENOSPC, strdup("No \"room\".\n"));
        r->took_us = 4321;
        ASSERT_OK(record_format_change(r, &done));
        ASSERT_TRUE(asprintf(&text, "%s%s%s%s", first, pid, reserved, done) >= 0);
        return text;
}

TEST(there_and_back) {
        _cleanup_(record_freep) Record *r = new_create(), *back = NULL;
        _cleanup_(freep) char *text = NULL, *name = NULL;

        ASSERT_OK(record_name(r, &name));
        ASSERT_STREQ(name, "0000:00:05.0:" UUID);
        text = journal_of(r);
        ASSERT_OK(record_parse(&back, text, strlen(text)));
        assert_same(r, back);
        ASSERT_EQ(back->step, STEP_DONE);
        ASSERT_EQ(back->took_us, 4321);
        ASSERT_EQ(back->pid, 4711);
        ASSERT_EQ(back->outcome, OUTCOME_NO_ROOM);
        ASSERT_EQ(back->error, -ENOSPC);
        ASSERT_STREQ(back->text, "No \"room\".\n");
}

TEST(the_last_line_alone_has_the_result) {
        _cleanup_(record_freep) Record *r = new_create(), *back = NULL, *torn = NULL;
        _cleanup_(freep) char *line = NULL, *two = NULL;

        r->pid = 4711;
        record_set_result(r, OUTCOME_NO_ROOM, -ENOSPC, strdup("No \"room\".\n"));
        ASSERT_OK(record_format_change(r, &line));
        ASSERT_OK(record_new(&back, RECORD_CREATE));
        ASSERT_OK(record_parse_change(back, line));
        ASSERT_EQ(back->step, STEP_DONE);
        ASSERT_EQ(back->pid, 4711);
        ASSERT_EQ(back->outcome, OUTCOME_NO_ROOM);
        ASSERT_EQ(back->error, -ENOSPC);
        ASSERT_STREQ(back->text, "No \"room\".\n");
        ASSERT_TRUE(asprintf(&two, "%s%s", line, line) >= 0);
        ASSERT_EQ(record_parse_change(back, two), -EBADMSG);
        ASSERT_OK(record_new(&torn, RECORD_CREATE));
        for (size_t n = strlen(line); n-- > 0;) {
                line[n] = '\0';
                ASSERT_EQ(record_parse_change(torn, line), -EBADMSG);
        }
}

/* Cut anywhere after its first line it is what had been written whole. */
TEST(torn_at_every_byte) {
        _cleanup_(record_freep) Record *r = new_create();
        _cleanup_(freep) char *text = journal_of(r);
        size_t first = strcspn(text, "\n") + 1, lines = 0;
        RecordStep last = STEP_WRITTEN;

        for (size_t size = 0; size <= strlen(text); size++) {
                _cleanup_(record_freep) Record *back = NULL;

                if (size < first) {
                        ASSERT_EQ(record_parse(&back, text, size), -EBADMSG);
                        continue;
                }
                ASSERT_OK(record_parse(&back, text, size));
                assert_same(r, back);
                ASSERT_TRUE(back->step >= last);
                lines += back->step != last;
                last = back->step;
        }
        ASSERT_EQ(last, STEP_DONE);
        ASSERT_EQ(lines, 2);
}

/* Any byte changed: it is refused or it is a record, and nothing is read out of bounds. */
TEST(every_byte_changed) {
        static const char changes[] = { '\0', '\n', '"', '{', '}', '[',
                                        ',', '9', '-', '\\', '\xff' };
        _cleanup_(record_freep) Record *r = new_create();
        _cleanup_(freep) char *text = journal_of(r);
        size_t size = strlen(text), refused = 0;

        for (size_t i = 0; i < size; i++)
                for (size_t k = 0; k < sizeof(changes); k++) {
                        _cleanup_(record_freep) Record *back = NULL;
                        _cleanup_(freep) char *copy = malloc(size);
                        int result;

                        ASSERT_NOT_NULL(copy);
                        memcpy(copy, text, size);
                        copy[i] = changes[k];
                        result = record_parse(&back, copy, size);
                        ASSERT_TRUE(result == 0 || result == -EBADMSG);
                        refused += result < 0;
                }
        ASSERT_TRUE(refused > size);
}

static int parse(const char *text) {
        _cleanup_(record_freep) Record *r = NULL;

        return record_parse(&r, text, strlen(text));
}

/* In the order in which it is written: what is wrong is seen where json-c is not asked, too. */
#define RECORD(kind, uuid, rest)                                                                   \
        "{\"kind\":\"" kind "\",\"uuid\":\"" uuid "\",\"origin\":\"request\",\"ours\":0,"          \
        "\"parent\":\"p\"," rest ",\"step\":\"written\",\"pid\":0}\n"
#define PATH "\"path\":\"devices/p\""

TEST(hostile_records) {
        static const char *const bad[] = {
                RECORD("create", UUID, PATH), /* a create without a type */
                RECORD("create", UUID, PATH ",\"type\":\"../x\""),
                RECORD("create", UUID, PATH ",\"type\":\"..\""),
                RECORD("create", UUID, PATH ",\"type\":\"\""),
                RECORD("create", UUID, PATH ",\"type\":5"),
                RECORD("create", UUID, PATH ",\"type\":\"a\\u0000b\""),
                RECORD("create", "x", PATH ",\"type\":\"t\""),
                RECORD("dance", UUID, PATH ",\"type\":\"t\""),
                RECORD("stop", UUID, "\"path\":\"/etc\""),
                RECORD("stop", UUID, "\"path\":\"devices/../../etc\""),
                RECORD("stop", UUID, "\"path\":\"devices//x\""),
                RECORD("stop", UUID, "\"path\":\"devices/\""),
                RECORD("stop", UUID, "\"path\":\"devices/./x\""),
                RECORD("stop", UUID, "\"path\":\"class/x\""),
                RECORD("stop", UUID, PATH ",\"owner\":\"a\\nb\""),
                RECORD("stop", UUID, PATH ",\"function\":\"devices/y\""), /* of which type? */
                RECORD("create", UUID, PATH ",\"type\":\"t\",\"extents\":[{}]"),
                RECORD("create", UUID, PATH ",\"type\":\"t\",\"extents\":[null]"),
                RECORD("create", UUID, PATH ",\"type\":\"t\",\"extents\":{}"),
                RECORD("create", UUID, PATH ",\"type\":\"t\",\"extents\":[{\"bar\":6,\"guest\":0,"
                                            "\"offset\":0,\"size\":1}]"),
                RECORD("create", UUID, PATH ",\"type\":\"t\",\"extents\":[{\"bar\":-1,\"guest\":0,"
                                            "\"offset\":0,\"size\":1}]"),
                RECORD("create", UUID, PATH ",\"type\":\"t\",\"attributes\":[{\"name\":\"a\"}]"),
                RECORD("configure", UUID, PATH),
                RECORD("configure", UUID, PATH ",\"config\":{\"pools\":[{}],\"types\":[]}"),
                RECORD("stop", UUID, PATH) "{\"step\":\"nowhere\",\"pid\":1}\n",
                RECORD("stop", UUID, PATH) "{\"step\":\"done\",\"pid\":1}\n",
                RECORD("stop", UUID, PATH) "\n",
                RECORD("stop", UUID, PATH) "{\"step\":\"done\",\"pid\":1,\"outcome\":\"ok\","
                                           "\"errno\":99999}\n",
                RECORD("stop", UUID, PATH ",\"x\":[[[[[[[[[[[[]]]]]]]]]]]]"),
        };

        ASSERT_OK(parse(RECORD("stop", UUID, PATH)));
        ASSERT_OK(parse(RECORD("stop", UUID, PATH ",\"function\":\"devices/y\",\"type\":\"t\"")));
        ASSERT_OK(parse(RECORD("create", UUID, PATH ",\"type\":\"t\"")));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (parse(bad[i]) != -EBADMSG)
                        test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
}

TEST(limits) {
        _cleanup_(record_freep) Record *r = new_create();
        _cleanup_(freep) char *big = malloc(RECORD_SIZE_MAX + 2), *text = NULL;
        char huge[2048];

        for (size_t i = r->n_attributes; i < RECORD_ATTRIBUTES_MAX; i++)
                ASSERT_OK(record_add_attribute(r, "n", "v"));
        ASSERT_EQ(record_add_attribute(r, "n", "v"), -E2BIG);

        ASSERT_NOT_NULL(big);
        memset(big, ' ', RECORD_SIZE_MAX + 1);
        ASSERT_EQ(record_parse(&(Record *){ NULL }, big, RECORD_SIZE_MAX + 1), -EBADMSG);

        /* what would not be read back is not written */
        memset(huge, 'x', sizeof(huge) - 1);
        huge[sizeof(huge) - 1] = '\0';
        for (size_t i = 0; i < r->n_attributes; i++) {
                free(r->attributes[i].value);
                r->attributes[i].value = strdup(huge);
        }
        ASSERT_EQ(record_format(r, &text), -E2BIG);
}

TEST(configuration_travels) {
        static const char configuration[] =
                "{\"kind\":\"configure\",\"uuid\":\"00000000-0000-0000-0000-000000000000\","
                "\"origin\":\"foreign\",\"ours\":1,\"parent\":\"0000:00:05.0\","
                "\"path\":\"devices\\/p\",\"config\":{\"vendor\":\"edu\",\"unsafe_dma\":1,"
                "\"pools\":[{\"name\":\"fb\",\"offset\":4096,\"size\":8589934592,\"bar\":2,"
                "\"kind\":1,\"cache\":1,\"scrub\":1}],\"types\":[{\"name\":\"t\","
                "\"label\":\"A label\",\"map\":1,\"vectors\":0,\"movable\":1,\"vendor\":6900,"
                "\"device\":0,\"subvendor\":0,\"subdevice\":0,\"class\":196608,"
                "\"bars\":[{\"size\":4096,\"64bit\":1,\"prefetch\":0},{\"size\":0,\"64bit\":0,"
                "\"prefetch\":0},{\"size\":0,\"64bit\":0,\"prefetch\":0},{\"size\":0,"
                "\"64bit\":0,\"prefetch\":0},{\"size\":0,\"64bit\":0,\"prefetch\":0},"
                "{\"size\":8192,\"64bit\":0,\"prefetch\":0}],\"parts\":[{\"kind\":2,\"bar\":1,"
                "\"parent_bar\":4,\"offset\":4096,\"size\":8192,\"parent_offset\":12288},"
                "{\"kind\":3,\"bar\":0,\"parent_bar\":0,\"offset\":0,\"size\":4096,"
                "\"parent_offset\":0}]}]},\"step\":\"written\",\"pid\":0}\n";
        _cleanup_(record_freep) Record *r = NULL, *back = NULL;
        _cleanup_(parent_freep) Parent *p = NULL;
        _cleanup_(freep) char *text = NULL, *name = NULL;
        const Pool *pool2;
        const Type *type2;
        Pool *pool;
        Type *type;

        ASSERT_OK(parent_new(&p, "0000:00:05.0"));
        ASSERT_OK(pool_new(&pool, "fb"));
        pool->offset = 4096;
        pool->size = UINT64_C(1) << 33;
        pool->bar = 2;
        pool->cache = CACHE_WC;
        pool->kind = POOL_REGISTERS;
        pool->scrub = SCRUB_NONE;
        parent_link_pool(p, pool);
        ASSERT_OK(type_new(&type, "mdevd-t"));
        free(type->name);
        type->name = strdup("t");
        type->label = strdup("A label");
        type->ours = true;
        type->vendor = 0x1af4;
        type->class = 0x030000;
        type->map = MAP_EAGER;
        type->bars[5].size = 8192;
        type->bars[0].size = 4096;
        type->bars[0].is_64bit = true;
        type->movable = true;
        type->parts[0] = (TypePart){ .kind = PART_SHARED, .bar = 1, .parent_bar = 4,
                                     .offset = 4096, .size = 8192, .parent_offset = 12288 };
        type->parts[1] = (TypePart){ .kind = PART_VENDOR, .size = 4096 };
        parent_link_type(p, type);
        p->vendor = strdup("edu");
        p->unsafe_dma = true;

        ASSERT_OK(record_new(&r, RECORD_CONFIGURE));
        r->parent = strdup(p->name);
        r->parent_path = strdup("devices/p");
        r->ours = true;
        ASSERT_OK(record_set_config(r, p));
        ASSERT_OK(record_name(r, &name));
        ASSERT_STREQ(name, "0000:00:05.0");
        ASSERT_OK(record_format(r, &text));
        ASSERT_STREQ(text, configuration);
        ASSERT_OK(record_parse(&back, text, strlen(text)));
        pool2 = parent_find_pool(back->config, "fb");
        type2 = parent_find_type(back->config, "t");
        ASSERT_TRUE(pool2 && type2);
        ASSERT_EQ(pool2->offset, 4096);
        ASSERT_EQ(pool2->size, UINT64_C(1) << 33);
        ASSERT_EQ(pool2->bar, 2);
        ASSERT_EQ(pool2->cache, CACHE_WC);
        ASSERT_EQ(pool2->kind, POOL_REGISTERS);
        ASSERT_EQ(pool2->scrub, SCRUB_NONE);
        ASSERT_STREQ(type2->id, "mdevd-t");
        ASSERT_STREQ(type2->label, "A label");
        ASSERT_EQ(type2->vendor, 0x1af4);
        ASSERT_EQ(type2->class, 0x030000);
        ASSERT_EQ(type2->map, MAP_EAGER);
        ASSERT_EQ(type2->bars[5].size, 8192);
        ASSERT_EQ(type2->bars[1].size, 0);
        ASSERT_TRUE(type2->bars[0].is_64bit);
        ASSERT_FALSE(type2->bars[0].prefetch);
        ASSERT_TRUE(type2->movable);
        ASSERT_EQ(type2->parts[0].kind, PART_SHARED);
        ASSERT_EQ(type2->parts[0].bar, 1);
        ASSERT_EQ(type2->parts[0].parent_bar, 4);
        ASSERT_EQ(type2->parts[0].offset, 4096);
        ASSERT_EQ(type2->parts[0].size, 8192);
        ASSERT_EQ(type2->parts[0].parent_offset, 12288);
        ASSERT_EQ(type2->parts[1].kind, PART_VENDOR);
        ASSERT_EQ(type2->parts[2].kind, PART_NONE);
        ASSERT_STREQ(back->config->vendor, "edu");
        ASSERT_TRUE(back->config->unsafe_dma);
}

/* Each member that there can be, where it was since there are records. */
TEST(what_is_on_disk_stays) {
        static const char first[] =
                "{\"kind\":\"create\",\"uuid\":\"" UUID "\",\"origin\":\"definition\","
                "\"ours\":1,"
                "\"parent\":\"0000:00:05.0\","
                "\"path\":\"devices\\/pci0000:00\\/0000:00:05.0\","
                "\"function\":\"devices\\/f\",\"type\":\"mdevd-fb-16M\",\"name\":\"fb-16M\","
                "\"owner\":\"vm \\\"1\\\" \xc3\xa4\",\"client\":\":1.42\",\"opener_name\":\"o\","
                "\"profile\":\"p\",\"define\":1,\"autostart\":1,\"reserve\":1,\"live\":1,"
                "\"relabel\":1,\"insist\":1,\"force\":1,\"id\":2,\"caller\":3,"
                "\"opened\":4,\"opener\":5,"
                "\"hold_ms\":6,\"pause_ms\":7,\"release\":1,\"mend\":1,"
                "\"lease\":1,\"linger_sec\":8,"
                "\"extents\":[{\"bar\":2,\"guest\":0,\"offset\":1099511627776,\"size\":4096},"
                "{\"bar\":5,\"guest\":3,\"offset\":0,\"size\":8192}],"
                "\"attributes\":[{\"name\":\"a\\/b\",\"value\":\"\xc3\xa9\\n2\"},"
                "{\"name\":\"a\\/b\",\"value\":\"\"}],"
                "\"moves\":[{\"uuid\":\"" UUID "\",\"extent\":1,\"bar\":2,"
                "\"offset\":18446744073709551615,\"size\":4096}],"
                "\"step\":\"written\",\"pid\":0,\"done\":0,\"bytes\":0,\"longest_us\":0}\n";
        static const char last[] =
                "{\"step\":\"done\",\"pid\":4711,\"done\":1,\"bytes\":4096,\"longest_us\":12,"
                "\"outcome\":\"no-room\",\"errno\":28,\"took_us\":13,\"text\":\"No.\\n\","
                "\"who\":\"q (pid 1)\",\"holders\":[{\"pid\":14,\"uses\":1,\"command\":\"c\","
                "\"machine\":\"m\",\"where\":\"w\"}],\"n_holders\":1}\n";
        _cleanup_(record_freep) Record *r = new_create();
        _cleanup_(freep) char *text = NULL, *change = NULL;
        RecordMove move = { .extent = 1,
                            .to = { .bar = 2, .offset = UINT64_MAX, .size = 4096 } };

        r->function = strdup("devices/f");
        r->opener_name = strdup("o");
        r->profile = strdup("p");
        r->define = r->autostart = r->reserve = r->live = r->relabel = r->insist = r->force = true;
        r->release = r->mend = true;
        r->id = 2;
        r->caller = 3;
        r->opened = 4;
        r->opener = 5;
        r->hold_ms = 6;
        r->pause_ms = 7;
        r->lease = 1;
        r->linger_sec = 8;
        move.uuid = r->uuid;
        ASSERT_OK(record_add_move(r, &move));
        ASSERT_OK(record_format(r, &text));
        ASSERT_STREQ(text, first);

        r->pid = 4711;
        r->n_moved = 1;
        r->moved = 4096;
        r->longest_us = 12;
        r->took_us = 13;
        r->who = strdup("q (pid 1)");
        r->holders = calloc(1, sizeof(*r->holders));
        ASSERT_NOT_NULL(r->holders);
        *r->holders = (Holders){ .n = 1 };
        r->holders->holders[0] = (Holder){ .pid = 14, .uses = true, .command = "c",
                                           .machine = "m", .where = "w" };
        record_set_result(r, OUTCOME_NO_ROOM, -ENOSPC, strdup("No.\n"));
        ASSERT_OK(record_format_change(r, &change));
        ASSERT_STREQ(change, last);
}

static Record *new_plain(void) {
        Record *r = new_create();

        attributes_free(r->attributes, r->n_attributes);
        r->attributes = NULL;
        r->n_attributes = 0;
        free(r->owner);
        r->owner = NULL;
        r->define = true;
        r->linger_sec = 30;
        return r;
}

static void assert_same_text(const Record *a, const Record *b) {
        _cleanup_(freep) char *text = NULL, *again = NULL;

        ASSERT_OK(record_format(a, &text));
        ASSERT_OK(record_format(b, &again));
        ASSERT_STREQ(text, again);
}

/* Whether json-c was not asked; what it says is the same. */
static bool is_plain(const char *line, bool first) {
        _cleanup_(record_freep) Record *r = NULL, *again = NULL;
        size_t size = strlen(line);
        bool plain;

        ASSERT_OK(record_new(&r, RECORD_CREATE));
        ASSERT_OK(record_new(&again, RECORD_CREATE));
        plain = first ? record_first_from_plain(r, line, size) :
                        record_change_from_plain(r, line, size);
        if (plain) {
                ASSERT_OK(first ? record_first_by_json(again, line, size) :
                                  record_change_by_json(again, line, size));
                ASSERT_EQ(r->took_us, again->took_us);
        }
        if (plain || !first)
                assert_same_text(r, again); /* of a change that is not, nothing is taken */
        return plain;
}

/* A create that succeeds: for these it is done, and a number of them comes at once. */
TEST(most_are_plain) {
        _cleanup_(record_freep) Record *r = new_plain(), *stop = NULL;
        _cleanup_(freep) char *first = NULL, *pid = NULL, *done = NULL, *refused = NULL,
                              *stopped = NULL, *attributes = NULL;

        ASSERT_OK(record_format(r, &first));
        ASSERT_TRUE(is_plain(strtok(first, "\n"), true));
        r->pid = 4711;
        r->step = STEP_RESERVED;
        ASSERT_OK(record_format_change(r, &pid));
        ASSERT_TRUE(is_plain(strtok(pid, "\n"), false));
        r->took_us = 12;
        record_set_result(r, OUTCOME_OK, 0, NULL);
        ASSERT_OK(record_format_change(r, &done));
        ASSERT_TRUE(is_plain(strtok(done, "\n"), false));
        record_set_result(r, OUTCOME_NO_ROOM, -ENOSPC, strdup("No."));
        ASSERT_OK(record_format_change(r, &refused));
        ASSERT_FALSE(is_plain(strtok(refused, "\n"), false));
        ASSERT_OK(record_add_attribute(r, "a", "b"));
        ASSERT_OK(record_format(r, &attributes));
        ASSERT_FALSE(is_plain(strtok(attributes, "\n"), true));

        ASSERT_OK(record_new(&stop, RECORD_STOP));
        stop->parent = strdup("p");
        stop->parent_path = strdup("devices/p");
        stop->opened = 3;
        ASSERT_OK(record_format(stop, &stopped));
        ASSERT_TRUE(is_plain(strtok(stopped, "\n"), true));
}

/* With any byte changed it is what json-c says that it is. */
static size_t change_every_byte(const char *line, bool first) {
        static const char changes[] = "\n\"{}[],:019-. \\/e\x7f\xc3";
        _cleanup_(freep) char *copy = strdup(line);
        size_t n = 0;

        ASSERT_NOT_NULL(copy);
        for (size_t i = 0; line[i]; i++) {
                for (const char *c = changes; *c; c++) {
                        copy[i] = *c;
                        n += is_plain(copy, first);
                }
                copy[i] = line[i];
        }
        return n;
}

TEST(plain_is_what_json_c_says) {
        _cleanup_(record_freep) Record *r = new_plain();
        _cleanup_(freep) char *first = NULL, *done = NULL;

        ASSERT_OK(record_format(r, &first));
        ASSERT_TRUE(change_every_byte(strtok(first, "\n"), true) > 0);
        r->took_us = 12;
        record_set_result(r, OUTCOME_OK, 0, NULL);
        ASSERT_OK(record_format_change(r, &done));
        ASSERT_TRUE(change_every_byte(strtok(done, "\n"), false) > 0);
}

TESTS_MAIN
