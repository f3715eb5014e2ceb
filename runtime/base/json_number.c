#include "runtime/base/json_number.h"

#include <assert.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The C locale: a program may have set one whose decimal point is a comma. ---- */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

/* Sets the thread's locale to "C" and returns the former one, for uselocale(). newlocale() takes no memory for "C" in
 * glibc and musl; if it fails all the same, the program's locale stays. */
static locale_t use_c_locale(void)
{
    pthread_once(&c_locale_once, make_c_locale);
    return uselocale(c_locale);
}

/* ---- Reading ---- */

/* A number's parts: ±mantissa * 10^exponent. */
typedef struct number_parts {
    uint64_t mantissa; /* all digits as one number, if they fit */
    int64_t exponent;
    bool minus;
    bool fraction; /* has a point or an exponent: not an integer */
    bool fits;     /* mantissa has every digit */
} number_parts;

enum { EXPONENT_MAX = 100000000 };

static bool is_digit(const char *at, const char *end) { return at < end && *at >= '0' && *at <= '9'; }

static void number_add_digit(number_parts *p, char c)
{
    assert(c >= '0' && c <= '9');
    p->fits = p->fits && !__builtin_mul_overflow(p->mantissa, (uint64_t)10, &p->mantissa) &&
              !__builtin_add_overflow(p->mantissa, (uint64_t)(c - '0'), &p->mantissa);
}

static const char *number_read_exponent(const char *at, const char *end, number_parts *p)
{
    int64_t exponent = 0;
    bool minus = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    if (!is_digit(at, end)) return NULL;
    for (; is_digit(at, end); at++)
        if (exponent < EXPONENT_MAX) exponent = exponent * 10 + (*at - '0');
    p->exponent += minus ? -exponent : exponent;
    return at;
}

/* Reads [ minus ] int [ frac ] [ exp ] (RFC 8259, 6) into *p and returns its end; NULL: no number. */
static const char *number_scan(const char *at, const char *end, number_parts *p)
{
    *p = (number_parts){.minus = at < end && *at == '-', .fits = true};
    if (p->minus) at++;
    if (!is_digit(at, end)) return NULL;
    if (*at == '0' && is_digit(at + 1, end)) return NULL;
    for (; is_digit(at, end); at++) number_add_digit(p, *at);
    if (at < end && *at == '.') {
        p->fraction = true;
        const char *first = ++at;
        for (; is_digit(at, end); at++) number_add_digit(p, *at);
        if (at == first) return NULL;
        p->exponent -= at - first;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        p->fraction = true;
        return number_read_exponent(at + 1, end, p);
    }
    return at;
}

/* W. D. Clinger: a mantissa and a power of ten that doubles hold exactly give the nearest double in one operation. */
static bool number_read_exactly(const number_parts *p, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    _Static_assert(sizeof powers / sizeof powers[0] == 23, "a power for each exponent from 0 to 22");
    if (!p->fits || p->mantissa > UINT64_C(1) << 53 || p->exponent < -22 || p->exponent > 22) return false;
    double d = (double)p->mantissa;
    d = p->exponent < 0 ? d / powers[-p->exponent] : d * powers[p->exponent];
    *out = p->minus ? -d : d;
    return true;
}

/* Reads by strtod(), which wants a zero behind the text. False: out of memory. */
static bool number_read_slowly(const char *at, size_t len, double *out)
{
    char small[64], *copy = len < sizeof small ? small : malloc(len + 1);
    if (!copy) return false;
    memcpy(copy, at, len);
    copy[len] = 0;
    locale_t before = use_c_locale();
    *out = strtod(copy, NULL);
    uselocale(before);
    if (copy != small) free(copy);
    return true;
}

static bool number_read_integer(const number_parts *p, sw_value *out)
{
    uint64_t n = p->mantissa;
    if (p->fraction || !p->fits || (p->minus && n > (uint64_t)INT64_MAX + 1)) return false;
    if (p->minus && n > 0)
        *out = (sw_value){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = (int64_t)(0 - n)};
    else
        *out = (sw_value){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = n};
    return true;
}

const char *json_number_read(const char *at, const char *end, sw_value *out, const char **wrong)
{
    number_parts p;
    double d;
    const char *after = number_scan(at, end, &p);
    *wrong = "not a number";
    if (!after) return NULL;
    if (number_read_integer(&p, out)) return after;
    *wrong = "out of memory";
    if (!number_read_exactly(&p, &d) && !number_read_slowly(at, (size_t)(after - at), &d)) return NULL;
    *wrong = "a number too large for a double";
    if (!isfinite(d)) return NULL;
    *out = (sw_value){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = d};
    return after;
}

/* ---- Writing ---- */

void json_number_write(double d, char text[static JSON_NUMBER_BYTES_MAX])
{
    assert(isfinite(d));
    locale_t before = use_c_locale();
    /* 15 digits survive the way to a double and back, except in the smallest doubles, which have fewer. */
    int digits = fabs(d) < DBL_MIN ? 1 : DBL_DIG;
    do (void)snprintf(text, JSON_NUMBER_BYTES_MAX, "%.*g", digits, d);
    while (strtod(text, NULL) != d && ++digits <= DBL_DECIMAL_DIG);
    uselocale(before);
    assert(digits <= DBL_DECIMAL_DIG); /* so many digits lead back to every double */
    assert(strlen(text) + sizeof ".0" <= JSON_NUMBER_BYTES_MAX);
    if (!strpbrk(text, ".e")) strcat(text, ".0");
}
