/* redact: what a key names is hidden wherever it is, and nothing else is changed. */
#include "runtime/base/redact.h"

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "tests/harness/check.h"

static arena memory;
static char error[256];

static redact *make(const char *list)
{
    redact *r = redact_new("--redact", list, error, sizeof error);
    if (!r) printf("# %s\n", error);
    CHECK(r);
    return r;
}

static size_t times(const char *text, const char *part)
{
    size_t n = 0;
    while ((text = strstr(text, part))) text += strlen(part), n++;
    return n;
}

/* The JSON text with what the keys name hidden. */
static void check_hidden(const char *list, const char *text, const char *expected)
{
    redact *r = make(list);
    const char *message = NULL;
    sw_value v, before;
    sw_bytes shown, again;
    CHECK(json_read(&memory, text, strlen(text), &v, &message));
    before = v;
    size_t hidden = 0;
    CHECK(redact_value_counted(r, &memory, &v, &hidden) && json_write(&memory, v, &shown));
    CHECK_INT(hidden, times(expected, REDACTED));
    CHECK_STR(shown.data, expected);
    CHECK(json_write(&memory, before, &again)); /* a replay may read the same value */
    CHECK_STR(again.data, text);
    redact_free(r);
}

static void test_values(void)
{
    static const char text[] =
        "{\"password\":\"p\",\"user\":{\"password\":[1],\"name\":\"n\"},\"list\":[{\"key\":1},2]}";
    check_hidden("json:password", text,
                 "{\"password\":\"[redacted]\",\"user\":{\"password\":\"[redacted]\",\"name\":\"n\"},"
                 "\"list\":[{\"key\":1},2]}");
    check_hidden("json:/password", text,
                 "{\"password\":\"[redacted]\",\"user\":{\"password\":[1],\"name\":\"n\"},\"list\":[{\"key\":1},2]}");
    check_hidden("json:/user/name,json:/list/0/key", text,
                 "{\"password\":\"p\",\"user\":{\"password\":[1],\"name\":\"[redacted]\"},"
                 "\"list\":[{\"key\":\"[redacted]\"},2]}");
    check_hidden("json:/list/*", text,
                 "{\"password\":\"p\",\"user\":{\"password\":[1],\"name\":\"n\"},"
                 "\"list\":[\"[redacted]\",\"[redacted]\"]}");
    check_hidden("json:/user", text, "{\"password\":\"p\",\"user\":\"[redacted]\",\"list\":[{\"key\":1},2]}");
    check_hidden("json:/name, json:/list/7,header:ey,query:password", text, text); /* nothing has these */
    check_hidden("header:Password", text,
                 "{\"password\":\"[redacted]\",\"user\":{\"password\":\"[redacted]\",\"name\":\"n\"},"
                 "\"list\":[{\"key\":1},2]}");
    check_hidden("json:/a~1b/c~0d", "{\"a/b\":{\"c~d\":1,\"cd\":2}}", "{\"a/b\":{\"c~d\":\"[redacted]\",\"cd\":2}}");
    check_hidden("json:/a", "[[\"a\"]]", "[[\"a\"]]");
    check_hidden("json:a", "\"a\"", "\"a\"");
}

/* Strings, as texts, are JSON again whatever is hidden in them. */
static void test_strings(void)
{
    check_hidden("query:key", "{\"a\":\"say \\\"/x?key=s\\\" now\"}", "{\"a\":\"say \\\"/x?key=[redacted]\\\" now\"}");
    check_hidden("header:x-key", "{\"log\":\"X-Key: s\\nY: t\",\"b\":1}",
                 "{\"log\":\"X-Key: [redacted]\\nY: t\",\"b\":1}");
    check_hidden("header:x-key", "{\"log\":\"X-Key: s, \\\"t\\\"\",\"b\":1}",
                 "{\"log\":\"X-Key: [redacted]\",\"b\":1}");
    check_hidden("json:pin", "{\"said\":\"{\\\"pin\\\":1}\"}", "{\"said\":\"{\\\"pin\\\":\\\"[redacted]\\\"}\"}");
    check_hidden("query:key", "\"/x?key=s\"", "\"/x?key=[redacted]\"");
    check_hidden("query:key", "[\"/x?key=s\",{\"/x?key=s\":1}]", "[\"/x?key=[redacted]\",{\"/x?key=[redacted]\":1}]");
    check_hidden("json:/a/pin", "{\"pin\":1,\"a\":{\"pin\":2,\"b\":\"x\"}}",
                 "{\"pin\":1,\"a\":{\"pin\":\"[redacted]\",\"b\":\"x\"}}"); /* a value has places */
}

/* The JSON text without what the keys name. */
static void check_taken_out(const char *list, const char *text, const char *expected)
{
    redact *r = make(list);
    const char *message = NULL;
    sw_value v;
    sw_bytes left;
    CHECK(json_read(&memory, text, strlen(text), &v, &message));
    CHECK(redact_take_out(r, &memory, &v) && json_write(&memory, v, &left));
    CHECK_STR(left.data, expected);
    redact_free(r);
}

static void test_values_out(void)
{
    static const char text[] = "{\"pin\":1,\"card\":{\"pin\":[1],\"name\":\"n\"},\"list\":[{\"pin\":1},2],\"pin\":3}";
    check_taken_out("json:pin", text, "{\"card\":{\"name\":\"n\"},\"list\":[{},2]}");
    check_taken_out("json:/card/*,json:/pin", text, "{\"card\":{},\"list\":[{\"pin\":1},2]}");
    check_taken_out("json:/list/0,json:/list/1/pin", text,
                    "{\"pin\":3,\"card\":{\"pin\":[1],\"name\":\"n\"},\"list\":[null,2]}");
    check_taken_out("json:pin", "{\"p\\u0069n\":1}", "{}");
    check_taken_out("json:pin", "\"pin\"", "\"pin\"");
    check_taken_out("query:pin,header:pin", "{\"pin\":1}", "{\"pin\":1}");
    check_taken_out("json:a,query:pin", "{\"b\":\"/x?pin=1 {\\\"a\\\":1}\"}", "{\"b\":\"/x?pin=1 {\\\"a\\\":1}\"}");
}

static void check_target(const char *list, const char *target, const char *expected)
{
    char shown[512];
    redact *r = make(list);
    size_t len = strlen(target);
    const char *out = redact_target(r, &memory, target, &len);
    CHECK(out && len < sizeof shown);
    snprintf(shown, sizeof shown, "%.*s", (int)len, out);
    CHECK_STR(shown, expected);
    redact_free(r);
}

static void test_targets(void)
{
    check_target("query:key", "/orders?a=1&key=secret&b=2", "/orders?a=1&key=[redacted]&b=2");
    check_target("query:key", "/orders?key=secret", "/orders?key=[redacted]");
    check_target("query:key", "/orders?key=&KEY=x&key&kk=y", "/orders?key=[redacted]&KEY=[redacted]&key&kk=y");
    check_target("query:key", "/orders?%6bey=secret&x%zz=1", "/orders?%6bey=[redacted]&x%zz=[redacted]");
    check_target("query:a key", "/orders?a+key=secret&a%20key=secret&a%2bkey=b",
                 "/orders?a+key=[redacted]&a%20key=[redacted]&a%2bkey=b");
    check_target("query:key", "/key=1", "/key=1");
    check_target("query:key", "/orders?", "/orders?");
    check_target("query:a", "/?a=1&a=2&a=3&a=4&&", "/?a=[redacted]&a=[redacted]&a=[redacted]&a=[redacted]&&");
    check_target("header:key", "/orders?key=secret", "/orders?key=secret");
}

static void check_target_out(const char *list, const char *target, const char *expected)
{
    char shown[512];
    redact *r = make(list);
    size_t len = strlen(target);
    const char *out = redact_target_take_out(r, &memory, target, &len);
    CHECK(out && len < sizeof shown);
    snprintf(shown, sizeof shown, "%.*s", (int)len, out);
    CHECK_STR(shown, expected);
    redact_free(r);
}

static void test_targets_out(void)
{
    check_target_out("query:key", "/orders?a=1&key=secret&b=2", "/orders?a=1&b=2");
    check_target_out("query:key", "/orders?key=secret", "/orders");
    check_target_out("query:key", "/orders?key=secret&a=1", "/orders?a=1");
    check_target_out("query:key", "/orders?key=&KEY=x&key&kk=y", "/orders?kk=y");
    check_target_out("query:key", "/orders?%6bey=secret&x%zz=1", "/orders");
    check_target_out("query:card number", "/orders?card+number=1&a=2&card%20number=3", "/orders?a=2");
    check_target_out("query:key", "/key=1", "/key=1");
    check_target_out("json:key", "/orders?key=secret", "/orders?key=secret");
}

static void test_headers(void)
{
    redact *r = make("header:X-Api-Key");
    CHECK(redact_has_header(r, "x-api-key", 9) && !redact_has_header(r, "x-api", 5) && !redact_has_json(r));
    redact_free(r);
    CHECK(!redact_has_header(NULL, "x-api-key", 9) && !redact_has_json(NULL));
    redact_free(NULL);
}

/* ---- Texts ---- */

static const char *shown_text(const redact *r, const char *text)
{
    const http_text whole = {text, strlen(text)};
    size_t len = redact_text(r, whole, NULL, 0);
    char *shown = arena_alloc(&memory, len + 1);
    CHECK(shown && redact_text(r, whole, shown, len + 1) == len && strlen(shown) == len);
    for (size_t size = 1; size <= len; size += 1 + len / 7) { /* what does not fit is left out */
        char *part = malloc(size);
        CHECK(part && redact_text(r, whole, part, size) == len);
        CHECK(strlen(part) == size - 1 && memcmp(part, shown, size - 1) == 0);
        free(part);
    }
    return shown;
}

static void check_text(const char *list, const char *text, const char *expected)
{
    redact *r = make(list);
    CHECK_STR(shown_text(r, text), expected);
    redact_free(r);
}

static void test_texts(void)
{
    check_text("json:pin", "answered 400: {\"pin\" : 12, \"b\":[1]}.",
               "answered 400: {\"pin\" : \"[redacted]\", \"b\":[1]}.");
    check_text("json:pin", "{\"pin\":{\"a\":[\"}\",2]},\"pin\":[[],{}],\"pin\":null}",
               "{\"pin\":\"[redacted]\",\"pin\":\"[redacted]\",\"pin\":\"[redacted]\"}");
    check_text("json:pin", "{\"pin\":\"1\\\"2\",\"b\":\"pin\"}", "{\"pin\":\"[redacted]\",\"b\":\"pin\"}");
    check_text("json:pin", "cut: {\"pin\":\"12", "cut: {\"pin\":\"[redacted]\""); /* an answer's first bytes */
    check_text("json:pin", "cut: {\"pin\":{\"a\":1", "cut: {\"pin\":\"[redacted]\"");
    check_text("json:pin", "cut: {\"pin\":", "cut: {\"pin\":");
    check_text("json:pin", "{\"pins\":1,\"apin\":2,\"PIN\":3} \"pin\" pin: 4, pin=5",
               "{\"pins\":1,\"apin\":2,\"PIN\":3} \"pin\" pin: 4, pin=5");
    check_text("json:pin", "cut: {\"pin\":\"1, and {\"pin\":\"2\"}",
               "cut: {\"pin\":\"[redacted]\"pin\":\"[redacted]\"}");
    check_text("json:pin", "cut: {\"pin\": and {\"pin\":\"2\"}",
               "cut: {\"pin\": \"[redacted]\" {\"pin\":\"[redacted]\"}");
    check_text("json:pin", "cut: {\"pin\": \"pin\":\"2\"}", "cut: {\"pin\": \"[redacted]\"}");
    check_text("json:pin,header:x-key,query:key", "cut: {\"pin\": x-key: a b\n{\"pin\":\"1 /x?key=\"a b\nc",
               "cut: {\"pin\": \"[redacted]\" [redacted]\n{\"pin\":\"[redacted]\" b\nc");
    check_text("json:gr\xc3\xb6\xc3\x9f"
               "e,json:a/b",
               "{\"gr\\u00f6\\u00DFe\":1,\"a\\/b\":2,\"gr\\u00f6\":3}",
               "{\"gr\\u00f6\\u00DFe\":\"[redacted]\",\"a\\/b\":\"[redacted]\",\"gr\\u00f6\":3}");
    check_text("json:pin", "{\"a\":\"{\\n \\\"p\\\\u0069n\\\" :\\n 12\\n}\"}",
               "{\"a\":\"{\\n \\\"p\\\\u0069n\\\" :\\n \\\"[redacted]\\\"\\n}\"}");
    check_text("json:/a/pin,json:/list/*,json:/0", "{\"pin\":1,\"list\":[2],\"0\":3}",
               "{\"pin\":\"[redacted]\",\"list\":\"[redacted]\",\"0\":3}");
    check_text("json:/user/2fa,json:/3ds", "{\"2fa\":\"1\",\"user\":{\"3ds\":2}}",
               "{\"2fa\":\"[redacted]\",\"user\":{\"3ds\":\"[redacted]\"}}"); /* names, not places in lists */
    check_text(
        "query:key", "GET /x?a=1&key=s%20t&b=2 and key=u, monkey=3 (KEY='v') https://h/?key=w#f",
        "GET /x?a=1&key=[redacted]&b=2 and key=[redacted] monkey=3 (KEY=[redacted]') https://h/?key=[redacted]#f");
    check_text("query:key", "/x?key=it's, 'x?key=s' \"x?key=s\" key=\"s\" key= key=\"\"",
               "/x?key=[redacted] 'x?key=[redacted]' \"x?key=[redacted]\" key=[redacted]\" key= key=\"\"");
    check_text("query:key", "{\"a\":\"{\\\"u\\\":\\\"/x?key=s\\\"}\"}",
               "{\"a\":\"{\\\"u\\\":\\\"/x?key=[redacted]\\\"}\"}");
    check_text("query:\xc3\xb6l", "/x?\xc3\xb6l=1&%c3%b6l=2&\xc3\xb6\xc3\xb6l=3",
               "/x?\xc3\xb6l=[redacted]&%c3%b6l=[redacted]&\xc3\xb6\xc3\xb6l=[redacted]");
    check_text("query:key", "key=1&a=2&key=3", "key=[redacted]&a=2&key=[redacted]");
    check_text("query:key", "a/b/%6b%65%79=s a/100%=t", "a/b/%6b%65%79=[redacted] a/100%=[redacted]");
    check_text("query:a key", "/x?a+key=1&a%20key=2&a%2bkey=3", "/x?a+key=[redacted]&a%20key=[redacted]&a%2bkey=3");
    check_text("header:x-key", "X-Key: a b\r\nX-Keys: c\nmy-x-key: d\nx-KEY:e",
               "X-Key: [redacted]\r\nX-Keys: c\nmy-x-key: d\nx-KEY:[redacted]");
    check_text("header:x-key", "{\"X-Key\":\"a\",\"b\":1}", "{\"X-Key\":\"[redacted]\",\"b\":1}");
    check_text("json:pin,query:key", "nothing of it \" \\\" \\ ?&= {", "nothing of it \" \\\" \\ ?&= {");
    CHECK_STR(shown_text(NULL, "{\"pin\":1}"), "{\"pin\":1}");
}

/* ---- Texts of JSON, beside their values ---- */

static unsigned dice_state = 1;

static unsigned dice(unsigned n)
{
    dice_state = dice_state * 1103515245 + 12345;
    return (dice_state >> 16) % n;
}

static sw_value random_text(void)
{
    static const char signs[] = "\\\"{}[],: pina?&=\n/";
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    uint32_t len = dice(8);
    char *text = arena_alloc(&memory, len + 1);
    for (uint32_t i = 0; i < len; i++) text[i] = signs[dice(sizeof signs - 1)];
    v.via.str.ptr = text;
    v.via.str.size = len;
    return v;
}

static sw_value random_value(int depth)
{
    static const char *const names[] = {"pin", "a", "pins", "list", "card"};
    sw_value v = {.type = MSGPACK_OBJECT_NIL};
    unsigned what = dice(depth > 0 ? 6 : 3);
    if (what == 0) return v;
    if (what == 1) return random_text();
    if (what == 2) return (sw_value){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = dice(1000)};
    uint32_t n = dice(4);
    if (what == 3) {
        v.type = MSGPACK_OBJECT_ARRAY;
        v.via.array.size = n;
        v.via.array.ptr = arena_alloc(&memory, (n + 1) * sizeof(sw_value));
        for (uint32_t i = 0; i < n; i++) v.via.array.ptr[i] = random_value(depth - 1);
        return v;
    }
    v.type = MSGPACK_OBJECT_MAP;
    v.via.map.size = n;
    v.via.map.ptr = arena_alloc(&memory, (n + 1) * sizeof(msgpack_object_kv));
    for (uint32_t i = 0; i < n; i++) {
        sw_value name = {.type = MSGPACK_OBJECT_STR};
        name.via.str.ptr = names[dice(5)];
        name.via.str.size = (uint32_t)strlen(name.via.str.ptr);
        v.via.map.ptr[i] = (msgpack_object_kv){name, random_value(depth - 1)};
    }
    return v;
}

static const char *json_of(sw_value v)
{
    sw_bytes text;
    CHECK(json_write(&memory, v, &text));
    return text.data;
}

/* The JSON of a value without strings that hold JSON, whole or quoted in other JSON once and twice, is hidden as the
 * value is. */
static void test_texts_of_values(void)
{
    redact *r = make("json:pin,json:card");
    for (int i = 0; i < 20000; i++) {
        sw_value v = random_value(4), hidden = v;
        CHECK(redact_value(r, &memory, &hidden));
        const char *before = json_of(v), *after = json_of(hidden);
        for (int quoted = 0; quoted < 3; quoted++) {
            CHECK_STR(shown_text(r, before), after);
            sw_value inner = {.type = MSGPACK_OBJECT_STR}, outer = inner;
            inner.via.str.ptr = before;
            inner.via.str.size = (uint32_t)strlen(before);
            outer.via.str.ptr = after;
            outer.via.str.size = (uint32_t)strlen(after);
            before = json_of(inner);
            after = json_of(outer);
        }
        arena_free(&memory);
        arena_init(&memory, NULL);
    }
    redact_free(r);
}

static void test_refusals(void)
{
    static const char *const wrong[] = {"", "password", "json:", "header:", "json:a,,json:b", "JSON:a", "body:/a"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        printf("# %s\n", wrong[i]);
        CHECK(!redact_new("--redact", wrong[i], error, sizeof error));
        CHECK(strstr(error, "--redact: \"") && strstr(error, "is no key"));
    }
    char deep[128] = "json:", *to = deep + 5;
    for (int i = 0; i < 33; i++) to += sprintf(to, "/a");
    CHECK(!redact_new("--redact", deep, error, sizeof error));
}

#define RUN   "/_sw/runs/01M8H2XFAZZVYG88RV5RQCW01T"
#define TOKEN "s3454fed85a67d1a0.Tluu3-gdA81Gt0Bk4byJTe96wcGr3bkuv328zwI1G6Q"

static void check_tokens(redact *r, const char *text, const char *expected)
{
    http_text shown = {text, strlen(text)};
    CHECK(redact_hides_in_text(r, shown) == (strcmp(text, expected) != 0));
    CHECK(redact_text_in(r, &memory, &shown));
    CHECK_INT(shown.len, strlen(expected));
    CHECK(memcmp(shown.data, expected, shown.len) == 0);
}

/* Whoever may look is not to act: tokens in URLs of runs are in no text, however these quote them; other texts, and
 * parameters of that name in other URLs, stay as they are. */
static void test_tokens(void)
{
    static const struct {
        const char *text, *expected;
    } tried[] = {
        {"http://a.example" RUN "/signals/pay?token=" TOKEN, "http://a.example" RUN "/signals/pay?token=[redacted]"},
        {RUN "/output?token=" TOKEN " and " RUN "/stream?x=1&token=" TOKEN "&y=2.",
         RUN "/output?token=[redacted] and " RUN "/stream?x=1&token=[redacted]&y=2."},
        {"{\"url\":\"http:\\/\\/a\\/_sw\\/runs\\/X\\/signals\\/pay?token=" TOKEN "\"}",
         "{\"url\":\"http:\\/\\/a\\/_sw\\/runs\\/X\\/signals\\/pay?token=[redacted]\"}"},
        {"notify=http%3A%2F%2Fa%2F_sw%2fruns%2FX%2Fsignals%2Fpay%3Ftoken%3D" TOKEN "&amount=3",
         "notify=http%3A%2F%2Fa%2F_sw%2fruns%2FX%2Fsignals%2Fpay%3Ftoken%3D[redacted]&amount=3"},
        {RUN "/signals/the%20token?token=" TOKEN, RUN "/signals/the%20token?token=[redacted]"},
        {RUN "/output?token=" TOKEN "&token=x" RUN "?token=y",
         RUN "/output?token=[redacted]&token=[redacted]" RUN "?token=[redacted]"},
        {RUN "/output?token=", RUN "/output?token="},
        {RUN "/output token=" TOKEN, RUN "/output token=" TOKEN},
        {"http://a.example/reset?token=" TOKEN, "http://a.example/reset?token=" TOKEN},
        {"_sw/_sw/runs", "_sw/_sw/runs"},
        {"_sw", "_sw"},
        {"", ""},
    };
    redact *alone = make(NULL), *beside = make("json:password,header:X-Key,query:key");
    redact_hide_tokens(alone);
    redact_hide_tokens(beside);
    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
        check_tokens(alone, tried[i].text, tried[i].expected);
        check_tokens(beside, tried[i].text, tried[i].expected);
        check_tokens(NULL, tried[i].text, tried[i].text);
    }
    check_tokens(alone, "\"password\":\"p\"", "\"password\":\"p\"");
    check_tokens(beside, "\"password\":\"p\" " RUN "/stream?token=" TOKEN "&key=k",
                 "\"password\":\"[redacted]\" " RUN "/stream?token=[redacted]&key=[redacted]");
    check_tokens(beside, RUN "/stream?key=k&token=" TOKEN, RUN "/stream?key=[redacted]&token=[redacted]");
    check_tokens(beside, "%2F_sw%2fruns%2FX%3Ftoken%3D" TOKEN "%\\=ey",
                 "%2F_sw%2fruns%2FX%3Ftoken%3D[redacted]%\\=[redacted]");
    check_tokens(beside, "key=" RUN "?token=" TOKEN "&" RUN "?token=x", "key=[redacted]&" RUN "?token=[redacted]");
    redact_free(alone);
    redact_free(beside);
}

/* In a value, at any depth, names of members too; what has none is not even copied. */
static void test_tokens_of_values(void)
{
    static const char text[] = "{\"to\":[\"x\",{\"" RUN "/a?token=" TOKEN "\":\"" RUN "/a?token=" TOKEN "\"}]}",
                      plain[] = "{\"to\":[\"token=" TOKEN "\",{\"_sw\":\"/_sw/runs\"}]}";
    redact *r = make(NULL);
    sw_value v;
    sw_bytes shown;
    const char *message = NULL;
    size_t hidden = 0;
    redact_hide_tokens(r);
    CHECK(json_read(&memory, text, sizeof text - 1, &v, &message) && redact_value_counted(r, &memory, &v, &hidden));
    CHECK_INT(hidden, 2);
    CHECK(json_write(&memory, v, &shown));
    CHECK_STR(shown.data, "{\"to\":[\"x\",{\"" RUN "/a?token=[redacted]\":\"" RUN "/a?token=[redacted]\"}]}");
    hidden = 0;
    CHECK(json_read(&memory, plain, sizeof plain - 1, &v, &message) && redact_value_counted(r, &memory, &v, &hidden));
    CHECK_INT(hidden, 0);
    CHECK(json_write(&memory, v, &shown));
    CHECK_STR(shown.data, plain);
    redact_free(r);
}

static const check_case cases[] = {{"tokens of runs are in no text", test_tokens},
                                   {"tokens of runs are in no value", test_tokens_of_values},
                                   {"values are hidden, and those of the journal left alone", test_values},
                                   {"parameters of targets are hidden", test_targets},
                                   {"strings of values are texts", test_strings},
                                   {"values are taken out", test_values_out},
                                   {"parameters of targets are taken out", test_targets_out},
                                   {"headers are known in any case", test_headers},
                                   {"what texts quote is hidden", test_texts},
                                   {"texts of JSON are hidden as its values are", test_texts_of_values},
                                   {"what is no key is refused", test_refusals}};

int main(int argc, char **argv)
{
    arena_init(&memory, NULL);
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
