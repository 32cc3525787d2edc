/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record-internal.h: parts of a record to and from JSON; shared by record*.c only. */
#pragma once

#include <json-c/json.h>

#include "backend/record.h"

/* Typed access: -EBADMSG for a missing key or one of another type or range. */
int json_get_string(json_object *o, const char *key, const char **ret);
int json_get_u64(json_object *o, const char *key, uint64_t max, uint64_t *ret);
int json_get_array(json_object *o, const char *key, size_t max, json_object **ret, size_t *ret_n);

/* 0 or -ENOMEM; @value may be NULL: the key is left out. Takes nothing. */
int json_put_string(json_object *o, const char *key, const char *value);
int json_put_u64(json_object *o, const char *key, uint64_t value);
/* Takes @value, also on failure; a NULL @value is -ENOMEM. */
int json_put(json_object *o, const char *key, json_object *value);
int json_append(json_object *array, json_object *value);

/* The strings and numbers of a record; its kind is known. record-fields.c. */
int record_fields_from_json(Record *r, json_object *o);
int record_fields_to_json(const Record *r, json_object *o);

/* The moves, and how far they are: record-moves.c. A record without any has no key of them. */
int record_moves_from_json(Record *r, json_object *o);
int record_moves_to_json(const Record *r, json_object *o);
int record_progress_from_json(Record *r, json_object *o);
int record_progress_to_json(const Record *r, json_object *o);

/* Who has the device open: record-holders.c. Only a question's answer has the keys. */
int record_holders_from_json(Record *r, json_object *o);
int record_holders_to_json(const Record *r, json_object *o);

int record_config_from_json(json_object *o, const char *name, Parent **ret);
json_object *record_config_to_json(const Parent *p);
