/* Doubles and decimal digits: every double is written as the shortest text that printf finds by trying, and every text
 * is read as strtod reads it. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/decimal.h"
#include "runtime/base/json_number.h"
#include "tests/harness/check.h"

static uint64_t random_state;

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double double_of(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static uint64_t bits_of(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

/* Every kind that has a case of its own: subnormal, few digits, a float's, in [0, 1), any bits. */
static double random_double(int kind)
{
    uint64_t bits = next_random();
    switch (kind % 6) {
    case 0:
        return double_of(bits & UINT64_C(0x800fffffffffffff) >> next_random() % 52);
    case 1:
        return (double)(int64_t)bits / 1000;
    case 2:
        return (double)(bits % 1000000) * pow(10, (double)(next_random() % 40) - 20);
    case 3:
        return (double)(float)double_of(bits);
    case 4:
        return (double)(bits >> 11) * 0x1p-53;
    default:
        return double_of(bits);
    }
}

/* Tries one digit more at a time, as 15 to 17 digits, or 1 to 17 for subnormals. */
static void write_by_trying(double d, char text[static 40])
{
    int digits = fabs(d) < DBL_MIN ? 1 : DBL_DIG;
    do (void)snprintf(text, 32, "%.*g", digits, d);
    while (strtod(text, NULL) != d && ++digits <= DBL_DECIMAL_DIG);
    if (!strpbrk(text, ".e")) strcat(text, ".0");
}

static bool is_power_of_two(double d) { return bits_of(d) << 12 == 0 && d != 0; }

/* Below a power of two doubles lie closer than above. There the nearest text of 16 digits may belong to another double
 * while a text of 16 digits farther away belongs to this one, which printf does not find. */
static void check_written(double d)
{
    char text[JSON_NUMBER_BYTES_MAX + 1], tried[40];
    *json_number_write(d, text) = 0;
    write_by_trying(d, tried);
    bool ok = is_power_of_two(d) ? strlen(text) <= strlen(tried) : strcmp(text, tried) == 0;
    if (!ok) printf("# %a: %s, by trying %s\n", d, text, tried);
    CHECK(ok);
    CHECK(bits_of(strtod(text, NULL)) == bits_of(d));
    CHECK(strpbrk(text, ".e") != NULL);
}

static void test_written(void)
{
    static const double some[] = {0.0,
                                  -0.0,
                                  1,
                                  -1,
                                  0.1,
                                  0.5,
                                  100,
                                  1e14,
                                  1e15,
                                  1e16,
                                  1e17,
                                  1e22,
                                  1e23,
                                  0.0001,
                                  0.00001,
                                  9.5e-5,
                                  DBL_MAX,
                                  DBL_MIN,
                                  0x1p-1074,
                                  0x0.fffffffffffffp-1022,
                                  123456789012345.0,
                                  1234567890123456.0,
                                  12345678901234567.0,
                                  9007199254740993.0,
                                  0.30000000000000004,
                                  2.2250738585072011e-308,
                                  5e-324,
                                  1.7976931348623157e308};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) check_written(some[i]);
    random_state = 1;
    for (int i = 0; i < 300000; i++) {
        double d = random_double(i);
        if (isfinite(d)) check_written(d);
    }
}

/* Each power of two, and its neighbours on both sides. */
static void test_powers_of_two(void)
{
    for (uint64_t biased = 1; biased < 0x7ff; biased++) {
        check_written(double_of((biased << 52) - 1));
        check_written(double_of(biased << 52));
        check_written(double_of((biased << 52) + 1));
    }
}

static void check_read(const char *text)
{
    sw_value v;
    const char *wrong;
    double expected = strtod(text, NULL);
    const char *end = json_number_read(text, text + strlen(text), &v, &wrong);
    if (!isfinite(expected)) {
        CHECK(!end);
        return;
    }
    bool ok = end == text + strlen(text) && v.type == MSGPACK_OBJECT_FLOAT64 && bits_of(v.via.f64) == bits_of(expected);
    if (!ok) printf("# %s\n", text);
    CHECK(ok);
}

static void test_read(void)
{
    random_state = 2;
    for (int i = 0; i < 300000; i++) {
        char text[64];
        double d = random_double(i);
        if (!isfinite(d)) continue;
        (void)snprintf(text, sizeof text, "%.*e", (int)(next_random() % 21), d);
        check_read(text);
        (void)snprintf(text, sizeof text, "%llue%d", (unsigned long long)(next_random() >> next_random() % 64),
                       (int)(next_random() % 700) - 360);
        check_read(text);
    }
}

/* Texts that lie exactly between two doubles, and one digit beside: these must be left to strtod, or be right. */
static void test_read_halves(void)
{
    random_state = 3;
    for (int i = 0; i < 100000; i++) {
        char text[64];
        uint64_t half = (next_random() | UINT64_C(1) << 63) >> 10 | 1; /* 54 bits, the last of them set */
        int shift = (int)(next_random() % 9);
        for (int beside = -1; beside <= 1; beside++) {
            (void)snprintf(text, sizeof text, "%llue0", (unsigned long long)((half << shift) + (uint64_t)beside));
            check_read(text);
            (void)snprintf(text, sizeof text, "%llue%d", (unsigned long long)(half + (uint64_t)beside),
                           (int)(next_random() % 40) - 20);
            check_read(text);
        }
    }
}

/* Nearly every double is decided without strtod; who cannot be decided is left alone. */
static void test_decided(void)
{
    int decided = 0;
    random_state = 4;
    for (int i = 0; i < 100000; i++) {
        double d = 7;
        if (decimal_to_double(next_random() | 1, (int64_t)(next_random() % 500) - 270, &d))
            decided++;
        else
            CHECK(d == 7);
    }
    CHECK(decided > 99000);
    double d = 7;
    CHECK(!decimal_to_double(1, -400, &d) && !decimal_to_double(1, 400, &d) && d == 7);
}

static const check_case cases[] = {{"doubles are written as by trying", test_written},
                                   {"powers of two and their neighbours", test_powers_of_two},
                                   {"texts are read as by strtod", test_read},
                                   {"texts between two doubles", test_read_halves},
                                   {"what is decided", test_decided}};
CHECK_MAIN(cases)
