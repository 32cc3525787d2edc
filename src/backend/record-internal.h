/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record-internal.h: parts of a record to and from JSON; shared by record*.c only. */
#pragma once

#include <json-c/json.h>

#include "backend/record.h"
#include "util/json-text.h"

/* Typed access: -EBADMSG for a missing key or one of another type or range. */
int json_get_string(json_object *o, const char *key, const char **ret);
int json_get_u64(json_object *o, const char *key, uint64_t max, uint64_t *ret);
int json_get_array(json_object *o, const char *key, size_t max, json_object **ret, size_t *ret_n);

/* The strings and numbers of a record; its kind is known. record-fields.c. */
int record_fields_from_json(Record *r, json_object *o);
bool record_fields_from_plain(Record *r, JsonPlain *p);
void record_fields_to_text(const Record *r, JsonText *t);

/* The moves, and how far they are: record-moves.c. A record without any has no key of them. */
int record_moves_from_json(Record *r, json_object *o);
void record_moves_to_text(const Record *r, JsonText *t);
int record_progress_from_json(Record *r, json_object *o);
void record_progress_to_text(const Record *r, JsonText *t);

/* Who has the device open: record-holders.c. Only a question's answer has the keys. */
int record_holders_from_json(Record *r, json_object *o);
void record_holders_to_text(const Record *r, JsonText *t);

int record_config_from_json(json_object *o, const char *name, Parent **ret);
/* An object, of that key or NULL. */
void record_config_to_text(const Parent *p, const char *key, JsonText *t);

/*
 * A line without its newline: the first into a new record, a change into one that has its first.
 * json-c reads all of them. False: record-plain.c does not. What a new record has got by then
 * counts for nothing; any other is as it was.
 */
int record_first_by_json(Record *r, const char *line, size_t size);
bool record_first_from_plain(Record *r, const char *line, size_t size);
int record_change_by_json(Record *r, const char *line, size_t size);
bool record_change_from_plain(Record *r, const char *line, size_t size);

/* One JSON object, of no more depth than a record has. -EBADMSG: it is none. */
int record_parse_object(const char *text, size_t size, json_object **ret);
