/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* types.h: forward declarations of the model's nouns, so that its headers may name each other. */
#pragma once

typedef struct Model Model;
typedef struct Parent Parent;
typedef struct Pool Pool;
typedef struct Type Type;
typedef struct Function Function;
typedef struct Device Device;
typedef struct Definition Definition;
typedef struct Extent Extent;
typedef struct Attribute Attribute;
typedef struct Request Request;
typedef struct Placement Placement;
typedef struct Event Event;
