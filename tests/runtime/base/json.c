/* JSON: what readers of other languages take is taken, what they refuse is refused or never written, and both agree
 * with jansson on documents made at random. */
#include <fenv.h>
#include <math.h>
#include <stdint.h>

#include "coro/coro.h"
#include "coro/stack.h"
#include "runtime/base/json.h"
#include "runtime/base/json_number.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/redact.h"
#include "runtime/base/value.h"
#include "tests/harness/check.h"
#include "tests/harness/jansson.h"

static arena a;

static void begin(void)
{
    arena_init(&a, NULL);
    arena_set_limit(&a, 256 << 20);
}

static bool reads(const char *data, size_t len, sw_value *out)
{
    const char *message = NULL;
    bool ok = json_read(&a, data, len, out, &message);
    CHECK(ok == (message == NULL));
    return ok;
}

/* ---- A table of texts ---- */

typedef struct text {
    const char *data;
    size_t len;
    const char *rewritten; /* read and written again */
} text;

#define TEXT(literal, rewritten) {literal, sizeof(literal) - 1, rewritten}

static const text taken[] = {
    TEXT("null", "null"),
    TEXT(" \t\r\n[ 1 , true,false ] \n", "[1,true,false]"),
    TEXT("{\"a\":{},\"b\":[]}", "{\"a\":{},\"b\":[]}"),
    TEXT("\"\"", "\"\""),
    TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\u0008\\u000c\\n\\r\\t\""),
    TEXT("\"\\u00e9\\u20ac\\uD83D\\ude00\x7f\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\""),
    TEXT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    /* an emoji that was cut in two: each half, twice the same half, a half before another escape */
    TEXT("\"\\ud83d\"", "\"\xef\xbf\xbd\""),
    TEXT("\"\\ude00x\"", "\"\xef\xbf\xbdx\""),
    TEXT("\"\\ud83d\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\""),
    TEXT("\"\\ud83d\\n\\ude00\"", "\"\xef\xbf\xbd\\n\xef\xbf\xbd\""),
    TEXT("{\"\\ud83d\":1}", "{\"\xef\xbf\xbd\":1}"),
    /* bytes that are no UTF-8: cut, a surrogate, too long a form, beyond Unicode */
    TEXT("\"a\xf0\x9f\x98\"", "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
    TEXT("\"\xed\xa0\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
    TEXT("\"\xc0\xaf\"", "\"\xef\xbf\xbd\xef\xbf\xbd\""),
    TEXT("\"\xff\\n12345678\xff\"", "\"\xef\xbf\xbd\\n12345678\xef\xbf\xbd\""),
    TEXT("\"\\u0000\"", "\"\\u0000\""),
    TEXT("{\"a\\u0000b\":1,\"a\":2}", "{\"a\\u0000b\":1,\"a\":2}"),
    TEXT("\xef\xbb\xbf{\"a\":1}", "{\"a\":1}"),
    TEXT("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"),
    /* numbers */
    TEXT("0", "0"),
    TEXT("-0", "0"),
    TEXT("-0.0", "-0.0"),
    TEXT("9223372036854775807", "9223372036854775807"),
    TEXT("9223372036854775808", "9223372036854775808"),
    TEXT("18446744073709551615", "18446744073709551615"),
    TEXT("18446744073709551616", "1.8446744073709552e+19"),
    TEXT("-9223372036854775808", "-9223372036854775808"),
    TEXT("-9223372036854775809", "-9.223372036854776e+18"),
    TEXT("123456789012345678901234567890", "1.2345678901234568e+29"),
    TEXT("1E+2", "100.0"),
    TEXT("1.50", "1.5"),
    TEXT("0.1e1", "1.0"),
    TEXT("5e-324", "5e-324"),
    TEXT("1e-400", "0.0"),
    TEXT("1.7976931348623157e308", "1.7976931348623157e+308"),
    TEXT("0.1000000000000000055511151231257827", "0.1"),
    TEXT("9007199254740993.0", "9007199254740992.0"),
    TEXT("100000000000000000000000e-23", "1.0"),
};

static void test_taken(void)
{
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        sw_value v;
        sw_bytes written;
        begin();
        if (!reads(taken[i].data, taken[i].len, &v)) printf("# refused: %s\n", taken[i].data);
        CHECK(json_write(&a, v, &written));
        CHECK_STR(written.data, taken[i].rewritten);
        arena_free(&a);
    }
}

static const text refused[] = {
    TEXT("", "line 1, column 1: the text ends too early"),
    TEXT("\xef\xbb\xbf", "line 1, column 1: the text ends too early"),
    TEXT("\xef\xbb\xbf\xef\xbb\xbf"
         "1",
         "line 1, column 1: not a value"),
    TEXT("123\0", "line 1, column 4: something follows the value"),
    TEXT("1 2", "line 1, column 3: something follows the value"),
    TEXT("[1],", "line 1, column 4: something follows the value"),
    TEXT("[1,\n \"\xc3\xa9\", x]", "line 2, column 7: not a value"),
    TEXT("[1", "line 1, column 3: the text ends too early"),
    TEXT("[1,]", "line 1, column 4: not a value"),
    TEXT("[,1]", "line 1, column 2: not a value"),
    TEXT("[1 2]", "line 1, column 4: neither ',' nor ']'"),
    TEXT("[1}", "line 1, column 3: neither ',' nor ']'"),
    TEXT("]", "line 1, column 1: not a value"),
    TEXT("{", "line 1, column 2: the text ends too early"),
    TEXT("{\"a\"}", "line 1, column 5: no ':' after a key"),
    TEXT("{\"a\":}", "line 1, column 6: not a value"),
    TEXT("{\"a\":1,}", "line 1, column 8: a key without a quote"),
    TEXT("{a:1}", "line 1, column 2: a key without a quote"),
    TEXT("{'a':1}", "line 1, column 2: a key without a quote"),
    TEXT("{1:1}", "line 1, column 2: a key without a quote"),
    TEXT("\"a", "line 1, column 3: the text ends within a string"),
    TEXT("\"a\\", "line 1, column 4: the text ends within a string"),
    TEXT("\"a\\\"", "line 1, column 5: the text ends within a string"),
    TEXT("\"\t\"", "line 1, column 2: a control character in a string"),
    TEXT("\"12345678\n\"", "line 1, column 10: a control character in a string"),
    TEXT("\"\0\"", "line 1, column 2: a control character in a string"),
    TEXT("\"\\x41\"", "line 1, column 2: a backslash without a known character after it"),
    TEXT("\"\\\0\"", "line 1, column 2: a backslash without a known character after it"),
    TEXT("\"\\u12g4\"", "line 1, column 2: \\u without four hexadecimal digits"),
    TEXT("\"\\u123\"", "line 1, column 2: \\u without four hexadecimal digits"),
    TEXT("\"\\ud83d\\u12\"", "line 1, column 8: \\u without four hexadecimal digits"),
    TEXT("nul", "line 1, column 1: not a value"),
    TEXT("True", "line 1, column 1: not a value"),
    TEXT("NaN", "line 1, column 1: not a value"),
    TEXT("-Infinity", "line 1, column 1: not a number"),
    TEXT("+1", "line 1, column 1: not a value"),
    TEXT(".5", "line 1, column 1: not a value"),
    TEXT("-", "line 1, column 1: not a number"),
    TEXT("01", "line 1, column 1: not a number"),
    TEXT("-012", "line 1, column 1: not a number"),
    TEXT("1.", "line 1, column 1: not a number"),
    TEXT("1.e5", "line 1, column 1: not a number"),
    TEXT("1e", "line 1, column 1: not a number"),
    TEXT("1e+", "line 1, column 1: not a number"),
    TEXT("0x10", "line 1, column 2: something follows the value"),
    TEXT("1e309", "line 1, column 1: a number too large for a double"),
    TEXT("[-1e999999999999999999999]", "line 1, column 2: a number too large for a double"),
    TEXT("// no\n1", "line 1, column 1: not a value"),
    TEXT("\xc2\xa0"
         "1",
         "line 1, column 1: not a value"),
};

static void test_refused(void)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        sw_value v;
        const char *message = NULL;
        begin();
        if (json_read(&a, refused[i].data, refused[i].len, &v, &message)) printf("# taken: %s\n", refused[i].data);
        CHECK_STR(message, refused[i].rewritten);
        CHECK(v.type == MSGPACK_OBJECT_NIL);
        arena_free(&a);
    }
}

/* Each text cut after each of its bytes is read or refused, never read beyond: the copy ends where its memory does. */
static void test_cut(void)
{
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        for (size_t len = 0; len < taken[i].len; len++) {
            sw_value v;
            char *cut = malloc(len ? len : 1);
            CHECK(cut);
            memcpy(cut, taken[i].data, len);
            begin();
            (void)reads(cut, len, &v);
            arena_free(&a);
            free(cut);
        }
    }
}

/* ---- Bounds ---- */

static void nested(char *to, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) to = stpcpy(to, i % 2 ? "[" : "{\"k\":");
    to = stpcpy(to, "1");
    for (unsigned i = depth; i-- > 0;) to = stpcpy(to, i % 2 ? "]" : "}");
}

static void read_deep(void *arg)
{
    bool *ok = arg;
    static char json[4096];
    sw_value v;
    sw_bytes written;
    const char *message;
    nested(json, VALUE_DEPTH_MAX);
    ok[0] = json_read(&a, json, strlen(json), &v, &message) && json_write(&a, v, &written) &&
            strcmp(written.data, json) == 0;
    nested(json, VALUE_DEPTH_MAX + 1);
    ok[1] = !json_read(&a, json, strlen(json), &v, &message) && strstr(message, "nested more than 128 levels deep");
    ok[2] = json_read_document(&a, json, strlen(json), &v, &message) && !json_write(&a, v, &written) &&
            json_write_document(&a, v, &written) && strcmp(written.data, json) == 0;
    nested(json, JSON_DOCUMENT_DEPTH_MAX + 1);
    ok[3] = !json_read_document(&a, json, strlen(json), &v, &message) && strstr(message, "nested too deep");
}

/* On a coroutine's stack, as handlers do it. */
static void test_depth(void)
{
    bool ok[4] = {false, false, false, false};
    begin();
    stack_pool *pool = stack_pool_new(&(stack_pool_options){.stack_size_bytes = 65536});
    coro *c = coro_create(pool, read_deep, ok);
    CHECK(c);
    coro_resume(c);
    coro_destroy(c);
    stack_pool_free(pool);
    for (int i = 0; i < 4; i++) CHECK(ok[i]);
    arena_free(&a);
}

static void test_memory(void)
{
    enum { N = 300000 };
    char *json = malloc(2 * N + 3), *at = json;
    CHECK(json);
    *at++ = '[';
    for (int i = 0; i < N; i++) at = stpcpy(at, i ? ",1" : "1");
    *at++ = ']';
    for (size_t limit = 1 << 16; limit <= 64 << 20; limit *= 2) {
        sw_value v;
        const char *message = NULL;
        arena_init(&a, NULL);
        arena_set_limit(&a, limit);
        bool ok = json_read(&a, json, (size_t)(at - json), &v, &message);
        CHECK(ok == (limit >= 8 << 20));
        if (ok) CHECK_INT(v.via.array.size, N);
        if (!ok) CHECK(strstr(message, "memory"));
        arena_free(&a);
    }
    free(json);
}

/* ---- Keys ---- */

static void check_repeated(int different, int times)
{
    char *json = malloc((size_t)different * (size_t)times * 24 + 3), *at = json;
    sw_value v;
    CHECK(json);
    *at++ = '{';
    for (int i = 0; i < different * times; i++) at += sprintf(at, "%s\"%d\":%d", i ? "," : "", i % different, i);
    *at++ = '}';
    begin();
    CHECK(reads(json, (size_t)(at - json), &v));
    CHECK_INT(v.via.map.size, different);
    for (int i = 0; i < different; i++) { /* where the first was, with what the last had */
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        CHECK_STR(v.via.map.ptr[i].key.via.str.ptr, key);
        CHECK_INT(v.via.map.ptr[i].val.via.u64, different * (times - 1) + i);
    }
    arena_free(&a);
    free(json);
}

static void test_repeated_keys(void)
{
    check_repeated(1, 1);
    check_repeated(1, 5);
    check_repeated(5, 3);
    check_repeated(16, 1);
    check_repeated(17, 1);
    check_repeated(3, 40);
    check_repeated(256, 1);
    check_repeated(257, 1);
    check_repeated(1000, 3);
    check_repeated(150000, 2); /* among so many, keys that differ have one hash of 32 bits */
    check_repeated(1, 5000);
}

static const char *written_key(sw_value key)
{
    sw_bytes written;
    msgpack_object_kv pair = {.key = key, .val = {.type = MSGPACK_OBJECT_NIL}};
    sw_value map = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    CHECK(json_write(&a, map, &written));
    return written.data;
}

static void test_written_keys(void)
{
    begin();
    CHECK_STR(written_key(sw_nil()), "{\"null\":null}");
    CHECK_STR(written_key(sw_bool(true)), "{\"true\":null}");
    CHECK_STR(written_key(sw_int(-7)), "{\"-7\":null}");
    CHECK_STR(written_key(sw_double(0.5)), "{\"0.5\":null}");
    CHECK_STR(written_key(sw_double(NAN)), "{\"null\":null}");
    CHECK_STR(written_key((sw_value){.type = MSGPACK_OBJECT_BIN, .via.bin = {2, "ab"}}), "{\"YWI=\":null}");
    CHECK_STR(written_key((sw_value){.type = MSGPACK_OBJECT_EXT, .via.ext = {5, 2, "ab"}}), "{\"YWI=\":null}");
    CHECK_STR(written_key((sw_value){.type = MSGPACK_OBJECT_STR, .via.str = {2, "\xff\n"}}),
              "{\"\xef\xbf\xbd\\n\":null}");
    CHECK_STR(written_key((sw_value){.type = MSGPACK_OBJECT_ARRAY}), "{\"[]\":null}");
    arena_free(&a);
}

/* ---- Beside jansson ---- */

static uint64_t random_state;

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(unsigned n) { return (unsigned)(next_random() % n); }

typedef struct document {
    char data[65536];
    size_t len;
} document;

static void add(document *d, const char *piece)
{
    size_t n = strlen(piece);
    CHECK(d->len + n < sizeof d->data);
    memcpy(d->data + d->len, piece, n);
    d->len += n;
}

static void add_one_of(document *d, const char *const *pieces, unsigned n) { add(d, pieces[below(n)]); }

static void add_space(document *d)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t\r\n  "};
    add_one_of(d, spaces, 6);
}

static void add_number(document *d)
{
    static const char *const exponents[] = {"", "", "e0", "E+7", "e-30", "e200", "e-320"};
    char number[64];
    switch (below(4)) {
    case 0:
        snprintf(number, sizeof number, "%d", (int)below(2000) - 1000);
        break;
    case 1:
        snprintf(number, sizeof number, "%lld", (long long)next_random());
        break;
    case 2:
        snprintf(number, sizeof number, "%.17g", (double)(int64_t)next_random() / 3e15);
        break;
    default:
        snprintf(number, sizeof number, "%s%u.%llu%s", below(2) ? "-" : "", below(1000),
                 (unsigned long long)next_random() >> below(64), exponents[below(7)]);
    }
    add(d, number);
}

static void add_string(document *d, bool zeros)
{
    static const char *const pieces[] = {"a",
                                         "a longer piece of plain text",
                                         "\\n",
                                         "\\\"",
                                         "\\\\",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "\\u0041",
                                         "\\uD83D\\uDE00",
                                         "\\/",
                                         "",
                                         "\\u20AC",
                                         "\\u0000"};
    add(d, "\"");
    for (unsigned n = below(8); n > 0; n--) add_one_of(d, pieces, zeros ? 14 : 13);
    add(d, "\"");
}

static void add_value(document *d, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null", "[]", "{ }"};
    unsigned kind = below(depth > 6 || d->len > 30000 ? 3 : 5), members = below(kind == 4 && below(4) == 0 ? 40 : 5);
    add_space(d);
    if (kind == 0) add_number(d);
    if (kind == 1) add_string(d, true);
    if (kind == 2) add_one_of(d, words, 5);
    if (kind >= 3) {
        add(d, kind == 3 ? "[" : "{");
        for (unsigned i = 0; i < members; i++) {
            if (i > 0) add(d, ",");
            if (kind == 4) {
                add_space(d);
                add_string(d, false);
                add_space(d);
                add(d, ":");
            }
            add_value(d, depth + 1);
        }
        add_space(d);
        add(d, kind == 3 ? "]" : "}");
    }
    add_space(d);
}

static void test_valid(void)
{
    static document d;
    size_t bytes = 0;
    random_state = 1;
    while (bytes < 4 << 20) {
        sw_value v;
        sw_bytes written;
        d.len = 0;
        add_value(&d, 0);
        bytes += d.len;
        begin();
        json_t *j = jansson_read(d.data, d.len);
        bool ok = reads(d.data, d.len, &v);
        if (!j || !ok || !jansson_same(j, &v)) printf("# %.*s\n", (int)d.len, d.data);
        CHECK(j && ok && jansson_same(j, &v));
        json_decref(j);
        CHECK(json_write(&a, v, &written)); /* and what we write, jansson reads as that value */
        j = jansson_read(written.data, written.len);
        CHECK(j && jansson_same(j, &v));
        json_decref(j);
        arena_free(&a);
    }
}

/* Texts with errors: what jansson takes we take, and it is the same. */
static void test_mutated(void)
{
    static document d;
    int taken_by_both = 0, refused_by_both = 0;
    random_state = 2;
    for (int i = 0; i < 20000; i++) {
        sw_value v;
        d.len = 0;
        while (d.len < 2 || d.len > 300) {
            d.len = 0;
            add_value(&d, 4);
        }
        for (unsigned n = 1 + below(3); n > 0; n--) {
            static const char bytes[] = "\"\\[]{}:,0123456789.eE+-tfnu \xff\x01";
            d.data[below((unsigned)d.len)] = bytes[below(sizeof bytes - 1)];
        }
        begin();
        json_t *j = jansson_read(d.data, d.len);
        bool ok = reads(d.data, d.len, &v);
        if (j && (!ok || !jansson_same(j, &v))) printf("# %.*s\n", (int)d.len, d.data);
        CHECK(!j || (ok && jansson_same(j, &v)));
        taken_by_both += j != NULL;
        refused_by_both += !ok;
        json_decref(j);
        arena_free(&a);
    }
    CHECK(taken_by_both > 1000 && refused_by_both > 1000);
}

/* Doubles come back bit by bit, and nothing shorter would. */
static void test_doubles(void)
{
    random_state = 3;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_random();
        if (i % 4 == 0) bits &= UINT64_C(0x800fffffffffffff) >> below(52); /* the smallest */
        double d, again;
        sw_value v;
        const char *wrong;
        char number[JSON_NUMBER_BYTES_MAX + 1], shorter[400];
        memcpy(&d, &bits, sizeof d);
        if (i % 4 == 1) d = (double)(int64_t)bits / 1000;
        if (!isfinite(d)) continue;
        *json_number_write(d, number) = 0;
        CHECK(json_number_read(number, number + strlen(number), &v, &wrong) == number + strlen(number));
        CHECK(v.type == MSGPACK_OBJECT_FLOAT64 && memcmp(&v.via.f64, &d, sizeof d) == 0);
        int digits = 0;
        for (const char *at = number; *at && *at != 'e'; at++)
            digits += (*at >= '1' && *at <= '9') || (digits && *at == '0');
        if (digits < 2 || strstr(number, ".0")) continue;
        snprintf(shorter, sizeof shorter, "%.*g", digits - 1, d);
        again = strtod(shorter, NULL);
        CHECK(again != d);
    }
}

/* A handler may have set another rounding: its numbers are those of every other, and the rounding stays. */
static void test_rounding(void)
{
    static const int roundings[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    random_state = 4;
    for (int i = 0; i < 3000; i++) {
        double d = (double)(int64_t)next_random() / 1000;
        char nearest[JSON_NUMBER_BYTES_MAX + 1], number[JSON_NUMBER_BYTES_MAX + 1];
        *json_number_write(d, nearest) = 0;
        int rounding = roundings[i % 3];
        CHECK_INT(fesetround(rounding), 0);
        *json_number_write(d, number) = 0;
        int after = fegetround();
        CHECK_INT(fesetround(FE_TONEAREST), 0);
        CHECK_INT(after, rounding);
        CHECK_STR(number, nearest);
    }
}

/* A handler may put a value together itself: the number counts, not the sign that its type speaks of. */
static void test_signs(void)
{
    static const int64_t numbers[] = {INT64_MIN, -1, 0, 5, INT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sw_value v = {.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = numbers[i]};
        sw_bytes written;
        char expected[32];
        begin();
        snprintf(expected, sizeof expected, "%lld", (long long)numbers[i]);
        CHECK(json_write(&a, v, &written));
        CHECK_STR(written.data, expected);
        arena_free(&a);
    }
}

static void check_read_rounding(const char *digits, int rounding)
{
    sw_value nearest, v;
    const char *wrong, *end = digits + strlen(digits);
    CHECK(json_number_read(digits, end, &nearest, &wrong) == end);
    CHECK_INT(fesetround(rounding), 0);
    bool ok = json_number_read(digits, end, &v, &wrong) == end;
    int after = fegetround();
    CHECK_INT(fesetround(FE_TONEAREST), 0);
    CHECK_INT(after, rounding);
    CHECK(ok && nearest.type == MSGPACK_OBJECT_FLOAT64 && v.type == MSGPACK_OBJECT_FLOAT64);
    CHECK(memcmp(&v.via.f64, &nearest.via.f64, sizeof(double)) == 0);
}

/* What a service sends is one double, whichever handler reads it. */
static void test_read_rounding(void)
{
    static const int roundings[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    random_state = 5;
    for (int i = 0; i < 3000; i++) {
        char digits[64];
        (void)snprintf(digits, sizeof digits, "%s%llue%d", below(2) ? "-" : "",
                       (unsigned long long)next_random() >> below(64), (int)below(60) - 30);
        check_read_rounding(digits, roundings[i % 3]);
    }
    for (int i = 0; i < 3; i++) { /* what strtod() reads: too many digits, halfway between two doubles, subnormal */
        check_read_rounding("0.1234567890123456789012345", roundings[i]);
        check_read_rounding("4503599627370496.5", roundings[i]);
        check_read_rounding("-3e-320", roundings[i]);
    }
}

/* ---- A document written member by member ---- */

static void test_written_by_members(void)
{
    json_writer w;
    json_writer_init(&w, NULL);
    json_open_map(&w, NULL);
    json_put_text(&w, "text", "say \"so\"\n");
    json_open_array(&w, "empty");
    json_close_array(&w);
    json_open_array(&w, "mixed");
    json_put_int(&w, NULL, INT64_MIN);
    json_put_newline(&w);
    json_open_map(&w, NULL);
    json_close_map(&w);
    json_put_value(&w, NULL, sw_nil());
    json_close_array(&w);
    json_put_bytes(&w, "bytes", "a\0b\xff", 4);
    json_close_map(&w);
    json_put_newline(&w);
    static const char expected[] =
        "{\"text\":\"say \\\"so\\\"\\n\",\"empty\":[],\"mixed\":[-9223372036854775808,\n{},null],"
        "\"bytes\":\"a\\u0000b\xEF\xBF\xBD\"}\n";
    CHECK(!w.is_short);
    CHECK_INT(w.depth, 0);
    CHECK(w.out.size == sizeof expected - 1 && memcmp(w.out.data, expected, w.out.size) == 0);
    json_writer_free(&w);
}

static void test_written_short(void)
{
    char why[128];
    json_writer w;
    json_writer_init(&w, NULL);
    sw_value pair[] = {sw_int(1)};
    redact *hides = redact_new("--redact", "json:/0", why, sizeof why);
    CHECK(hides);
    w.hides = hides;
    arena_set_limit(&w.arena, 1); /* the copy in which something is hidden finds no room */
    json_put_value(&w, NULL, (sw_value){.type = MSGPACK_OBJECT_ARRAY, .via.array = {1, pair}});
    CHECK(w.is_short);
    json_writer_free(&w);
    redact_free(hides);
}

/* A map in a map's key in a map's key ... would double its quotes each time. */
static void test_nested_keys(void)
{
    arena memory;
    arena_init(&memory, NULL);
    arena_set_limit(&memory, 1 << 20);
    sw_value v = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 7};
    msgpack_object_kv pairs[100];
    for (int i = 0; i < 100; i++) {
        pairs[i] = (msgpack_object_kv){.key = v, .val = {.type = MSGPACK_OBJECT_NIL}};
        v = (sw_value){.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 1, .ptr = &pairs[i]}};
    }
    sw_bytes out;
    CHECK(json_write(&memory, v, &out));
    CHECK_STR(out.data, "{\"{}\":null}");
    v = (sw_value){.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 1, .ptr = &pairs[0]}};
    CHECK(json_write(&memory, v, &out));
    CHECK_STR(out.data, "{\"7\":null}");
    arena_free(&memory);
}

static const check_case cases[] = {{"texts that are taken", test_taken},
                                   {"texts that are refused, and where", test_refused},
                                   {"texts that are cut", test_cut},
                                   {"depth, on a coroutine", test_depth},
                                   {"memory", test_memory},
                                   {"repeated keys", test_repeated_keys},
                                   {"keys that are no strings", test_written_keys},
                                   {"the same values as jansson's", test_valid},
                                   {"the same with errors", test_mutated},
                                   {"doubles", test_doubles},
                                   {"doubles, whatever the rounding", test_rounding},
                                   {"texts, whatever the rounding", test_read_rounding},
                                   {"integers of either type", test_signs},
                                   {"a document written member by member", test_written_by_members},
                                   {"a document that finds no memory", test_written_short},
                                   {"maps as keys of maps", test_nested_keys}};
CHECK_MAIN(cases)
