/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.h: D-Bus messages as bytes (D-Bus Specification 0.41, "Message Protocol"), as much of them
 * as a command of mdevctl needs: method calls are written, replies and errors read. Nothing here
 * does any I/O. libsystemd can do it all, but to load it, and the five libraries that it needs,
 * costs several times what a start without them does; who makes one call and ends does without.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer ones are refused: what answers a command is a path, a UUID or a sentence. */
#define WIRE_MESSAGE_MAX (1u << 20)
/* What wire_size() looks at. */
#define WIRE_HEAD 16

typedef struct Wire Wire;
typedef struct WireCall WireCall;
typedef struct WireMessage WireMessage;
typedef struct WireReader WireReader;

/* Messages that are written, one after the other. */
struct Wire {
        char *bytes;
        size_t size, room;
        size_t begin; /* of the message that is being written */
        size_t body;  /* of its arguments */
        bool failed;  /* there was no memory; all else is ignored */
};

struct WireCall {
        const char *destination, *path, *iface, *member;
        const char *signature; /* NULL: no arguments */
        bool interactive;      /* a person may be asked for a password */
};

enum {
        WIRE_REPLY = 2,
        WIRE_ERROR = 3,
};

/* A message that was read; all of it is borrowed from the bytes that it was read from. */
struct WireMessage {
        unsigned type; /* WIRE_REPLY, WIRE_ERROR, or what is of no interest */
        uint32_t answers; /* serial of the call; 0: it answers none */
        const char *error; /* its name, or "" */
        const char *signature;
        const char *body;
        size_t body_size;
};

struct WireReader {
        const char *bytes;
        size_t size, at;
};

void wire_done(Wire *w);

/* Bytes that are no message: what opens a connection. */
void wire_raw(Wire *w, const char *bytes, size_t size);
void wire_begin(Wire *w, uint32_t serial, const WireCall *call);
void wire_end(Wire *w);
void wire_bool(Wire *w, bool value);
void wire_string(Wire *w, const char *s); /* or an object path */
void wire_signature(Wire *w, const char *s);
/* A struct or an entry of a dictionary. */
void wire_struct(Wire *w);
/* An array of these; wire_array_end() takes what wire_array() gave. */
size_t wire_array(Wire *w);
void wire_array_end(Wire *w, size_t mark);

/* How long the message is that begins with these WIRE_HEAD bytes. -EBADMSG, -EMSGSIZE. */
int wire_size(const char *bytes, size_t *ret);
/* Reads all of one. -EBADMSG: it is none. */
int wire_read(const char *bytes, size_t size, WireMessage *ret);

/* The next of the arguments; -EBADMSG. */
int wire_next_string(WireReader *r, const char **ret); /* or an object path */
int wire_next_u32(WireReader *r, uint32_t *ret);       /* or a boolean */
