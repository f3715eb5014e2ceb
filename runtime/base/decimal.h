/* decimal: turns doubles into decimal digits and back, exactly, without printf and strtod. Owns one table of powers of
 * ten, made at the first use. Never rounds twice: what it cannot decide is left to the caller. From any thread. */
#ifndef RUNTIME_BASE_DECIMAL_H
#define RUNTIME_BASE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* digits * 10^exponent */
typedef struct decimal {
    uint64_t digits; /* at most 17, the last of them not zero */
    int exponent;
} decimal;

/* Returns the fewest digits that read back as d, of these the nearest to d. d is finite and above zero. */
decimal decimal_of_double(double d);

/* Gives the double that is nearest to digits * 10^exponent, ties to even. False: the 128 bits of a power are too few to
 * decide, or the double would be subnormal or nearly infinite; *out is unchanged then. digits > 0. */
bool decimal_to_double(uint64_t digits, int64_t exponent, double *out);

#endif
