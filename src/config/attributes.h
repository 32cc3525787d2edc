/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attributes.h: a list of attributes as mdevctl writes it: [ { "name": "value" }, … ]. */
#pragma once

#include "model/definition.h"
#include "util/json.h"

/* The name of a type: one component of a path. */
bool type_name_is_valid(const char *s);
/* Appends in order; duplicates are kept. 0, JSON_BAD or negative errno. */
int attributes_decode(JsonSink *sink, const JsonNode *node, const char *expect,
                      Attribute **attributes, size_t *n_attributes);
