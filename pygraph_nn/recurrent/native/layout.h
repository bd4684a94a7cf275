/* Tables of the members of a struct, which structs.py compares with its own declaration. */

#pragma once

#include <stddef.h>

struct member {
    const char *name; /* NULL in the last row of a table, whose size is that of the struct */
    size_t offset, size;
};

#define MEMBER(type, name) {#name, offsetof(struct type, name), sizeof(((struct type *)0)->name)}
#define MEMBERS_END(type) {NULL, 0, sizeof(struct type)}
