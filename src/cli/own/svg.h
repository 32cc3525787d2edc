/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * svg.h: the map as a picture to hand around. Devices are told apart by patterns and letters, so it
 * can be printed in black and white.
 */
#pragma once

#include "cli/own/picture.h"

typedef struct Svg Svg;
typedef struct SvgPool SvgPool;

struct SvgPool {
        const JsonNode *parent, *pool;
        Picture picture;
};

struct Svg {
        SvgPool *pools;
        size_t n;
};

/* Nodes are borrowed. */
int svg_add_pool(Svg *svg, const JsonNode *parent, const JsonNode *pool);
void svg_done(Svg *svg);
void svg_print(const Svg *svg, FILE *f);
