#include "runtime/base/json_number.h"

#include <assert.h>
#include <fenv.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/decimal.h"

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
    bool fraction;   /* has a point or an exponent: not an integer */
    bool fits;       /* mantissa has every digit */
    int digits_left; /* so many more digits fit, whatever they are */
} number_parts;

enum { EXPONENT_MAX = 100000000, FITTING_DIGITS = 19 };

_Static_assert(UINT64_C(9999999999999999999) < UINT64_MAX, "FITTING_DIGITS always fit a mantissa");

static bool is_digit(const char *at, const char *end) { return at < end && *at >= '0' && *at <= '9'; }

/* Adds the digits that [at, end) begins with and returns their end. */
static const char *number_add_digits(number_parts *p, const char *at, const char *end)
{
    uint64_t mantissa = p->mantissa;
    const char *fitting_end = end - at > p->digits_left ? at + p->digits_left : end, *first = at;
    for (; is_digit(at, fitting_end); at++) mantissa = mantissa * 10 + (uint64_t)(*at - '0');
    p->digits_left -= (int)(at - first);
    assert(p->digits_left >= 0);
    for (; is_digit(at, end); at++)
        p->fits = p->fits && !__builtin_mul_overflow(mantissa, (uint64_t)10, &mantissa) &&
                  !__builtin_add_overflow(mantissa, (uint64_t)(*at - '0'), &mantissa);
    p->mantissa = mantissa;
    return at;
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
    *p = (number_parts){.minus = at < end && *at == '-', .fits = true, .digits_left = FITTING_DIGITS};
    if (p->minus) at++;
    if (!is_digit(at, end)) return NULL;
    if (*at == '0' && is_digit(at + 1, end)) return NULL;
    at = number_add_digits(p, at, end);
    if (at < end && *at == '.') {
        p->fraction = true;
        const char *first = ++at;
        at = number_add_digits(p, at, end);
        if (at == first) return NULL;
        p->exponent -= at - first;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        p->fraction = true;
        return number_read_exponent(at + 1, end, p);
    }
    return at;
}

/* Reads nearly every double, with integers alone. */
static bool number_read_fast(const number_parts *p, double *out)
{
    double d = 0;
    if (!p->fits || (p->mantissa > 0 && !decimal_to_double(p->mantissa, p->exponent, &d))) return false;
    *out = p->minus ? -d : d;
    return true;
}

/* Reads by strtod(), which wants a zero behind the text, and rounds as the thread does: a handler may have called
 * fesetround(). False: out of memory. */
static bool number_read_slowly(const char *at, size_t len, double *out)
{
    char small[64], *copy = len < sizeof small ? small : malloc(len + 1);
    if (!copy) return false;
    memcpy(copy, at, len);
    copy[len] = 0;
    int rounding = fegetround();
    locale_t before = use_c_locale();
    (void)fesetround(FE_TONEAREST);
    *out = strtod(copy, NULL);
    (void)fesetround(rounding);
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
    if (!number_read_fast(&p, &d) && !number_read_slowly(at, (size_t)(after - at), &d)) return NULL;
    *wrong = "a number too large for a double";
    if (!isfinite(d)) return NULL;
    *out = (sw_value){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = d};
    return after;
}

/* ---- Writing ---- */

enum {
    FIXED_EXPONENT_MIN = -4, /* 0.0001; smaller ones are written with an exponent */
    FIXED_DIGITS = DBL_DIG   /* numbers of so many digits before the point are written without an exponent */
};

static char *put_zeros(char *to, int count)
{
    assert(count >= 0 && count <= FIXED_DIGITS);
    memset(to, '0', (size_t)count);
    return to + count;
}

static char *put_digits(char *to, const char *digits, int count)
{
    assert(count >= 0 && count <= DBL_DECIMAL_DIG);
    memcpy(to, digits, (size_t)count);
    return to + count;
}

/* Writes [digits with a point before digits[point]], where the point may lie before or behind all of them. */
static char *put_fixed(char *to, const char *digits, int count, int point)
{
    if (point <= 0) {
        to = put_zeros(put_digits(to, "0.", 2), -point);
        return put_digits(to, digits, count);
    }
    if (point >= count) return put_digits(put_zeros(put_digits(to, digits, count), point - count), ".0", 2);
    to = put_digits(to, digits, point);
    *to++ = '.';
    return put_digits(to, digits + point, count - point);
}

/* Writes d.ddde+NN, with two digits of exponent at least, as printf does. */
static char *put_scientific(char *to, const char *digits, int count, int exponent)
{
    *to++ = digits[0];
    if (count > 1) {
        *to++ = '.';
        to = put_digits(to, digits + 1, count - 1);
    }
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    unsigned n = (unsigned)abs(exponent);
    assert(n < 1000);
    if (n >= 100) *to++ = (char)('0' + n / 100);
    *to++ = (char)('0' + n / 10 % 10);
    *to++ = (char)('0' + n % 10);
    return to;
}

char *json_integer_write(uint64_t n, char *to)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    _Static_assert(sizeof pairs == 2 * 100 + 1, "two digits for each number below 100");
    char digits[JSON_NUMBER_BYTES_MAX], *const end = digits + sizeof digits, *first = end;
    for (; n >= 100; n /= 100) memcpy(first -= 2, pairs + n % 100 * 2, 2);
    if (n >= 10)
        memcpy(first -= 2, pairs + n * 2, 2);
    else
        *--first = (char)('0' + n);
    assert(first >= digits);
    memcpy(to, first, (size_t)(end - first));
    return to + (end - first);
}

char *json_number_write(double d, char to[static JSON_NUMBER_BYTES_MAX])
{
    char digits[JSON_NUMBER_BYTES_MAX], *start = to;
    assert(isfinite(d));
    if (signbit(d)) *to++ = '-';
    if (d == 0) return put_digits(to, "0.0", 3);
    decimal shortest = decimal_of_double(fabs(d));
    int count = (int)(json_integer_write(shortest.digits, digits) - digits);
    int exponent = shortest.exponent + count - 1; /* of the first digit */
    bool is_fixed = exponent >= FIXED_EXPONENT_MIN && exponent < (count > FIXED_DIGITS ? count : FIXED_DIGITS);
    to = is_fixed ? put_fixed(to, digits, count, exponent + 1) : put_scientific(to, digits, count, exponent);
    assert(to - start <= JSON_NUMBER_BYTES_MAX);
    return to;
}
