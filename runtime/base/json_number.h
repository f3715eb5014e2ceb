/* json_number: reads and writes JSON's numbers, exactly, whatever locale the program has set. Owns one locale. */
#ifndef RUNTIME_BASE_JSON_NUMBER_H
#define RUNTIME_BASE_JSON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/stepwell.h"

enum { JSON_NUMBER_BYTES_MAX = 32 }; /* of a number that is written */

/* Reads the number that [at, end) begins with (RFC 8259, 6): an integer where 64 bits hold it, signed or not, else a
 * double. Returns where it ends, or NULL with *wrong: not a number, or too large for a double. */
const char *json_number_read(const char *at, const char *end, sw_value *out, const char **wrong);

/* Writes the fewest digits that read back as this double, with a point or an exponent so that it stays a double, and
 * returns their end. d is finite. */
char *json_number_write(double d, char to[static JSON_NUMBER_BYTES_MAX]);

/* Writes n in decimal, at most 20 digits, and returns their end. */
char *json_integer_write(uint64_t n, char *to);

#endif
