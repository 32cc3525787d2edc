/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.c owns alignment and lengths: every value lies at a multiple of its size, counted from the
 * message's begin. Messages are written in this machine's byte order, and others are not read: both
 * ends of a system bus are on one machine.
 */
#include "cli/wire.h"

#include "util/macro.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_ORDER 'l'
#else
#define NATIVE_ORDER 'B'
#endif
#define CALL 1
#define VERSION 1
#define FLAG_INTERACTIVE 4
#define STRUCT 8 /* alignment of structs and entries of dictionaries */
#define BODY_SIZE_AT 4
#define FIELDS_SIZE_AT 12

enum { /* of the header */
        FIELD_PATH = 1,
        FIELD_INTERFACE = 2,
        FIELD_MEMBER = 3,
        FIELD_ERROR_NAME = 4,
        FIELD_REPLY_SERIAL = 5,
        FIELD_DESTINATION = 6,
        FIELD_SIGNATURE = 8,
};

static size_t round_up(size_t n, size_t to) {
        return (n + to - 1) & ~(to - 1);
}

/* ---- writing ---- */

void wire_done(Wire *w) {
        free(w->bytes);
        *w = (Wire) {};
}

/* Room for @size more bytes, which are zeros; NULL: there is none. */
static char *extend(Wire *w, size_t size) {
        char *end;

        if (!w->failed && w->room - w->size < size) {
                size_t room = MAX(2 * w->room, w->size + size + 512);
                char *bigger = realloc(w->bytes, room);

                w->failed = !bigger;
                w->bytes = bigger ?: w->bytes;
                w->room = bigger ? room : w->room;
        }
        if (w->failed)
                return NULL;
        end = w->bytes + w->size;
        memset(end, 0, size);
        w->size += size;
        return end;
}

static void put(Wire *w, const void *bytes, size_t size) {
        char *end = extend(w, size);

        if (end && size > 0)
                memcpy(end, bytes, size);
}

void wire_raw(Wire *w, const char *bytes, size_t size) {
        put(w, bytes, size);
}

static void align(Wire *w, size_t to) {
        size_t at = w->size - w->begin;

        if (round_up(at, to) > at)
                (void) extend(w, round_up(at, to) - at);
}

static void put_byte(Wire *w, uint8_t value) {
        put(w, &value, 1);
}

static void put_u32(Wire *w, uint32_t value) {
        align(w, sizeof(value));
        put(w, &value, sizeof(value));
}

/* A length that is known only now; @at is where it stands. */
static void set_u32(Wire *w, size_t at, size_t value) {
        uint32_t n = (uint32_t) value;

        if (!w->failed)
                memcpy(w->bytes + at, &n, sizeof(n));
}

void wire_bool(Wire *w, bool value) {
        put_u32(w, value);
}

void wire_string(Wire *w, const char *s) {
        size_t n = strlen(s);

        put_u32(w, (uint32_t) n);
        put(w, s, n + 1);
}

void wire_signature(Wire *w, const char *s) {
        size_t n = strlen(s);

        put_byte(w, (uint8_t) n);
        put(w, s, n + 1);
}

void wire_struct(Wire *w) {
        align(w, STRUCT);
}

/* Where its length stands, which does not count what lies between it and the first element. */
size_t wire_array(Wire *w) {
        size_t at;

        align(w, sizeof(uint32_t));
        at = w->size;
        put_u32(w, 0);
        align(w, STRUCT);
        return at;
}

void wire_array_end(Wire *w, size_t mark) {
        size_t first = round_up(mark - w->begin + sizeof(uint32_t), STRUCT);

        set_u32(w, mark, w->size - w->begin - first);
}

static void put_field(Wire *w, uint8_t code, const char *type, const char *value) {
        wire_struct(w);
        put_byte(w, code);
        wire_signature(w, type);
        if (streq(type, "g"))
                wire_signature(w, value);
        else
                wire_string(w, value);
}

void wire_begin(Wire *w, uint32_t serial, const WireCall *call) {
        size_t fields;

        w->begin = w->size;
        put_byte(w, NATIVE_ORDER);
        put_byte(w, CALL);
        put_byte(w, call->interactive ? FLAG_INTERACTIVE : 0);
        put_byte(w, VERSION);
        put_u32(w, 0); /* the body's size */
        put_u32(w, serial);
        fields = wire_array(w);
        put_field(w, FIELD_PATH, "o", call->path);
        put_field(w, FIELD_INTERFACE, "s", call->iface);
        put_field(w, FIELD_MEMBER, "s", call->member);
        put_field(w, FIELD_DESTINATION, "s", call->destination);
        if (call->signature)
                put_field(w, FIELD_SIGNATURE, "g", call->signature);
        wire_array_end(w, fields);
        align(w, STRUCT);
        w->body = w->size;
}

void wire_end(Wire *w) {
        set_u32(w, w->begin + BODY_SIZE_AT, w->size - w->body);
}

/* ---- reading ---- */

static int next(WireReader *r, size_t alignment, size_t size, const char **ret) {
        size_t at = round_up(r->at, alignment);

        if (at > r->size || size > r->size - at)
                return -EBADMSG;
        *ret = r->bytes + at;
        r->at = at + size;
        return 0;
}

static int next_byte(WireReader *r, uint8_t *ret) {
        const char *at;
        int q = next(r, 1, 1, &at);

        if (q >= 0)
                *ret = (uint8_t) *at;
        return q;
}

int wire_next_u32(WireReader *r, uint32_t *ret) {
        const char *at;
        int q = next(r, sizeof(*ret), sizeof(*ret), &at);

        if (q >= 0)
                memcpy(ret, at, sizeof(*ret));
        return q;
}

/* Terminated, and without a NUL in it. */
static int next_text(WireReader *r, size_t length, const char **ret) {
        int q = length < WIRE_MESSAGE_MAX ? next(r, 1, length + 1, ret) : -EBADMSG;

        return q < 0 ? q : strnlen(*ret, length + 1) == length ? 0 : -EBADMSG;
}

int wire_next_string(WireReader *r, const char **ret) {
        uint32_t length;
        int q = wire_next_u32(r, &length);

        return q < 0 ? q : next_text(r, length, ret);
}

static int next_signature(WireReader *r, const char **ret) {
        uint8_t length;
        int q = next_byte(r, &length);

        return q < 0 ? q : next_text(r, length, ret);
}

static uint32_t head_u32(const char *bytes, size_t at) {
        uint32_t value;

        memcpy(&value, bytes + at, sizeof(value));
        return value;
}

int wire_size(const char *bytes, size_t *ret) {
        size_t fields = head_u32(bytes, FIELDS_SIZE_AT), body = head_u32(bytes, BODY_SIZE_AT);

        if (bytes[0] != NATIVE_ORDER || bytes[3] != VERSION)
                return -EBADMSG;
        if (fields > WIRE_MESSAGE_MAX || body > WIRE_MESSAGE_MAX)
                return -EMSGSIZE;
        *ret = round_up(WIRE_HEAD + fields, STRUCT) + body;
        return 0;
}

/* Those that the specification does not have yet are of a basic type, too, and passed over. */
static int next_field(WireReader *r, WireMessage *m) {
        const char *type = "", *text = "";
        uint32_t number = 0;
        uint8_t code = 0;
        int q;

        q = next(r, STRUCT, 0, &text);
        if (q >= 0)
                q = next_byte(r, &code);
        if (q >= 0)
                q = next_signature(r, &type);
        if (q < 0)
                return q;
        if (streq(type, "s") || streq(type, "o"))
                q = wire_next_string(r, &text);
        else if (streq(type, "g"))
                q = next_signature(r, &text);
        else if (streq(type, "u"))
                q = wire_next_u32(r, &number);
        else
                return -EBADMSG;
        if (q < 0)
                return q;
        if (code == FIELD_REPLY_SERIAL && streq(type, "u"))
                m->answers = number;
        if (code == FIELD_ERROR_NAME && streq(type, "s"))
                m->error = text;
        if (code == FIELD_SIGNATURE && streq(type, "g"))
                m->signature = text;
        return 0;
}

int wire_read(const char *bytes, size_t size, WireMessage *ret) {
        WireMessage m = { .error = "", .signature = "" };
        WireReader r = { .bytes = bytes, .at = WIRE_HEAD };
        size_t expected, begin;
        int q = size >= WIRE_HEAD ? wire_size(bytes, &expected) : -EBADMSG;

        if (q < 0)
                return q;
        if (expected != size)
                return -EBADMSG;
        m.type = (uint8_t) bytes[1];
        r.size = WIRE_HEAD + head_u32(bytes, FIELDS_SIZE_AT);
        begin = round_up(r.size, STRUCT);
        while (r.at < r.size) {
                q = next_field(&r, &m);
                if (q < 0)
                        return q;
        }
        m.body = bytes + begin;
        m.body_size = size - begin;
        *ret = m;
        return 0;
}
