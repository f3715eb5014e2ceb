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
    check_hidden("json:/name, json:/list/7,header:key,query:password", text, text); /* nothing has these */
    check_hidden("json:/a~1b/c~0d", "{\"a/b\":{\"c~d\":1,\"cd\":2}}", "{\"a/b\":{\"c~d\":\"[redacted]\",\"cd\":2}}");
    check_hidden("json:/a", "[[\"a\"]]", "[[\"a\"]]");
    check_hidden("json:a", "\"a\"", "\"a\"");
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
    check_taken_out("query:pin", "{\"pin\":1}", "{\"pin\":1}");
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

static const check_case cases[] = {{"values are hidden, and those of the journal left alone", test_values},
                                   {"parameters of targets are hidden", test_targets},
                                   {"values are taken out", test_values_out},
                                   {"parameters of targets are taken out", test_targets_out},
                                   {"headers are known in any case", test_headers},
                                   {"what is no key is refused", test_refusals}};

int main(int argc, char **argv)
{
    arena_init(&memory, NULL);
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
