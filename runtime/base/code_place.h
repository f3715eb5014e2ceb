/* code_place: where a piece of the program's code comes from: the file that holds it (the program or a shared object),
 * and in which function and line its source is. Owns nothing. Finding the file is cheap; the line is asked of
 * addr2line, a process of its own, which takes a tenth of a second: never on a loop. */
#ifndef RUNTIME_BASE_CODE_PLACE_H
#define RUNTIME_BASE_CODE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

enum { CODE_NAME_TEXT = 256 };

typedef struct code_place {
    const char *file; /* the loader's, or "/proc/self/exe" */
    uint64_t address; /* in the file */
} code_place;

typedef struct code_name {
    char function[CODE_NAME_TEXT]; /* "": unknown */
    char line[CODE_NAME_TEXT];     /* "orders.c:41" with debug information and addr2line; else "orders+0x1a2b" */
} code_name;

/* Finds the file that `code` was loaded from. False: none was. From any thread. */
bool code_place_find(const void *code, code_place *out);

/* Which function is named where one is inlined into another: whose code it is, or the one around all of them. */
typedef enum code_depth { CODE_INNERMOST, CODE_OUTERMOST } code_depth;

/* Names the place for people; from a thread that may wait. */
void code_place_name(const char *file, uint64_t address, code_depth depth, code_name *out);

#endif
